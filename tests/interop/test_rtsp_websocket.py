"""RTSP over WebSocket, on a port of its own and on that of HTTP."""

import itertools
import threading

import flv
import rtp
import rtsp_websocket
import sample
import waiting
import websocket
from raw_http import RawHttp
from rtsp_case import AUDIO, STREAM, VIDEO, RtspCase
from rtsp_websocket import RtspWebSocket

ASKS_FOR_RTSP = "Sec-WebSocket-Protocol: rtsp"
ENDS_WITHIN = 5
SDP = "Content-Type: application/sdp"
DESCRIPTION = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 0 RTP/AVP 8\r\na=control:streamid=0\r\n"
)
KIND, SSRC, EACH = 8, 0x1234ABCD, 160
SILENCE = b"\xd5" * EACH
PACE = EACH / 8000


class OverWebSocket(RtspCase):
    def setUp(self):
        super().setUp()
        self.serve()

    def connect_by(self, port, *headers):
        client = RtspWebSocket(port, *headers)
        self.addCleanup(client.close)
        return client

    def connect(self, *headers):
        return self.connect_by(self.server.rtsp_websocket_port, *headers)

    @property
    def own_port(self):
        return self.server.rtsp_websocket_port


class Playing(OverWebSocket):
    def setUp(self):
        super().setUp()
        self.publish_live(STREAM)

    def check_play(self, client):
        answer = self.ok(client, "OPTIONS", self.url)
        self.assertIn("DESCRIBE", answer.fields["public"])
        self.play(client)
        self.assert_plays(client)
        channels = {client.packet()[0] for _ in range(50)}
        self.assertLessEqual({2 * VIDEO, 2 * AUDIO}, channels)
        self.assert_none(rtsp_websocket.faults(client.received), "messages")
        self.ok(client, "TEARDOWN", self.url)
        self.assertTrue(client.ends())

    def test_on_its_own_port(self):
        self.check_play(self.connect_by(self.own_port))

    def test_on_the_port_of_http(self):
        self.check_play(self.connect_by(self.server.http_port, ASKS_FOR_RTSP))

    def test_the_subprotocol_is_given_to_those_who_ask_for_it(self):
        port = self.own_port
        for asked in (ASKS_FOR_RTSP, "Sec-WebSocket-Protocol: chat, rtsp"):
            headers = self.connect_by(port, asked).socket.headers
            self.assertEqual(headers.get("sec-websocket-protocol"), "rtsp")
        # Browsers fail a connection whose answer names none that they asked for.
        headers = self.connect_by(port, "Sec-WebSocket-Protocol: chat").socket.headers
        self.assertEqual(headers.get("sec-websocket-protocol"), "chat")
        self.assertNotIn("sec-websocket-protocol", self.connect_by(port).socket.headers)

    def test_without_a_websocket_one_is_asked_for(self):
        connection = RawHttp(self.own_port)
        self.addCleanup(connection.close)
        answer = connection.request("GET", f"/live/{STREAM}")
        self.assertEqual(answer.status, 426, answer)

    def test_the_port_of_http_serves_flv_to_those_who_do_not_ask_for_rtsp(self):
        client = websocket.WebSocket(self.server.ws_flv(STREAM), timeout=15)
        self.addCleanup(client.close)
        self.assertEqual(next(client.messages())[1][:3], b"FLV")

    def test_tracks_over_udp_may_be_asked_for_too(self):
        client = self.connect()
        self.ok(client, "DESCRIBE", self.url)
        udp = "Transport: RTP/AVP;unicast;client_port=40000-40001"
        answer = self.ok(client, "SETUP", self.track(VIDEO), udp)
        self.assertIn("server_port", answer.fields["transport"])

    def test_a_request_may_come_in_many_frames_and_messages(self):
        client = self.connect()
        request = f"DESCRIBE {self.url} RTSP/1.0\r\nCSeq: 7\r\n\r\n".encode()
        for at in range(0, len(request), 10):
            client.send(request[at : at + 10])
        self.assertEqual(client.answer().status, 200)
        first, second, third = request[:9], request[9:30], request[30:]
        client.socket.send_frame(websocket.BINARY, first, final=False)
        client.socket.send_frame(websocket.PING, b"in between")
        client.socket.send_frame(websocket.CONTINUATION, second, final=False)
        client.socket.send_frame(websocket.CONTINUATION, third)
        self.assertEqual(client.answer().status, 200)
        # The answer to the ping may stand behind that.
        self.ok(client, "OPTIONS", self.url)
        self.assertIn((websocket.PONG, b"in between"), client.others)

    def test_two_requests_may_come_in_one_message(self):
        client = self.connect()
        request = "OPTIONS {} RTSP/1.0\r\nCSeq: {}\r\n\r\n"
        client.send("".join(request.format(self.url, number) for number in (1, 2)).encode())
        self.assertEqual([client.answer().fields["cseq"] for _ in range(2)], ["1", "2"])

    def test_a_ping_is_answered_while_it_plays(self):
        client, _ = self.play(self.connect())
        client.socket.send(websocket.PING, b"are you there")
        self.take_until(
            client,
            lambda *_: (websocket.PONG, b"are you there") in client.others,
            5,
            "the answer",
        )
        self.assert_plays(client)
        self.assert_none(rtsp_websocket.faults(client.received), "messages")

    def test_a_close_is_answered_and_ends_the_session(self):
        client, _ = self.play(self.connect())
        self.until_log_counts(f"plays {STREAM} over TCP", 1)
        client.socket.send(websocket.CLOSE, b"\x03\xe8")
        self.assertTrue(client.ends())
        self.assertEqual(client.others[-1][0], websocket.CLOSE)
        # The first was the one that waited for the stream to be live.
        self.until_log_counts(f"stops playing {STREAM}", 2)

    def test_a_frame_without_a_mask_ends_it(self):
        client = self.connect()
        client.socket.send_unmasked(websocket.BINARY, b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
        self.assertTrue(client.ends())


class Publishing(OverWebSocket):
    def announce(self):
        client = self.connect()
        self.ok(client, "ANNOUNCE", self.url, SDP, body=DESCRIPTION)
        how = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1;mode=record"
        self.ok(client, "SETUP", self.track(0), how)
        self.ok(client, "RECORD", self.url)
        return client

    def keep_sending(self, send):
        """Hands what stands for packets to `send` in real time until the test ends."""
        stopping = threading.Event()
        self.addCleanup(stopping.set)

        def sending():
            number = 0
            while not stopping.wait(PACE):
                data = rtp.write(KIND, number, number * EACH, SSRC, SILENCE)
                try:
                    send(b"$\0" + len(data).to_bytes(2, "big") + data)
                except OSError:
                    return
                number += 1

        threading.Thread(target=sending, daemon=True).start()

    def check_sound(self):
        """It plays elsewhere, and none of it is missing."""
        capture = self.capture(self.server.flv(STREAM))
        capture.until_span(1500)
        samples = flv.samples(capture.stop())
        self.assertEqual(sample.codecs(samples), {"alaw"})
        for before, after in itertools.pairwise(samples):
            self.assertAlmostEqual(after.dts - before.dts, 1000 * PACE, delta=1)
        self.assertEqual(self.server.metric("runnel_frames_lost_total"), 0)

    def test_each_packet_in_a_message(self):
        client = self.announce()
        self.keep_sending(client.send)
        self.check_sound()
        player = RtspWebSocket(self.own_port)
        self.addCleanup(player.close)
        self.play(player, tracks=[0])
        self.assert_plays(player)

    def test_packets_that_are_cut_across_messages(self):
        client = self.announce()
        kept = b""

        def send(data):
            nonlocal kept
            kept += data
            # So that heads and ends of packets are cut in every way.
            while len(kept) >= 97:
                client.send(kept[:97])
                kept = kept[97:]

        self.keep_sending(send)
        self.check_sound()

    def test_several_packets_in_a_message(self):
        client = self.announce()
        kept = []

        def send(data):
            kept.append(data)
            if len(kept) == 3:
                client.send(b"".join(kept))
                kept.clear()

        self.keep_sending(send)
        self.check_sound()

    def test_a_close_frees_the_name(self):
        client = self.announce()
        client.socket.send(websocket.CLOSE, b"\x03\xe8")
        self.assertTrue(client.ends())
        waiting.until(
            lambda: f"stops publishing {STREAM}" in self.server.log, ENDS_WITHIN, "its end"
        )
        self.announce()
