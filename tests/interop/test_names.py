"""Names that are no names: refused everywhere, and nothing breaks."""

from case import Case
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
