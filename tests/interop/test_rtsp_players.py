"""Each program decodes what is published by RTMP from the RTSP URL, over TCP and over UDP.

VLC is not among them: Debian's is built without live555, and what is left takes every
RTSP for a satellite receiver's MPEG-TS.
"""

import paths
import players
from case import Case

STREAM = "cam"
SECONDS = 4
WAYS = ("tcp", "udp")


class RtspPlayers(Case):
    def setUp(self):
        super().setUp()
        self.serve()
        self.publish_live(STREAM, media="bframes")
        self.url = self.server.rtsp(STREAM)

    def tearDown(self):
        for way in ("TCP", "UDP"):
            self.assertIn(f"plays {STREAM} over {way}", self.server.log)
        super().tearDown()

    def check_ffmpeg(self, ffmpeg):
        decoding = [
            self.start("ffmpeg", players.ffmpeg_decode_rtsp(ffmpeg, self.url, SECONDS, way))
            for way in WAYS
        ]
        for program in decoding:
            program.wait(players.PLAYS_WITHIN)
            self.assert_none(players.ffmpeg_faults(program, SECONDS), "ffmpeg")

    def test_current_ffmpeg(self):
        self.check_ffmpeg(paths.FFMPEG_CURRENT)

    def test_debian_ffmpeg(self):
        self.check_ffmpeg(paths.FFMPEG_DEBIAN)

    def test_gstreamer(self):
        for player in [players.GstreamerRtsp(self, self.url, way) for way in WAYS]:
            player.until_decoded()

    def test_mpv(self):
        for player in [players.Mpv(self, self.url, way) for way in WAYS]:
            player.until_played()
