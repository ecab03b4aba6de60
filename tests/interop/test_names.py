"""Names that are no names: refused everywhere, and nothing breaks."""

from urllib.parse import urljoin

import hls
import paths
import players
from case import Case
from hls_capture import get
from raw_http import RawHttp

BAD = [
    "..",
    ".",
    "%2e%2e",
    "%2E%2E%2fetc%2fpasswd",
    "a%2fb",
    "a%5cb",
    "a%00b",
    "a%0d%0ab",
    "%ff",
    "%zz",
    "%",
    "a" * 300,
]
ABOVE = ["/hls/../../etc/passwd", "/hls/../cam/../playlist", "/hls/%2e%2e/playlist.m3u8"]
TARGETS = ["/live/{}.flv", "/live/{}.ts", "/hls/{}.m3u8", "/hls/{}/playlist.m3u8"]


class Names(Case):
    def status(self, target):
        connection = RawHttp(self.server.http_port)
        try:
            return connection.request("GET", target).status
        finally:
            connection.close()

    def test_no_url_with_a_bad_name_is_served(self):
        self.serve()
        targets = [target.format(name) for target in TARGETS for name in BAD] + ABOVE
        wrong = [
            f"{target[:60]} answered {status}"
            for target in targets
            if (status := self.status(target)) not in (400, 404)
        ]
        self.assert_none(wrong, "bad names")
        self.assertEqual(self.status("/healthz"), 200)

    def test_nothing_is_published_under_a_bad_name(self):
        self.serve()
        publishers = [self.publish(name) for name in ("..", "a\\b", "a" * 300)]
        for publisher in publishers:
            self.assertNotEqual(publisher.wait(10), 0, publisher.describe())
        self.assertNotIn(" publishes ", self.server.log)
        self.publish_live("good")


class OneName(Case):
    """Percent codes and the letters themselves say the same name, by every protocol."""

    def check(self, plain, encoded):
        server = self.server
        captures = [self.capture(url(encoded)) for url in (server.flv, server.ts, server.ws_flv)]
        captures += [self.capture_rtmp(server.rtmp(name)) for name in (plain, encoded)]
        for capture in captures:
            capture.until_span(500)
            capture.stop()
        answer = RawHttp(server.http_port).request("GET", f"/hls/{encoded}.m3u8")
        self.assertEqual(answer.status, 200)
        status, _, playlist = get(server.hls(encoded))
        segment = hls.read(playlist.decode("ascii")).segments[0]
        self.assertEqual((status, get(urljoin(server.hls(encoded), segment.uri))[0]), (200, 200))
        for name in (plain, encoded):
            url = server.rtsp(name)
            command = players.ffmpeg_decode_rtsp(paths.FFMPEG_CURRENT, url, 1, "tcp")
            player = self.start("ffmpeg", command)
            player.wait(players.PLAYS_WITHIN)
            self.assert_none(players.ffmpeg_faults(player, 1), url)
        self.assertIn(f" publishes {plain} ", server.log)

    def test_of_a_publisher_by_rtmp(self):
        self.serve()
        self.publish("%E9%97%A8-1")
        self.check("门-1", "%E9%97%A8%2D1")

    def test_of_a_publisher_by_rtsp(self):
        self.serve()
        self.publish_rtsp("%E9%97%A8-2")
        self.check("门-2", "%E9%97%A8%2D2")
