"""The RTSP answers to each request, invalid ones too."""

from rtsp_case import STREAM, RtspCase
from rtsp_client import pair, parameters

METHODS = (
    "OPTIONS, DESCRIBE, ANNOUNCE, SETUP, PLAY, PAUSE, RECORD, GET_PARAMETER, SET_PARAMETER, "
    "TEARDOWN"
)
OVER_TCP = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"
GARBAGE = 100 << 10


class WithoutStream(RtspCase):
    def setUp(self):
        super().setUp()
        self.serve()

    def status(self, method, *fields, client=None):
        return (client or self.connect()).request(method, self.url, *fields).status

    def test_options_names_all_methods(self):
        answer = self.ok(self.connect(), "OPTIONS", self.url)
        self.assertEqual(
            set(answer.fields["public"].split(", ")) & set(METHODS.split(", ")),
            set(METHODS.split(", ")),
        )

    def test_curl_asks_for_options(self):
        program = self.start("curl", ["curl", "-sSi", "--fail", self.url])
        self.assertEqual(program.wait(5), 0, program.describe())
        self.assertIn(b"Public: ", program.stdout)

    def test_options_for_no_stream(self):
        self.ok(self.connect(), "OPTIONS", "*")

    def test_parameters_are_answered_whether_there_is_a_session_or_not(self):
        client = self.connect()
        self.ok(client, "GET_PARAMETER", self.url)
        self.ok(client, "SET_PARAMETER", self.url, body="volume: 1\r\n")

    def test_play_before_setup_is_not_valid(self):
        self.assertEqual(self.status("PLAY"), 455)

    def test_record_before_announce_is_not_valid(self):
        self.assertEqual(self.status("RECORD"), 455)

    def test_a_session_that_nobody_has_is_not_found(self):
        self.assertEqual(self.status("PLAY", "Session: 0123456789abcdef"), 454)

    def test_what_is_required_and_not_known_is_named(self):
        answer = self.connect().request("OPTIONS", self.url, "Require: com.example.feature")
        self.assertEqual(answer.status, 551, answer)
        self.assertEqual(answer.fields["unsupported"], "com.example.feature")

    def test_an_unknown_method_is_not_implemented_and_the_connection_goes_on(self):
        client = self.connect()
        self.assertEqual(self.status("DANCE", client=client), 501)
        self.ok(client, "OPTIONS", self.url)

    def test_a_request_without_number_is_bad(self):
        client = self.connect()
        client.send(f"OPTIONS {self.url} RTSP/1.0\r\n\r\n".encode())
        self.assertEqual(client.answer().status, 400)

    def test_a_name_that_cannot_be_is_not_found(self):
        url = f"rtsp://127.0.0.1:{self.server.rtsp_port}/live/.."
        self.assertEqual(self.connect().request("DESCRIBE", url).status, 404)

    def test_garbage_closes_its_own_connection_only(self):
        bystander, client = self.connect(), self.connect()
        self.ok(bystander, "OPTIONS", self.url)
        try:
            client.send(bytes(byte % 251 + 1 for byte in range(GARBAGE)).replace(b"$", b"%"))
        except OSError:
            pass  # It did not even wait for the end.
        self.assertTrue(client.ends())
        self.ok(bystander, "OPTIONS", self.url)

    def test_requests_in_one_piece_are_answered_in_order(self):
        client = self.connect()
        lines = (f"OPTIONS {self.url} RTSP/1.0\r\nCSeq: {number}\r\n\r\n" for number in range(20))
        client.send("".join(lines).encode())
        numbers = [client.answer().fields["cseq"] for _ in range(20)]
        self.assertEqual(numbers, [str(number) for number in range(20)])

    def test_a_request_in_pieces_of_one_byte(self):
        client = self.connect()
        for byte in f"OPTIONS {self.url} RTSP/1.0\r\nCSeq: 7\r\n\r\n".encode():
            client.send(bytes([byte]))
        self.assertEqual(client.answer().fields["cseq"], "7")


class OfStream(RtspCase):
    def setUp(self):
        super().setUp()
        self.serve()
        self.publish_live(STREAM)

    def test_a_session_of_another_connection_is_not_found(self):
        one, other = self.connect(), self.connect()
        for client in (one, other):
            self.ok(client, "DESCRIBE", self.url)
            self.set_up(client)
        self.assertNotEqual(one.session, other.session)
        stolen = f"Session: {one.session}"
        for method in ("PLAY", "TEARDOWN"):
            self.assertEqual(other.request(method, self.url, stolen).status, 454, method)
        other.session = None
        self.ok(one, "PLAY", self.url)
        self.assert_plays(one)

    def test_parameters_keep_a_session_that_plays(self):
        client, _ = self.play()
        for method in ("GET_PARAMETER", "SET_PARAMETER", "OPTIONS"):
            self.ok(client, method, self.url)
        self.assert_plays(client)

    def test_teardown_is_answered_and_ends_it(self):
        client, _ = self.play()
        self.assert_plays(client)
        self.ok(client, "TEARDOWN", self.url)
        self.assertTrue(client.ends())
        self.until_log_counts(f"stops playing {STREAM}", 2)

    def test_play_after_pause_begins_no_session(self):
        client, _ = self.play()
        self.assert_plays(client)
        self.ok(client, "PAUSE", self.url)
        client.packets.clear()
        self.ok(client, "PLAY", self.url)
        self.assert_plays(client)
        self.ok(client, "TEARDOWN", self.url)
        # All lines before that one are there with it.
        self.until_log_counts(f"stops playing {STREAM}", 2)
        self.assertEqual(self.server.log.count(f" plays {STREAM} over TCP"), 1, self.server.log)

    def test_requests_behind_teardown_begin_nothing(self):
        client = self.connect()
        sdp = "v=0\r\ns=x\r\nm=audio 0 RTP/AVP 0\r\na=control:t0\r\n"
        announce = f"Content-Type: application/sdp\r\nContent-Length: {len(sdp)}\r\n\r\n{sdp}"
        client.send(
            f"ANNOUNCE {self.url}2 RTSP/1.0\r\nCSeq: 1\r\n{announce}"
            f"TEARDOWN {self.url}2 RTSP/1.0\r\nCSeq: 2\r\n\r\n"
            f"SETUP {self.track(0)} RTSP/1.0\r\nCSeq: 3\r\n{OVER_TCP}\r\n\r\n".encode()
        )
        self.assertEqual([client.answer().status for _ in range(3)], [200, 200, 455])
        self.assertTrue(client.ends())

    def test_setup_without_a_transport_that_is_known_is_refused(self):
        client = self.connect()
        self.ok(client, "DESCRIBE", self.url)
        answer = client.request("SETUP", self.track(0), "Transport: RAW/RAW/UDP;unicast")
        self.assertEqual(answer.status, 461, answer)
        # The client may ask for another one.
        self.set_up(client)
        self.ok(client, "PLAY", self.url)
        self.assert_plays(client)

    def test_the_first_transport_that_is_possible_is_taken(self):
        client = self.connect()
        self.ok(client, "DESCRIBE", self.url)
        wanted = "Transport: RAW/RAW/UDP;unicast,RTP/AVP/TCP;unicast;interleaved=4-5"
        answer = self.ok(client, "SETUP", self.track(0), wanted)
        self.assertEqual(parameters(answer.fields["transport"])["interleaved"], "4-5")

    def test_a_track_that_there_is_not_is_not_found(self):
        client = self.connect()
        self.ok(client, "DESCRIBE", self.url)
        self.assertEqual(client.request("SETUP", self.track(5), OVER_TCP).status, 404)

    def test_setup_without_describe(self):
        client = self.connect()
        self.set_up(client)
        self.ok(client, "PLAY", self.url)
        self.assert_plays(client)

    def test_over_udp_it_tells_its_ports(self):
        client = self.connect()
        self.ok(client, "DESCRIBE", self.url)
        wanted = "Transport: RTP/AVP;unicast;client_port=40000-40001"
        transport = parameters(self.ok(client, "SETUP", self.track(0), wanted).fields["transport"])
        self.assertEqual(transport["client_port"], "40000-40001")
        first, second = pair(transport["server_port"])
        self.assertEqual((first % 2, second), (0, first + 1))
