"""Players that come before the publisher wait for it, and then play."""

import time

import paths
import players
import sample
import timeline
from case import Case
from sample import VIDEO

STREAM = "later"
SECONDS = 3
STARTS_WITHIN = 1.5


class WaitingPlayers(Case):
    # Time is measured here.
    alone = True

    def test_each_url_starts_with_the_publisher(self):
        self.serve()
        captures = self.capture_everything(STREAM)
        vlc = players.Vlc(self, self.server.flv(STREAM))
        decoding = self.start(
            "ffmpeg",
            players.ffmpeg_decode(paths.FFMPEG_DEBIAN, self.server.rtmp(STREAM), SECONDS),
        )
        # All of them are known to wait; the log names those that play.
        self.until_log_counts(f"plays {STREAM}", len(captures) + 2)
        for capture in captures:
            self.assertEqual(capture.samples(), [], capture.url)

        self.publish(STREAM)
        self.until_log_counts(f"publishes {STREAM}", 1)
        started = time.monotonic()
        for capture in captures:
            capture.until(lambda got: sample.of(got, VIDEO), 10, "a video frame")
        self.assertLess(time.monotonic() - started, STARTS_WITHIN)

        for capture in captures:
            capture.until_span(SECONDS * 1000 + 1000)
            data = capture.stop()
            self.assert_none(timeline.faults(capture.reader.samples(data)), capture.url)
            self.assert_decodes(data, SECONDS)
        decoding.wait(players.PLAYS_WITHIN)
        self.assert_none(players.ffmpeg_faults(decoding, SECONDS), "ffmpeg over RTMP")
        vlc.until_decoded()
