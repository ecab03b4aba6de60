"""Tracks that join while players of HLS play."""

import subprocess

import hls
import paths
import players
import waiting
from case import Case
from chromium import Chromium
from hls_capture import get

STREAM = "cam"
# When sound joins, in seconds: players have begun by then.
JOINS = 24
SECONDS = 60


class SoundJoins(Case):
    takes_minutes = True

    def film(self):
        """A transport stream whose sound begins late, and so does its place in the tables."""
        parts = {"a": ["-an", "-t", str(JOINS)], "b": ["-output_ts_offset", str(JOINS)]}
        for name, how in parts.items():
            command = [paths.FFMPEG_CURRENT, "-v", "error", "-stream_loop", "-1"]
            command += ["-i", paths.media("demo"), "-c", "copy", "-t", str(SECONDS), *how]
            path = self.directory / f"{name}.ts"
            subprocess.run([*command, "-f", "mpegts", path], check=True, timeout=60)
        whole = self.directory / "film.ts"
        whole.write_bytes(b"".join((self.directory / f"{name}.ts").read_bytes() for name in parts))
        return whole

    def check(self, **keys):
        film = self.film()
        self.serve(hls={"segment": "2s", **keys}, pull=[{"stream": STREAM, "url": f"file:{film}"}])
        url = self.server.hls(STREAM)
        self.until_hls(STREAM)
        # A page that began without sound has no decoder for it: browsers add none, so pages begin anew.
        chromium = Chromium(self, [{"name": "hls.js", "kind": "hls.js recovers", "url": url}])
        capture = self.capture_hls(url)

        def parted():
            return [one for one, _ in capture.segments if one.discontinuity]

        waiting.until(parted, JOINS + 20, "a discontinuity")
        shown = {name: player["frames"] for name, player in chromium.report().items()}
        # Past the join, wherever they were: each new beginning takes some time.
        report = chromium.until(
            lambda name, player: player["frames"] > shown.get(name, 0) + 250, "10 s more", 60
        )
        for name, player in report.items():
            # One that begins anew shows some pictures again.
            errors = [error for error in player["errors"] if not error.startswith("picture of")]
            self.assertEqual(errors, [], name)
        capture.stop()
        self.assert_none(capture.faults, "playlist")
        self.assertEqual(len(parted()), 1, get(url)[2])
        self.assertTrue(all(hls.read(one.text).independent for one in capture.playlists))

    def test_in_mpeg_ts(self):
        self.check(format="ts")
        # It takes the first head of fragmented MP4 for the only one.
        url = self.server.hls(STREAM)
        program = self.start("ffmpeg", players.ffmpeg_decode(paths.FFMPEG_DEBIAN, url, 4))
        program.wait(20)
        self.assert_none(players.ffmpeg_faults(program, 4), url)

    def test_in_fragmented_mp4(self):
        self.check(format="fmp4")
