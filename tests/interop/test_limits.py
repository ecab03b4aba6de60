"""Slow and many connections: each limit holds, and those within it are served."""

import time

import waiting
from case import Case
from raw_http import RawHttp

STREAM = "cam"


class Limits(Case):
    def connect(self, timeout=10):
        connection = RawHttp(self.server.http_port, timeout)
        self.addCleanup(connection.close)
        return connection

    def status_of_healthz(self):
        return self.connect().request("GET", "/healthz").status

    def silent_connection(self):
        """One that the server has let in, or None while there is no room yet."""
        connection = self.connect()
        connection.socket.settimeout(0.1)
        # Part of a request. One that is turned away is told so at once.
        connection.send(b"GET ")
        try:
            connection.socket.recv(1)
            return None
        except TimeoutError:
            connection.socket.settimeout(10)
            return connection

    def until_it_ends(self, connection, within):
        """Feeds a byte now and then, and returns how long that was borne."""
        started = time.monotonic()
        while time.monotonic() - started < within:
            connection.socket.settimeout(0.25)
            try:
                connection.send(b"a")
                if connection.ends():
                    return time.monotonic() - started
            except OSError:
                return time.monotonic() - started
        self.fail(f"still open after {within} s")

    def test_a_head_that_does_not_end_is_cut(self):
        self.serve(connections={"handshake": "2s"})
        connection = self.connect()
        connection.send(b"GET /healthz HTTP/1.1\r\nHost: ")
        self.assertGreater(self.until_it_ends(connection, within=5), 1.5)

    def test_a_handshake_that_does_not_end_is_cut(self):
        self.serve(connections={"handshake": "2s"})
        connection = RawHttp(self.server.rtmp_port)
        self.addCleanup(connection.close)
        connection.send(b"\x03")
        self.assertGreater(self.until_it_ends(connection, within=5), 1.5)

    def test_a_connection_without_requests_is_closed(self):
        self.serve(http={"keep_alive": "1s"})
        connection = self.connect(timeout=4)
        self.assertEqual(connection.request("GET", "/healthz").status, 200)
        self.assertTrue(connection.ends())

    def test_one_connection_too_many_is_told_so_and_room_comes_back(self):
        # There is room for all that may publish and play, and for those to spare.
        self.serve(
            streams={"max": 1}, viewers={"max": 1}, connections={"spare": 2, "handshake": "2s"}
        )
        silent = [
            waiting.until(self.silent_connection, 2, "room for a connection")
            for _ in range(1 + 1 + 2)
        ]
        answer = self.connect().request("GET", "/healthz")
        self.assertEqual(answer.status, 503, answer)
        self.assertIn("retry-after", answer.fields)
        for connection in silent:
            self.assertTrue(connection.ends())
        self.assertEqual(self.status_of_healthz(), 200)

    def test_one_viewer_too_many_is_told_so(self):
        self.serve(viewers={"max": 2})
        self.publish_live(STREAM)
        # The viewer that waited for the publisher has left for good.
        self.until_log_counts(f"stops playing {STREAM}", 1)
        for _ in range(2):
            self.capture(self.server.flv(STREAM)).until_frames()
        answer = self.connect().request("GET", f"/live/{STREAM}.flv")
        self.assertEqual(answer.status, 503, answer)
        self.assertIn("retry-after", answer.fields)
        self.assertEqual(self.status_of_healthz(), 200)
