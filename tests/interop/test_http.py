"""HTTP as such: connections, methods, refusals, and answers to other origins."""

import re
import subprocess
import tempfile

from case import Case
from raw_http import RawHttp

STREAM = "cam"
# A label's value may hold any character, the quote and the backslash escaped.
METRIC = re.compile(
    r'^[a-z_:][a-z0-9_:]*(\{([a-z_]+="([^"\\]|\\.)*",?)*\})? -?[0-9.e+Inf-]+$', re.I
)


class Http(Case):
    def setUp(self):
        super().setUp()
        self.serve()

    def connect(self):
        connection = RawHttp(self.server.http_port)
        self.addCleanup(connection.close)
        return connection

    def request(self, method, target, *fields, **how):
        return self.connect().request(method, target, *fields, **how)

    def refuses(self, sent, *statuses):
        """The bytes are answered with one of these and the connection ends."""
        connection = self.connect()
        connection.send(sent)
        answer = connection.answer()
        self.assertIn(answer.status, statuses, f"{sent[:60]!r}: {answer}")
        self.assertTrue(connection.ends(), f"{sent[:60]!r}: not closed after {answer}")
        return answer


class Connections(Http):
    def test_one_connection_serves_many_requests(self):
        connection = self.connect()
        for _ in range(3):
            answer = connection.request("GET", "/healthz")
            self.assertEqual((answer.status, answer.body), (200, b"ok\n"))

    def test_requests_sent_together_are_answered_in_order(self):
        connection = self.connect()
        head = b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
        connection.send(b"GET /healthz" + head + b"GET /nothing" + head + b"GET /healthz" + head)
        self.assertEqual([connection.answer().status for _ in range(3)], [200, 404, 200])

    def test_a_request_in_pieces_is_one_request(self):
        connection = self.connect()
        for byte in b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n":
            connection.send(bytes([byte]))
        self.assertEqual(connection.answer().status, 200)

    def test_it_ends_when_the_client_says_so(self):
        connection = self.connect()
        answer = connection.request("GET", "/healthz", "Connection: close")
        self.assertEqual(answer.fields["connection"], "close")
        self.assertTrue(connection.ends())

    def test_http_1_0_ends_unless_asked_to_stay(self):
        connection = self.connect()
        self.assertEqual(connection.request("GET", "/healthz", version="HTTP/1.0").status, 200)
        self.assertTrue(connection.ends())
        connection = self.connect()
        for _ in range(2):
            answer = connection.request(
                "GET", "/healthz", "Connection: keep-alive", version="HTTP/1.0"
            )
            self.assertEqual(answer.status, 200)

    def test_a_body_that_nobody_wants_is_passed_over(self):
        connection = self.connect()
        connection.send(
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nGET /"
        )
        self.assertEqual(connection.answer().status, 200)
        self.assertEqual(connection.request("GET", "/healthz").status, 200)

    def test_so_is_one_in_chunks(self):
        connection = self.connect()
        connection.send(
            b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"5\r\nGET /\r\n0\r\n\r\n"
        )
        self.assertEqual(connection.answer().status, 405)
        self.assertEqual(connection.request("GET", "/healthz").status, 200)

    def test_who_may_not_send_its_body_after_all_is_told_that_it_ends(self):
        answer = self.request("POST", "/healthz", "Expect: 100-continue", "Content-Length: 5")
        self.assertEqual((answer.status, answer.fields["connection"]), (405, "close"))

    def test_curl_does_not_send_a_body_that_is_too_large(self):
        with tempfile.NamedTemporaryFile() as body:
            body.truncate(2 << 20)
            url = f"http://127.0.0.1:{self.server.http_port}/healthz"
            told = ["-sS", "-w", "%{http_code} %{size_upload}", "--data-binary", f"@{body.name}"]
            curl = ["curl", *told, url]
            said = subprocess.run(curl, capture_output=True, text=True, timeout=30, check=False)
        self.assertTrue(said.stdout.endswith("413 0"), said)


class Methods(Http):
    def test_head_has_the_head_of_get_and_no_body(self):
        connection = self.connect()
        get = connection.request("GET", "/healthz")
        head = connection.request("HEAD", "/healthz")
        self.assertEqual(head.status, 200)
        self.assertEqual(head.fields["content-length"], str(len(get.body)))
        # A body would come before the answer to this one.
        self.assertEqual(connection.request("GET", "/healthz").body, get.body)

    def test_head_of_a_live_stream_does_not_play_it(self):
        self.publish_live(STREAM)
        for extension, kind in (("flv", "video/x-flv"), ("ts", "video/mp2t")):
            connection = self.connect()
            answer = connection.request("HEAD", f"/live/{STREAM}.{extension}")
            self.assertEqual(answer.status, 200)
            self.assertEqual(answer.fields["content-type"].lower(), kind)
            self.assertTrue(connection.ends())

    def test_others_are_refused_with_the_list_of_those_allowed(self):
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            answer = self.request(method, f"/live/{STREAM}.flv")
            self.assertEqual(answer.status, 405, method)
            self.assertLessEqual({"GET", "HEAD"}, set(answer.fields["allow"].split(", ")), method)

    def test_what_no_path_has_is_not_implemented(self):
        self.assertEqual(self.request("BREW", f"/live/{STREAM}.flv").status, 501)


class Refusals(Http):
    def test_what_is_not_http_is_a_bad_request(self):
        host = b"\r\nHost: localhost\r\n"
        for sent in (
            b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
            b"GARBAGE\r\n\r\n",
            b"GET /healthz HTTP/1.1\r\n\r\n",
            b"GET /healthz HTTP/1.1" + host + b"Host: other\r\n\r\n",
            b"GET healthz HTTP/1.1" + host + b"\r\n",
            b"GET /healthz HTTP/1.1" + host + b"No colon\r\n\r\n",
            b"GET /healthz HTTP/1.1" + host + b"Space : x\r\n\r\n",
            b"GET /healthz HTTP/1.1" + host + b"Content-Length: -1\r\n\r\n",
            b"GET /healthz HTTP/1.1" + host + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
            b"GET /healthz HTTP/1.1"
            + host
            + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        ):
            self.refuses(sent, 400)

    def test_a_version_that_is_not_spoken(self):
        self.refuses(b"GET /healthz HTTP/3.7\r\nHost: localhost\r\n\r\n", 400, 505)

    def test_a_body_that_is_too_large_is_refused_unread(self):
        for length in (b"1000000000", b"99999999999999999999999999"):
            self.refuses(
                b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
                + length
                + b"\r\n\r\n",
                413,
            )

    def test_a_head_that_is_too_large(self):
        start = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"
        self.refuses(start + b"X: " + b"a" * 60000 + b"\r\n\r\n", 431)
        self.refuses(start + b"X: y\r\n" * 5000 + b"\r\n", 431)

    def test_a_target_that_is_too_long(self):
        self.refuses(b"GET /" + b"a" * 60000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414, 431)

    def test_what_is_not_there(self):
        for target in ("/", "/nothing", "/live/", "/hls/absent/absent-1234567890123-0.ts"):
            self.assertEqual(self.request("GET", target).status, 404, target)


class OtherOrigins(Http):
    ORIGIN = "Origin: http://other.example:8000"

    def test_preflight_names_all_that_a_player_may_ask(self):
        for target in (f"/live/{STREAM}.flv", f"/live/{STREAM}.ts", f"/hls/{STREAM}.m3u8"):
            answer = self.request(
                "OPTIONS",
                target,
                self.ORIGIN,
                "Access-Control-Request-Method: GET",
                "Access-Control-Request-Headers: range",
            )
            self.assertIn(answer.status, (200, 204), target)
            self.assertEqual(answer.fields["access-control-allow-origin"], "*", target)
            self.assertIn("GET", answer.fields["access-control-allow-methods"], target)
            self.assertIn("range", answer.fields["access-control-allow-headers"].lower(), target)
            self.assertGreater(int(answer.fields["access-control-max-age"]), 0, target)

    def test_each_answer_may_be_read(self):
        self.publish_live(STREAM)
        self.until_hls(STREAM)
        playlist = self.request("GET", f"/hls/{STREAM}/playlist.m3u8", self.ORIGIN)
        segment = playlist.body.decode().split()[-1]
        for target in (
            f"/live/{STREAM}.flv",
            f"/live/{STREAM}.ts",
            f"/hls/{STREAM}.m3u8",
            f"/hls/{STREAM}/{segment}",
        ):
            answer = self.request("GET", target, self.ORIGIN)
            self.assertEqual(answer.status, 200, target)
            self.assertEqual(answer.fields["access-control-allow-origin"], "*", target)
            # With "*" a browser would refuse the answer if this were there too.
            self.assertNotIn("access-control-allow-credentials", answer.fields, target)
            kept = "max-age" if target.endswith(segment) else "no-cache"
            self.assertIn(kept, answer.fields["cache-control"], target)


class Metrics(Http):
    def test_prometheus_can_read_them(self):
        self.publish_live(STREAM)
        answer = self.request("GET", "/metrics")
        self.assertEqual(answer.status, 200)
        self.assertTrue(answer.fields["content-type"].startswith("text/plain; version=0.0.4"))
        lines = answer.body.decode().splitlines()
        values = [line for line in lines if not line.startswith("#")]
        self.assertGreater(len(values), 5)
        self.assert_none((line for line in values if not METRIC.match(line)), "metrics")
        typed = {line.split()[2] for line in lines if line.startswith("# TYPE ")}
        named = {re.split("[{ ]", line)[0] for line in values}
        self.assertEqual(named - typed, set(), "without TYPE")
        self.assertIn("runnel_publishers 1", values)
        # Names that clients choose would make metrics without end.
        self.assertFalse([line for line in values if f'"{STREAM}"' in line])
