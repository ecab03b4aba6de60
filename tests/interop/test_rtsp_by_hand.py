"""A publisher by RTSP that is written by hand: G.711 from silence."""

import socket
import threading

import flv
import rtp
import rtsp_client
import sample
from rtsp_case import STREAM, RtspCase

REPORT_WITHIN = 6
DESCRIPTION = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 0 RTP/AVP 8\r\na=control:streamid=0\r\n"
)
SDP = "Content-Type: application/sdp"
KIND, SSRC, EACH = 8, 0x1234ABCD, 160
SILENCE = b"\xd5" * EACH
PACE = EACH / 8000


class ByHand(RtspCase):
    def setUp(self):
        super().setUp()
        self.serve()
        self.client = self.connect(timeout=REPORT_WITHIN)
        self.ok(self.client, "ANNOUNCE", self.url, SDP, body=DESCRIPTION)

    def record(self, transport):
        """Gives what the server agreed to."""
        answer = self.ok(self.client, "SETUP", self.track(0), f"Transport: {transport}")
        self.ok(self.client, "RECORD", self.url)
        return rtsp_client.parameters(answer.fields["transport"])

    def keep_sending(self, send):
        """Hands packets to `send` in real time until the test ends."""
        stopping = threading.Event()
        self.addCleanup(stopping.set)

        def sending():
            number = 0
            while not stopping.wait(PACE):
                packet = rtp.write(KIND, (65500 + number) & 0xFFFF, number * EACH, SSRC, SILENCE)
                try:
                    send(packet)
                except OSError:
                    return
                number += 1

        threading.Thread(target=sending, daemon=True).start()

    def check_report(self, data):
        report = rtp.reports(data)[0]
        self.assertEqual(report.kind, rtp.RECEIVER_REPORT)
        self.assertEqual(report.about, (SSRC,))

    def check_sound(self):
        """It comes out although sequence numbers pass through 0."""
        capture = self.capture(self.server.flv(STREAM))
        capture.until_span(2000)
        self.assertEqual(sample.codecs(flv.samples(capture.stop())), {"alaw"})

    def test_over_tcp_it_gets_reports(self):
        agreed = self.record("RTP/AVP/TCP;unicast;interleaved=6-7;mode=record")
        self.assertEqual(agreed["interleaved"], "6-7")
        self.keep_sending(lambda packet: self.client.send_packet(6, packet))
        self.check_sound()
        channel, data = self.client.packet()
        self.assertEqual(channel, 7)
        self.check_report(data)

    def test_over_udp_it_gets_reports(self):
        rtp_socket, rtcp_socket = udp_pair()
        self.addCleanup(rtp_socket.close)
        self.addCleanup(rtcp_socket.close)
        ports = f"{rtp_socket.getsockname()[1]}-{rtcp_socket.getsockname()[1]}"
        agreed = self.record(f"RTP/AVP;unicast;client_port={ports};mode=record")
        to = rtsp_client.pair(agreed["server_port"])[0]
        self.keep_sending(lambda packet: rtp_socket.sendto(packet, ("127.0.0.1", to)))
        self.check_sound()
        rtcp_socket.settimeout(REPORT_WITHIN)
        self.check_report(rtcp_socket.recv(2048))

    def test_play_is_not_valid_for_a_publisher(self):
        self.ok(self.client, "SETUP", self.track(0), "Transport: RTP/AVP/TCP;interleaved=0-1")
        self.assertEqual(self.client.request("PLAY", self.url).status, 455)

    def test_teardown_ends_it_and_the_name_is_free_again(self):
        self.record("RTP/AVP/TCP;unicast;interleaved=0-1;mode=record")
        self.ok(self.client, "TEARDOWN", self.url)
        again = self.connect()
        self.ok(again, "ANNOUNCE", self.url, SDP, body=DESCRIPTION)


def udp_pair():
    """Two sockets, the first on an even port and the second on the next."""
    while True:
        first = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        first.bind(("127.0.0.1", 0))
        port = first.getsockname()[1]
        second = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            if port % 2 == 0:
                second.bind(("127.0.0.1", port + 1))
                return first, second
        except OSError:
            pass
        first.close()
        second.close()
