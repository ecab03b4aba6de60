"""PROGRAM-DATE-TIME and TARGETDURATION, for those who ask first and in mid-stream."""

import time
from datetime import datetime, timezone

import hls
from case import Case
from hls_capture import get

STREAM = "cam"
# Milliseconds of the stream before anybody asks: not a whole number of groups of pictures.
BEFORE = 3300
CLOCKS = 0.1


class Dates(Case):
    def test_what_came_before_anybody_asked_is_dated_when_it_came(self):
        self.serve(hls={"segment": "1s"})
        self.publish(STREAM)
        self.until_live(STREAM, BEFORE)
        url = self.server.hls(STREAM)
        capture = self.capture_hls(url)
        capture.until(lambda one: len(one.segments) >= 5, 30, "5 segments")
        capture.stop()
        self.assert_none(capture.faults, "playlist")
        for _ in range(3):
            segment = hls.read(get(url)[2].decode()).segments[-1]
            # It is told of when the next one has begun.
            ago = (datetime.now(timezone.utc) - segment.date).total_seconds() - segment.duration
            self.assertGreater(ago, -CLOCKS, segment)
            self.assertLess(ago, 5, segment)
            time.sleep(0.3)


class Target(Case):
    def test_it_is_that_of_the_key_frames_from_the_first_playlist_on(self):
        self.serve()
        self.publish(STREAM, media="bframes")
        capture = self.capture_hls(self.server.hls(STREAM))
        capture.until(lambda one: len(one.segments) >= 6, 40, "6 segments")
        capture.stop()
        self.assert_none(capture.faults, "playlist")
        self.assertEqual({playlist.target for playlist in capture.playlists}, {2})
        self.assertTrue(all(playlist.independent for playlist in capture.playlists))
