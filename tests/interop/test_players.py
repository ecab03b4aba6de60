"""Each program decodes frames from each URL that it can play."""

import paths
import players
import timeline
import ts_rules
from case import Case

STREAM = "cam"
SECONDS = 4


class Plays(Case):
    def setUp(self):
        super().setUp()
        self.serve()
        self.publish_live(STREAM)
        server = self.server
        self.urls = [server.rtmp(STREAM), server.flv(STREAM), server.ts(STREAM), server.hls(STREAM)]

    def test_current_ffmpeg(self):
        self.check_ffmpeg(paths.FFMPEG_CURRENT)

    def test_debian_ffmpeg(self):
        self.check_ffmpeg(paths.FFMPEG_DEBIAN)

    def check_ffmpeg(self, ffmpeg):
        self.until_hls(STREAM)
        decoding = [
            self.start("ffmpeg", players.ffmpeg_decode(ffmpeg, url, SECONDS)) for url in self.urls
        ]
        for program in decoding:
            program.wait(players.PLAYS_WITHIN)
            self.assert_none(players.ffmpeg_faults(program, SECONDS), "ffmpeg")

    def test_gstreamer(self):
        self.until_hls(STREAM)
        for player in [
            players.Gstreamer(self, source) for source in players.gstreamer_sources(*self.urls)
        ]:
            player.until_decoded()

    def test_vlc(self):
        self.until_hls(STREAM)
        for vlc in [players.Vlc(self, url) for url in self.urls]:
            vlc.until_decoded()

    def test_rtmpdump(self):
        capture = self.capture_rtmp(self.server.rtmp(STREAM))
        capture.until_span(SECONDS * 1000 + 1000)
        data = capture.stop()
        self.assert_none(timeline.faults(capture.reader.samples(data)), "rtmpdump")
        self.assert_decodes(data, SECONDS)

    def test_curl(self):
        flv_path, ts_path = self.directory / "curl.flv", self.directory / "curl.ts"
        curls = [
            self.start("curl", players.curl(self.server.flv(STREAM), flv_path)),
            self.start("curl", players.curl(self.server.ts(STREAM), ts_path)),
        ]
        self.until_live(STREAM, milliseconds=SECONDS * 1000 + 1000)
        for curl in curls:
            self.assertIsNone(curl.exit_code, curl.describe())
            curl.stop()
        for path in (flv_path, ts_path):
            self.assert_decodes(path.read_bytes(), SECONDS)
        self.assert_none(ts_rules.faults(ts_path.read_bytes()), "curl")
