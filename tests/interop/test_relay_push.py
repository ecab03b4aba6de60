"""A server sends streams to another one while they are published, by every way that it knows."""

import os
import re
import signal

import flv
import paths
import players
import timeline
import waiting
from nginx import Nginx, listens
from relay_case import STREAM, WAYS, RelayCase
from server import free_port

SECONDS = 3
# Without a time ffmpeg 9 asks for one that it refuses itself.
LISTEN = ["-rtsp_flags", "listen", "-listen_timeout", "20"]
# A stream that nobody publishes is sent for ten seconds more.
ENDS_WITHIN = 20


class EachWay(RelayCase):
    def setUp(self):
        super().setUp()
        self.serve_other(log={"level": "debug"})
        self.serve(push=[self.table(way, name=way) for way in WAYS])

    def test_what_arrives_is_what_was_published(self):
        captures = {way: self.capture(self.other.flv(way)) for way in WAYS}
        self.publish(STREAM, media="bframes", loop=False)
        for way, capture in captures.items():
            self.check_whole(capture, SECONDS, by_rtp="rtsp" in way, media="bframes")

    def test_it_begins_and_ends_with_the_publisher_and_comes_back(self):
        # That nothing is sent cannot be awaited: another stream shows that there was time for it.
        self.publish_live("another")
        self.assertNotIn(" connects\n", self.other.log)
        publisher = self.publish(STREAM)
        for way in WAYS:
            self.until_live(way, server=self.other)
        publisher.stop()
        for way in WAYS:
            self.until_log_counts(f"stops publishing {way}:", 1, ENDS_WITHIN, self.other)
        # Nothing was wrong with that.
        self.assertNotIn("; again in", self.server.log)
        self.publish(STREAM)
        for way in WAYS:
            self.until_log_counts(f"publishes {way} ", 2, ENDS_WITHIN, self.other)
            self.until_live(way, server=self.other)

    def test_a_publisher_that_is_back_soon_finds_it_going_on(self):
        publisher = self.publish(STREAM)
        for way in WAYS:
            self.until_live(way, server=self.other)
        captures = [self.capture(self.other.flv(way)) for way in WAYS]
        for capture in captures:
            capture.until_span(500)
        publisher.kill()
        self.until_log_counts(f"stops publishing {STREAM}", 1)
        self.publish(STREAM)
        for capture in captures:
            capture.until_span(timeline.duration(capture.samples()) + 1000)
            self.assert_none(timeline.faults(flv.samples(capture.stop())), capture.url)
        for way in WAYS:
            self.assertEqual(self.other.log.count(f"publishes {way} "), 1, way)


class Circles(RelayCase):
    def test_two_that_push_to_each_other_do_not_send_the_last_of_it_round_and_round(self):
        ways = ("rtmp", "rtsp")
        there = self.leave_a_circle("push", ways)
        # A server that is pushed to waits 10 s for more, and who pushes as long for a publisher.
        both = (self.server, there)
        waiting.until(
            lambda: not any(one.metric("runnel_publishers") for one in both), 60, "no publisher"
        )
        for way in ways:
            self.publish_live(way)
            self.until_live(way, server=there)


class End(RelayCase):
    def test_none_begins_again_while_the_server_ends(self):
        self.serve_other()
        pushes = [self.table(way, name=way) for way in WAYS]
        pulls = [self.table(way, stream=f"from-{way}", name="there") for way in WAYS]
        self.serve(push=pushes, pull=pulls)
        self.publish(STREAM)
        self.publish("there", server=self.other)
        for way in WAYS:
            self.until_live(way, server=self.other)
            self.until_live(f"from-{way}")
        self.server.stop()
        self.assertNotIn("; again in", self.server.log)
        for name in (STREAM, *(f"from-{way}" for way in WAYS)):
            word = "pushing" if name == STREAM else "pulling"
            ends = re.findall(rf"INFO .* {word} {name} \S+: ends with the server \(\d+", self.server.log)
            self.assertEqual(len(ends), len(WAYS) if name == STREAM else 1, self.server.log)


class EveryStream(RelayCase):
    def test_each_goes_there_under_its_own_name_while_it_is_published(self):
        self.serve_other()
        app = {"stream": "*", "url": self.other.rtmp("").removesuffix("/")}
        named = {"stream": "c?m", "url": self.other.rtsp("by-rtsp-{name}")}
        self.serve(push=[app, named])
        first = self.publish(STREAM, media="bframes", loop=False)
        captures = [self.capture(self.other.flv(name)) for name in (STREAM, f"by-rtsp-{STREAM}")]
        self.publish_live("other")
        self.until_live("other", server=self.other)
        for by_rtp, capture in enumerate(captures):
            self.check_whole(capture, SECONDS, by_rtp=bool(by_rtp), media="bframes")
        self.assertEqual(self.other.log.count(" publishes "), 3, self.other.log)
        first.stop()
        for name in (STREAM, f"by-rtsp-{STREAM}"):
            self.until_log_counts(f"stops publishing {name}:", 1, ENDS_WITHIN, self.other)
        self.publish_live(STREAM)
        for name in (STREAM, f"by-rtsp-{STREAM}"):
            self.until_log_counts(f"publishes {name} ", 2, ENDS_WITHIN, self.other)
            self.until_live(name, server=self.other)
        self.server.configure({})
        self.server.program.signal(signal.SIGHUP)
        for name, count in ((STREAM, 2), (f"by-rtsp-{STREAM}", 2), ("other", 1)):
            self.until_log_counts(f"stops publishing {name}:", count, server=self.other)


class ServerThatDies(RelayCase):
    def test_it_is_sent_there_again_when_it_is_back(self):
        self.serve_other()
        self.serve(push=[self.table(way, name=way) for way in ("rtsp", "rtsp-udp", "rtmps")])
        self.publish(STREAM)
        for round_number in range(1, 4):
            for way in ("rtsp", "rtsp-udp", "rtmps"):
                self.until_log_counts(f"publishes {way} ", round_number, server=self.other)
                self.until_live(way, server=self.other)
            self.other.kill()
            self.other.start_again()

    def test_one_that_stands_still_is_noticed_over_udp_too(self):
        self.serve_other(rtsp={"timeout": "10s"})
        self.serve(push=[self.table("rtsp-udp")])
        self.publish(STREAM)
        self.until_live(STREAM, server=self.other)
        os.kill(self.other.pid, signal.SIGSTOP)
        self.addCleanup(os.kill, self.other.pid, signal.SIGCONT)
        self.until_log_counts("; again in", 1, ENDS_WITHIN)

    def test_a_name_that_is_taken_there_is_not_fought_for(self):
        self.serve_other()
        self.publish_live(STREAM, server=self.other)
        self.serve(push=[self.table("rtsp"), self.table("rtmp")])
        self.publish(STREAM)
        for scheme in ("rtsp", "rtmp"):
            self.until_log_counts(f"pushing {STREAM} {scheme}://", 2)
        self.until_log_counts("; again in 2 s", 2)
        capture = self.capture(self.other.flv(STREAM))
        capture.until_span(1000)
        self.assertEqual(self.other.log.count(f"publishes {STREAM} "), 1)


class OtherServers(RelayCase):
    """Programs that are not ours."""

    def decode_what_comes(self, url, *how):
        """ffmpeg that listens at this URL."""
        program = self.start(
            "ffmpeg",
            [
                *[paths.FFMPEG_CURRENT, "-nostdin", "-hide_banner", "-v", "error", *how],
                *["-i", url, "-t", str(SECONDS), "-progress", "pipe:1", "-f", "null", "-"],
            ],
        )
        port = int(url.split("/")[2].split(":")[1])
        waiting.until(lambda: listens(port), 5, program.describe)
        return program

    def check_ffmpeg(self, url, *how, **keys):
        program = self.decode_what_comes(url, *how)
        self.serve(push=[{"stream": STREAM, "url": url, **keys}])
        self.publish(STREAM)
        self.assertEqual(program.wait(players.PLAYS_WITHIN), 0, program.describe())
        # For a second track it tries the ports of the first again, and says so.
        said = [line for line in program.stderr.splitlines() if "bind failed" not in line]
        self.assertEqual(said, [], program.describe())
        frames = int(re.findall(rb"^frame=(\d+)", program.stdout, re.MULTILINE)[-1])
        self.assertGreater(frames, SECONDS * 20, program.describe())

    def test_ffmpeg_by_rtmp(self):
        self.check_ffmpeg(f"rtmp://127.0.0.1:{free_port()}/live/{STREAM}", "-listen", "1")

    def test_ffmpeg_by_rtsp(self):
        url = f"rtsp://127.0.0.1:{free_port()}/live/{STREAM}"
        self.check_ffmpeg(url, *LISTEN)

    def test_ffmpeg_by_rtsp_over_udp(self):
        url = f"rtsp://127.0.0.1:{free_port()}/live/{STREAM}"
        self.check_ffmpeg(url, *LISTEN, udp=True)

    def test_nginx_gets_it_and_gives_it_back(self):
        nginx = Nginx(self)
        self.serve(
            push=[{"stream": STREAM, "url": nginx.rtmp("there")}],
            pull=[{"stream": "back", "url": nginx.rtmp("there")}],
        )
        capture = self.capture(self.server.flv("back"))
        self.publish(STREAM, loop=False)
        self.check_whole(capture, SECONDS, by_rtp=False)
