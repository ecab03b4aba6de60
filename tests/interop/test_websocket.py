"""WebSocket as such: the handshake's rules, ping, and the closing handshake."""

import websocket
from case import Case
from raw_http import RawHttp

STREAM = "cam"
UPGRADE = ["Upgrade: websocket", "Connection: Upgrade"]
KEY = "Sec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA=="
VERSION = "Sec-WebSocket-Version: 13"


class WebSockets(Case):
    def setUp(self):
        super().setUp()
        self.serve()
        self.publish_live(STREAM)

    def connect(self, *headers, ahead=b""):
        url = self.server.ws_flv(STREAM)
        client = websocket.WebSocket(url, timeout=15, headers=headers, ahead=ahead)
        self.addCleanup(client.close)
        return client

    def handshake(self, *fields):
        connection = RawHttp(self.server.http_port)
        self.addCleanup(connection.close)
        return connection.request("GET", f"/live/{STREAM}.flv", *fields)

    def test_words_of_the_handshake_may_be_in_any_case(self):
        answer = self.handshake(
            "UPGRADE: WebSocket", "connection: keep-alive, UPGRADE", KEY, VERSION
        )
        self.assertEqual(answer.status, 101)

    def test_a_page_of_another_origin_may_connect(self):
        kind, payload = next(self.connect("Origin: http://other.example").messages())
        self.assertEqual((kind, payload[:3]), (websocket.BINARY, b"FLV"))

    def test_one_who_asks_for_subprotocols_is_given_the_first(self):
        for asked in (["a"], ["a, b"], ["a", "b"], ["rtsp.onvif.org, a"]):
            headers = self.connect(*[f"Sec-WebSocket-Protocol: {one}" for one in asked]).headers
            self.assertEqual(headers.get("sec-websocket-protocol"), asked[0].split(",")[0], asked)
        self.assertNotIn("sec-websocket-protocol", self.connect().headers)

    def test_another_version_is_told_which_to_use(self):
        answer = self.handshake(*UPGRADE, KEY, "Sec-WebSocket-Version: 8")
        self.assertEqual(answer.status, 426, answer)
        self.assertEqual(answer.fields["sec-websocket-version"], "13")

    def test_a_handshake_without_a_key_is_bad(self):
        self.assertEqual(self.handshake(*UPGRADE, VERSION).status, 400)

    def test_a_ping_is_answered_with_its_bytes(self):
        client = self.connect()
        client.send(websocket.PING, b"are you there")
        pong = next(payload for kind, payload in client.messages() if kind == websocket.PONG)
        self.assertEqual(pong, b"are you there")

    def test_a_ping_that_does_not_wait_for_the_handshake_is_answered(self):
        client = self.connect(ahead=websocket.masked(websocket.PING, b"already"))
        pong = next(payload for kind, payload in client.messages() if kind == websocket.PONG)
        self.assertEqual(pong, b"already")

    def test_a_close_is_answered_and_the_connection_ends(self):
        client = self.connect()
        client.send(websocket.CLOSE, b"\x03\xe8")
        # Goes on until the server closes, and fails on its time-out otherwise.
        kinds = [kind for kind, _ in client.messages()]
        self.assertEqual(kinds[-1], websocket.CLOSE)

    def test_a_frame_without_a_mask_ends_the_connection(self):
        client = self.connect()
        client.send_unmasked(websocket.BINARY, b"hello")
        for _ in client.messages():
            pass

    def test_text_from_the_client_is_ignored(self):
        client = self.connect()
        client.send(websocket.TEXT, b"hello")
        messages = client.messages()
        for _ in range(60):
            self.assertEqual(next(messages)[0], websocket.BINARY)
