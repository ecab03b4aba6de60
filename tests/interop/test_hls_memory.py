"""Streams for which hls.memory is too small: playlists go on all the same."""

import subprocess

import paths
import players
from case import Case

# Bits a second.
RATE = 4_000_000
LARGE, SMALL = 8_000_000, 1_000_000
SECONDS = 40
GOES_ON_WITHIN = 60


class TooLittle(Case):
    def publish_long_groups(self, stream, bits=RATE):
        """Ten seconds from one key frame to the next."""
        path = self.directory / f"long{bits}.flv"
        if not path.exists():
            rate = ["-b:v", f"{bits}", "-maxrate", f"{bits}", "-bufsize", f"{bits // 2}"]
            subprocess.run(
                [
                    *[paths.FFMPEG_CURRENT, "-v", "error", "-f", "lavfi"],
                    *["-i", "testsrc2=size=320x180:rate=25", "-t", f"{SECONDS}", "-c:v", "libx264"],
                    *["-preset", "ultrafast", "-tune", "zerolatency", "-pix_fmt", "yuv420p"],
                    *["-g", "250", *rate],
                    *["-x264-params", "scenecut=0:nal-hrd=cbr:filler=1", path],
                ],
                check=True,
                timeout=120,
            )
            self.assertGreater(path.stat().st_size, bits // 8 * SECONDS * 0.9)
        send = [paths.FFMPEG_CURRENT, "-v", "error", "-re", "-stream_loop", "-1", "-i", path]
        self.start("publisher", [*send, "-c", "copy", "-f", "flv", self.server.rtmp(stream)])
        self.until_live(stream)

    def play(self, stream, seconds):
        """A player, and one who fetches all that is listed."""
        self.until_hls(stream)
        url = self.server.hls(stream)
        player = self.start("player", players.ffmpeg_decode(paths.FFMPEG_CURRENT, url, seconds))
        return player, self.capture_hls(url)

    def check(self, player, capture, seconds):
        def has_gone_on(one):
            return sum(segment.duration for segment, _ in one.segments) > seconds

        capture.until(has_gone_on, GOES_ON_WITHIN + seconds, f"{seconds} s of segments")
        player.wait(GOES_ON_WITHIN + seconds)
        capture.stop()
        # Segments that begin in mid group are told of.
        faults = [fault for fault in capture.faults if fault != "no INDEPENDENT-SEGMENTS"]
        self.assert_none(faults, "playlist")
        self.assertEqual(len({playlist.target for playlist in capture.playlists}), 1)
        numbers = [segment.number for segment, _ in capture.segments]
        self.assertEqual(numbers, list(range(numbers[0], numbers[0] + len(numbers))))
        self.assertFalse(any(segment.discontinuity for segment, _ in capture.segments))
        self.assert_none(players.ffmpeg_faults(player, seconds), "player")

    def test_one_stream_on_the_smallest_profile(self):
        self.serve(profile="tiny")
        # Players have four seconds of it, and a busy machine may stand still for two.
        self.publish_long_groups("a", RATE // 2)
        self.check(*self.play("a", 25), 25)
        self.until_log_counts("stream=a HLS: 1024 KiB of hls.memory are too few for", 1)
        self.assertNotIn("are lost", self.server.log)

    def test_two_streams_on_a_router(self):
        self.serve(profile="router")
        self.publish_long_groups("a")
        self.publish_long_groups("b")
        first = self.play("a", 35)
        first[1].until(lambda one: len(one.segments) >= 6, 30, "6 segments")
        second = self.play("b", 15)
        self.check(*second, 15)
        self.check(*first, 35)
        self.assertNotIn("are lost", self.server.log)

    def test_one_that_sends_too_much_keeps_no_other_out(self):
        self.serve(profile="router")
        self.publish_long_groups("a", LARGE)
        self.publish_long_groups("b", SMALL)
        self.until_hls("a")
        large = self.capture_hls(self.server.hls("a"))
        large.until(lambda one: len(one.playlists) >= 6, 30, "6 playlists")
        self.check(*self.play("b", 15), 15)
        told = len(large.playlists)
        large.until(lambda one: len(one.playlists) >= told + 6, 30, "6 more playlists")
        large.stop()
