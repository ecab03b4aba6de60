"""RTSP through HTTP, as it is told by a cookie."""

import base64
import itertools
import threading

import flv
import paths
import players
import rtp
import rtsp_tunnel
import sample
import waiting
from rtsp_case import STREAM, RtspCase
from rtsp_tunnel import RtspTunnel

SECONDS = 3
WITHIN = 5
SDP = "Content-Type: application/sdp"
DESCRIPTION = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 0 RTP/AVP 8\r\na=control:streamid=0\r\n"
)
KIND, SSRC, EACH = 8, 0x1234ABCD, 160
SILENCE = b"\xd5" * EACH
PACE = EACH / 8000
_numbers = itertools.count(1)


class TunnelCase(RtspCase):
    def setUp(self):
        super().setUp()
        self.serve()

    @property
    def port(self):
        return self.server.http_port

    @property
    def tunnel_url(self):
        return self.url.replace(str(self.server.rtsp_port), str(self.port))

    def connect(self, cookie=None):
        client = RtspTunnel(self.port, cookie or f"cookie{next(_numbers)}")
        self.addCleanup(client.close)
        return client

    def keep(self, connection):
        self.addCleanup(connection.close)
        return connection

    def post(self, cookie):
        return self.keep(rtsp_tunnel.open_post(self.port, cookie))

    def get(self, cookie):
        connection, answer = rtsp_tunnel.open_get(self.port, cookie)
        self.keep(connection)
        return connection, answer


class Programs(TunnelCase):
    def setUp(self):
        super().setUp()
        self.publish_live(STREAM, media="bframes")

    def test_ffmpeg(self):
        decoding = [
            self.start(
                "ffmpeg", players.ffmpeg_decode_rtsp(ffmpeg, self.tunnel_url, SECONDS, "http")
            )
            for ffmpeg in (paths.FFMPEG_CURRENT, paths.FFMPEG_DEBIAN)
        ]
        for program in decoding:
            program.wait(players.PLAYS_WITHIN)
            self.assert_none(players.ffmpeg_faults(program, SECONDS), "ffmpeg")
        self.assertEqual(self.server.log.count(f"plays {STREAM} over TCP"), 2)

    def test_gstreamer(self):
        url = self.tunnel_url.replace("rtsp://", "rtsph://")
        players.GstreamerRtsp(self, url, "tcp").until_decoded()


class ByHand(TunnelCase):
    def test_it_plays(self):
        self.publish_live(STREAM)
        client, _ = self.play()
        self.assertEqual(client.opened.fields["content-type"], rtsp_tunnel.KIND)
        self.assertNotIn("content-length", client.opened.fields)
        self.assert_plays(client)
        self.ok(client, "TEARDOWN", self.url)
        self.assertTrue(client.ends())

    def test_base64_may_be_cut_and_padded_anywhere(self):
        client = self.connect()
        request = f"OPTIONS {self.url} RTSP/1.0\r\nCSeq: 5\r\n\r\n".encode()
        # Each part encoded for itself, with padding inside the whole.
        text = b"".join(base64.b64encode(request[at : at + 7]) for at in range(0, len(request), 7))
        for at in range(0, len(text), 3):
            client.post.send(text[at : at + 3])
        self.assertEqual(client.answer().fields["cseq"], "5")
        lines = base64.encodebytes(request)
        client.post.send(lines.replace(b"\n", b"\r\n"))
        self.assertEqual(client.answer().fields["cseq"], "5")

    def test_it_publishes(self):
        client = self.connect()
        self.ok(client, "ANNOUNCE", self.url, SDP, body=DESCRIPTION)
        how = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1;mode=record"
        self.ok(client, "SETUP", self.track(0), how)
        self.ok(client, "RECORD", self.url)
        stopping = threading.Event()
        self.addCleanup(stopping.set)

        def sending():
            for number in itertools.count():
                if stopping.wait(PACE):
                    return
                packet = rtp.write(KIND, number, number * EACH, SSRC, SILENCE)
                try:
                    client.send_packet(0, packet)
                except OSError:
                    return

        threading.Thread(target=sending, daemon=True).start()
        capture = self.capture(self.server.flv(STREAM))
        capture.until_span(1500)
        self.assertEqual(sample.codecs(flv.samples(capture.stop())), {"alaw"})


class Cookies(TunnelCase):
    def setUp(self):
        super().setUp()
        self.publish_live(STREAM)

    def test_a_post_with_another_one_is_not_found(self):
        client, _ = self.play()
        self.assertEqual(self.post("another").answer().status, 404)
        self.assert_plays(client)

    def test_a_post_before_its_get_is_not_found(self):
        self.assertEqual(self.post("early").answer().status, 404)

    def test_a_second_post_is_refused_while_there_is_one(self):
        client, _ = self.play()
        self.assertEqual(self.post(client.cookie).answer().status, 403)
        self.assert_plays(client)

    def test_a_second_get_is_refused_while_there_is_one(self):
        client, _ = self.play()
        _, answer = self.get(client.cookie)
        self.assertEqual(answer.status, 403)
        self.assert_plays(client)

    def test_a_get_without_any_letters_in_it_is_bad(self):
        for cookie in ("", "x" * 65):
            _, answer = self.get(cookie)
            self.assertEqual(answer.status, 400, cookie)

    def test_one_is_free_again_when_its_get_has_ended(self):
        client, _ = self.play()
        client.close()

        def opens():
            connection, answer = self.get(client.cookie)
            connection.close()
            return answer.status == 200

        waiting.until(opens, WITHIN, "the same cookie again")

    def test_a_post_may_end_and_come_again(self):
        client, _ = self.play()
        for _ in range(3):
            client.post.close()
            waiting.until(lambda: self.is_answered_by_another_post(client), WITHIN, "an answer")
        self.assert_plays(client)

    def is_answered_by_another_post(self, client):
        """The end of the one before may not be known yet: then it is refused."""
        client.post_again()
        self.keep(client.post)
        client.ask("OPTIONS", self.url)
        client.post.socket.settimeout(0.3)
        try:
            refused = client.post.answer()
            self.assertEqual(refused.status, 403)
            client.post.close()
            return False
        except TimeoutError:
            return client.answer().status == 200

    def test_garbage_ends_only_the_post(self):
        client, _ = self.play()
        client.post.send(b"**** this is not base64 ****")
        self.assertTrue(client.post.ends())
        self.assert_plays(client)
        waiting.until(lambda: self.is_answered_by_another_post(client), WITHIN, "an answer")
        self.assert_plays(client)

    def test_a_get_that_ends_ends_its_post(self):
        client, _ = self.play()
        client.get.close()
        self.assertTrue(client.post.ends())
        self.until_log_counts(f"stops playing {STREAM}", 2)

    def test_teardown_ends_both(self):
        client, _ = self.play()
        self.ok(client, "TEARDOWN", self.url)
        self.assertTrue(client.ends())
        self.assertTrue(client.post.ends())
