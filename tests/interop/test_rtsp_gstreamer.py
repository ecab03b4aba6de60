"""GStreamer publishes by RTSP, and others play that by RTSP."""

import paths
import players
import publishers
from case import Case

STREAM = "cam"
SECONDS = 3


class FromGstreamer(Case):
    def check(self, transport):
        self.serve()
        url = self.server.rtsp(STREAM)
        self.start("publisher", publishers.gstreamer_rtsp(url, transport))
        # They wait for it.
        mpv = players.Mpv(self, url, "tcp")
        decoding = [
            self.start("ffmpeg", players.ffmpeg_decode_rtsp(ffmpeg, url, SECONDS, way))
            for ffmpeg in (paths.FFMPEG_CURRENT, paths.FFMPEG_DEBIAN)
            for way in ("tcp", "udp")
        ]
        for program in decoding:
            program.wait(players.PLAYS_WITHIN)
            self.assert_none(players.ffmpeg_faults(program, SECONDS), "ffmpeg")
        mpv.until_played()

    def test_over_tcp(self):
        self.check("tcp")

    def test_over_udp(self):
        self.check("udp")
