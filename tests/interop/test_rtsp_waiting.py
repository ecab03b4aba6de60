"""A client that asks for a stream by RTSP before it is published waits; one that plays it stays."""

import itertools
import time

import paths
import players
import publishers
import rtp
import waiting
from rtsp_case import STREAM, VIDEO, RtspCase

HOLD = 2
# rtsp.hold is a promise.
ANSWERS_WITHIN = HOLD + 1
SECONDS = 3
REPORT_WITHIN = 6
VIDEO_CLOCK = 90_000
# Seconds that reports may set the clock back.
SETS_BACK = 0.1
WAYS = ("tcp", "udp")


class BeforeThePublisher(RtspCase):
    def test_describe_is_held_until_the_publisher_comes(self):
        self.serve()
        decoding = [
            self.start(
                "ffmpeg",
                players.ffmpeg_decode_rtsp(paths.FFMPEG_CURRENT, self.url, SECONDS, way),
            )
            for way in WAYS
        ]
        client = self.connect(timeout=10)
        client.ask("DESCRIBE", self.url)
        self.publish(STREAM)
        answer = client.answer()
        self.assertEqual(answer.status, 200, answer)
        self.assertIn(b"H264", answer.body)
        self.assertIn(b"MPEG4-GENERIC", answer.body.upper())
        for program in decoding:
            program.wait(players.PLAYS_WITHIN)
            self.assert_none(players.ffmpeg_faults(program, SECONDS), "ffmpeg")

    def test_it_is_not_found_when_the_wait_has_been_too_long(self):
        self.serve(rtsp={"hold": f"{HOLD}s"})
        client = self.connect(timeout=HOLD + 5)
        started, clock = time.monotonic(), waiting.Clock()
        self.assertEqual(client.request("DESCRIBE", self.url).status, 404)
        clock.check(ANSWERS_WITHIN, "404")
        self.assertGreater(time.monotonic() - started, HOLD * 0.9)
        # The connection can be used for another try.
        self.publish_live(STREAM)
        self.play(client)
        self.assert_plays(client)

    def test_setup_without_describe_is_held_too(self):
        self.serve()
        client = self.connect(timeout=10)
        wanted = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"
        client.ask("SETUP", self.track(VIDEO), wanted)
        self.publish(STREAM)
        self.assertEqual(client.answer().status, 200)


class WhilePlaying(RtspCase):
    def setUp(self):
        super().setUp()
        self.serve()

    def play_while(self, leave, return_how):
        """Plays a publisher, and then the one that takes its place."""
        publisher = self.publish_live(STREAM)
        client, _ = self.play()
        self.assert_plays(client)
        decoding = [
            self.start(
                "ffmpeg",
                players.ffmpeg_decode_rtsp(paths.FFMPEG_CURRENT, self.url, 2 * SECONDS, way),
            )
            for way in WAYS
        ]
        self.until_log_counts(f"plays {STREAM} over", 3)
        leave(publisher)
        self.until_log_counts(f"stops publishing {STREAM}", 1)
        return_how()
        client.socket.settimeout(10)
        for _ in range(200):
            client.packet()
        self.assert_plays(client)
        for program in decoding:
            program.wait(players.PLAYS_WITHIN)
            self.assert_none(players.ffmpeg_faults(program, 2 * SECONDS), "ffmpeg")

    def test_the_publisher_goes_and_comes_back(self):
        self.play_while(lambda publisher: publisher.stop(), lambda: self.publish(STREAM))

    def test_the_publisher_is_killed_and_comes_back_by_rtsp(self):
        self.play_while(
            lambda publisher: publisher.kill(), lambda: self.publish_rtsp(STREAM, "tcp")
        )

    def test_reports_do_not_set_the_clock_back_when_the_publisher_returns(self):
        """A player would see time go back, or wait until it is made up for."""
        publisher = self.publish_live(STREAM)
        client, _ = self.play(tracks=[VIDEO])
        reports = []

        def reported(channel, data):
            reports.extend(rtp.reports(data) if channel == 1 else [])
            return len(reports) >= wanted

        wanted = 1
        self.take_until(client, reported, REPORT_WITHIN, "a report")
        publisher.stop()
        self.until_log_counts(f"stops publishing {STREAM}", 1)
        self.publish(STREAM)
        client.socket.settimeout(10)
        wanted = len(reports) + 3
        self.take_until(client, reported, 3 * REPORT_WITHIN, "three reports")
        zeros = [one.wall - one.time / VIDEO_CLOCK for one in reports]
        for before, after in itertools.pairwise(zeros):
            self.assertGreater(after - before, -SETS_BACK, zeros)


class SecondPublisher(RtspCase):
    def test_is_refused_and_the_first_plays_on_undisturbed(self):
        self.serve()
        first = self.publish_rtsp_live(STREAM, "tcp")
        client, _ = self.play()
        second = self.publish_rtsp(STREAM, "tcp", media="bframes")
        self.assertNotEqual(second.wait(5), 0, second.describe())
        self.assertIn("403", second.stderr)
        by_rtmp = self.publish(STREAM, media="bframes")
        self.assertNotEqual(by_rtmp.wait(5), 0, by_rtmp.describe())
        self.assert_plays(client)
        self.assertIsNone(first.exit_code, first.describe())

    def test_replaces_the_first_if_so_configured(self):
        self.serve(publish={"conflict": "replace"})
        first = self.publish_rtsp_live(STREAM, "tcp")
        client, _ = self.play()
        self.publish_rtsp(STREAM, "udp")
        self.assertNotEqual(first.wait(5), 0, first.describe())
        self.until_log_counts(f"publishes {STREAM}", 2)
        client.socket.settimeout(10)
        for _ in range(200):
            client.packet()
        self.assert_plays(client)


class Names(RtspCase):
    def setUp(self):
        super().setUp()
        self.serve()

    def test_a_query_is_no_part_of_the_name(self):
        url = self.url + "?token=secret&x=1"
        command = publishers.ffmpeg_rtsp(paths.FFMPEG_CURRENT, "demo", url, True, "tcp")
        self.start("publisher", command)
        self.until_live(STREAM)
        for way in WAYS:
            program = self.start(
                "ffmpeg",
                players.ffmpeg_decode_rtsp(paths.FFMPEG_CURRENT, self.url + "?a=b", 1, way),
            )
            program.wait(players.PLAYS_WITHIN)
            self.assert_none(players.ffmpeg_faults(program, 1), "ffmpeg")
        self.assertNotIn("secret", self.server.log)

    def test_a_codec_that_has_no_place_is_told_so(self):
        description = (
            "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
            "m=video 0 RTP/AVP 96\r\na=rtpmap:96 THEORA/90000\r\na=control:streamid=0\r\n"
        )
        kind = "Content-Type: application/sdp"
        answer = self.connect().request("ANNOUNCE", self.url, kind, body=description)
        self.assertEqual(answer.status, 415, answer)
        self.until_log_counts("none of its tracks has a codec that is supported here: THEORA", 1)
        self.publish_rtsp_live(STREAM, "tcp")

    def test_a_stream_that_rtsp_cannot_carry_is_told(self):
        sound = ["-re", "-f", "lavfi", "-i", "sine", "-c:a", "flac", "-f", "flv"]
        command = [paths.FFMPEG_CURRENT, "-nostdin", "-v", "error", *sound, self.server.rtmp(STREAM)]
        self.start("publisher", command)
        self.until_live(STREAM)
        answer = self.connect().request("DESCRIBE", self.url)
        self.assertEqual(answer.status, 415, answer)
        self.until_log_counts(f'is refused "{STREAM}": RTSP carries no track of it', 1)

    def test_a_description_that_is_none_is_told_so(self):
        kind = "Content-Type: application/sdp"
        answer = self.connect().request("ANNOUNCE", self.url, kind, body="hello, world")
        self.assertEqual(answer.status, 400, answer)
