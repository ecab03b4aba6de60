"""Tracks over UDP: refused where that is off, and its ports go back when sessions end."""

import signal
import socket

import paths
import players
import rtsp_client
import waiting
from rtsp_case import AUDIO, STREAM, VIDEO, RtspCase

SECONDS = 2
OVER_UDP = "Transport: RTP/AVP;unicast;client_port=40000-40001"
ROUNDS = 20
TIMEOUT = 10


class WithoutUdp(RtspCase):
    def setUp(self):
        super().setUp()
        self.serve(rtsp={"udp": False})

    def test_setup_is_refused(self):
        self.publish_live(STREAM)
        client = self.connect()
        self.ok(client, "DESCRIBE", self.url)
        answer = client.request("SETUP", self.track(VIDEO), OVER_UDP)
        self.assertEqual(answer.status, 461, answer)

    def test_ffmpeg_goes_over_to_tcp_by_itself(self):
        self.publish_live(STREAM)
        for ffmpeg in (paths.FFMPEG_CURRENT, paths.FFMPEG_DEBIAN):
            program = self.start("ffmpeg", players.ffmpeg_decode_rtsp(ffmpeg, self.url, SECONDS))
            self.assertEqual(program.wait(players.PLAYS_WITHIN), 0, program.describe())
            # It says so, and nothing else is wrong.
            self.assertIn("461", program.stderr)
            self.assertEqual(len(program.stderr.splitlines()), 1, program.describe())
            self.assertIn(b"progress=end", program.stdout)
        self.assertEqual(self.server.log.count(f"plays {STREAM} over TCP"), 2)

    def test_a_publishing_ffmpeg_goes_over_to_tcp_by_itself(self):
        publisher = self.publish_rtsp_live(STREAM)
        self.assertIsNone(publisher.exit_code, publisher.describe())


class Ports(RtspCase):
    def setUp(self):
        super().setUp()
        self.serve(rtsp={"udp_pairs": 2, "timeout": f"{TIMEOUT}s"})
        self.publish_live(STREAM)

    def described(self):
        client = self.connect(timeout=TIMEOUT + 10)
        self.ok(client, "DESCRIBE", self.url)
        return client

    def status(self, client, track):
        return client.request("SETUP", self.track(track), OVER_UDP).status

    def take_both(self):
        client = self.described()
        statuses = [self.status(client, track) for track in (VIDEO, AUDIO)]
        return client if statuses == [200, 200] else client.close()

    def test_one_pair_too_many_is_refused_and_tcp_goes_on(self):
        waiting.until(self.take_both, 5, "two pairs")
        client = self.described()
        self.assertEqual(self.status(client, VIDEO), 461)
        self.set_up(client, VIDEO)
        self.ok(client, "PLAY", self.url)
        self.assert_plays(client)

    def test_they_come_back_whether_a_client_says_goodbye_or_not(self):
        for number in range(ROUNDS):
            client = waiting.until(self.take_both, 5, f"two pairs in round {number}")
            if number % 2:
                self.ok(client, "TEARDOWN", self.url)
            client.close()

    def test_a_player_of_which_nothing_is_heard_is_closed(self):
        client = waiting.until(self.take_both, 5, "two pairs")
        self.ok(client, "PLAY", self.url)
        self.assertTrue(client.ends(), f"after {TIMEOUT + 10} s")
        self.until_log_counts(f"stops playing {STREAM}", 2)
        waiting.until(self.take_both, 5, "its pairs")

    def test_a_player_that_reports_stays(self):
        """ffmpeg reports by RTCP, and says nothing inside the connection for a while."""
        seconds = TIMEOUT + 8
        program = self.start(
            "ffmpeg",
            players.ffmpeg_decode_rtsp(paths.FFMPEG_CURRENT, self.url, seconds, "udp"),
        )
        program.wait(seconds + 10)
        self.assert_none(players.ffmpeg_faults(program, seconds), "ffmpeg")


class AtRest(RtspCase):
    def test_a_player_that_reports_stays_while_the_stream_has_no_frames(self):
        self.serve(publish={"silence": "10m"}, rtsp={"timeout": f"{TIMEOUT}s"})
        publisher = self.publish_live(STREAM)
        client = self.connect()
        self.ok(client, "DESCRIBE", self.url)
        answer = self.ok(client, "SETUP", self.track(VIDEO), OVER_UDP)
        ports = rtsp_client.parameters(answer.fields["transport"])["server_port"]
        self.ok(client, "PLAY", self.url)
        publisher.signal(signal.SIGSTOP)
        self.addCleanup(publisher.signal, signal.SIGCONT)
        reports = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(reports.close)
        client.socket.settimeout(1)
        for second in range(TIMEOUT * 3 // 2 + 4):
            # A receiver report without a block. RFC 3550 section 6.4.2.
            reports.sendto(bytes.fromhex("80c9000100000001"), ("127.0.0.1", int(ports.split("-")[1])))
            self.assertFalse(client.ends(), f"after {second} s")
