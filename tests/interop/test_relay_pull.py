"""A server fetches streams from another one, by every way that it knows."""

import base64
import signal
import socket
import threading
import time
from pathlib import Path

import flv
import paths
import players
import publishers
import timeline
from recording import until_all_more
from relay_case import STREAM, WAYS, RelayCase, url

SECONDS = 3
# Milliseconds by which a play must go on.
MORE = 500
COMES_WITHIN = 20
# A stream that nobody watches is fetched for so much longer.
LINGER, ENDS_WITHIN = 10, 20
PASSWORD = "Tiger-97"
USER = f"camera:{PASSWORD}"
AUTH = {"user": "camera", "password": PASSWORD}


class EachWay(RelayCase):
    def test_what_is_pulled_is_what_was_published(self):
        """By all ways at once, each under a name of its own."""
        self.serve_other()
        self.serve(pull=[self.table(way, stream=way) for way in WAYS])
        captures = {way: self.capture(self.server.flv(way)) for way in WAYS}
        self.publish(STREAM, server=self.other, media="bframes", loop=False)
        for way, capture in captures.items():
            self.check_whole(capture, SECONDS, by_rtp="rtsp" in way, media="bframes")
        self.assertIn(f"plays {STREAM} over UDP", self.other.log)
        self.assertIn(f"plays {STREAM} over TCP", self.other.log)

    def test_what_was_published_by_rtsp_is_pulled_by_rtmp(self):
        self.serve_other()
        self.serve(pull=[self.table("rtmp")])
        url = self.other.rtsp(STREAM)
        command = publishers.ffmpeg_rtsp(paths.FFMPEG_CURRENT, "demo", url, False, "tcp")
        self.start("publisher", command)
        self.check_whole(self.capture(self.server.flv(STREAM)), SECONDS, by_rtp=True)


class NobodyThere(RelayCase):
    """The other server answers, and nobody publishes there."""

    def test_the_name_is_free_for_who_publishes_here(self):
        self.serve_other(log={"level": "debug"})
        self.serve(pull=[self.table("rtmp")])
        self.until_log_counts(f"plays {STREAM}", 1, server=self.other)
        self.publish_live(STREAM)
        self.until_log_says(f"pulling {STREAM} .*: refused: the stream has a publisher already")
        self.assertNotIn("; again in", self.server.log)
        self.assertEqual(self.server.metric("runnel_refused_total"), 0)

    def test_two_that_pull_from_each_other_leave_the_name_to_who_publishes(self):
        self.serve_other(log={"level": "debug"})
        self.serve(pull=[self.table("rtmp")])
        there = self.other
        self.until_log_counts(f"plays {STREAM}", 1, server=there)
        back = {"stream": STREAM, "url": self.server.rtmp(STREAM)}
        there.configure({"pull": [back], "log": {"level": "debug"}})
        there.program.signal(signal.SIGHUP)
        self.until_log_says("plays " + STREAM)
        self.publish_live(STREAM)
        self.until_live(STREAM, server=there)


class Circles(RelayCase):
    def test_two_that_pull_from_each_other_do_not_send_the_last_of_it_round_and_round(self):
        ways = ("rtmp", "rtsp")
        there = self.leave_a_circle("pull", ways)
        for way in ways:
            said = f"pulling {way} .*: refused: it sends back what was published here"
            self.until_log_says(said, timeout=COMES_WITHIN)
        for way in ways:
            self.publish_live(way)
            self.until_live(way, server=there)


class Hosts(RelayCase):
    HOSTS = {"by-name": "localhost", "by-six": "[::1]"}
    if not Path("/proc/net/if_inet6").exists():
        del HOSTS["by-six"]  # the kernel knows none

    def test_they_are_found_by_name_and_by_addresses_of_either_kind(self):
        self.serve_other(address="[::]")
        streams = {
            f"{way}-{which}": {**self.table(way), "url": url(self.other, way, STREAM, host=host)}
            for way in ("rtsp", "rtsp-udp", "rtmp")
            for which, host in self.HOSTS.items()
        }
        self.serve(pull=[{**table, "stream": name} for name, table in streams.items()])
        self.publish(STREAM, server=self.other)
        for name in streams:
            self.until_live(name)

    def test_one_without_an_address_is_named(self):
        self.serve_other()
        missing = url(self.other, "rtsp", STREAM, host="nobody.invalid")
        self.serve(pull=[{"stream": STREAM, "url": missing}])
        self.until_log_counts(f"pulling {STREAM}", 1)

    def test_a_name_that_is_looked_up_for_ever_holds_up_no_other(self):
        resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(resolver.close)
        try:
            resolver.bind(("127.0.0.1", 53))
        except OSError as error:
            self.skipTest(f"nobody can be a name server here: {error}")
        resolver.settimeout(COMES_WITHIN)
        asks_it = self.directory / "resolv.conf"
        asks_it.write_text("nameserver 127.0.0.1\noptions timeout:30 attempts:5\n")
        command = f'mount --bind {asks_it} /etc/resolv.conf && exec "$@"'
        self.serve_other()
        self.publish_live(STREAM, server=self.other)
        lost, near = (
            {"stream": name, "url": url(self.other, "rtmp", STREAM, host=host)}
            for name, host in (("lost", "lost.test"), ("near", "localhost"))
        )
        launcher = ["unshare", "--mount", "sh", "-c", command, "sh"]
        self.serve(launcher, pull=[lost, {**near, "on_demand": True}])
        self.assertIn(b"\4lost\4test\0", resolver.recv(1000))
        self.capture(self.server.flv("near")).until_span(MORE, timeout=COMES_WITHIN)
        self.assertNotIn("pulling lost", self.server.log)


class Refused(RelayCase):
    def test_after_a_wrong_password_it_is_tried_again_ever_more_seldom(self):
        self.serve_other(rtsp={"auth": "digest", **AUTH}, log={"level": "debug"})
        self.serve(pull=[self.table("rtsp", user="camera:Lion-3")])
        self.until_log_counts("401 Unauthorized: wrong USER:PASSWORD in the URL; again in 4 s", 1)
        pauses = [line.rsplit("again in ", 1)[1].split(" (")[0] for line in self.complaints()]
        self.assertEqual(pauses, ["1 s", "2 s", "4 s"])
        self.assertEqual(self.other.log.count(" connects\n"), 3)

    def test_a_port_that_hangs_up_is_told(self):
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def hang_up():
            while True:
                try:
                    listener.accept()[0].close()
                except OSError:
                    return

        threading.Thread(target=hang_up, daemon=True).start()
        host = f"127.0.0.1:{listener.getsockname()[1]}"
        pulls = [{"stream": way, "url": f"{way}://{host}/live/{STREAM}"} for way in ("rtmp", "rtsp")]
        push = {"stream": "pushed", "url": f"rtmp://{host}/live/{STREAM}"}
        self.serve(pull=pulls, push=[push])
        self.publish_live("pushed")
        why = "peer: it closed the connection before it answered: is that an"
        for relay in ("pulling rtmp rtmp", "pulling rtsp rtsp", "pushing pushed rtmp"):
            protocol = relay[-4:]
            said = f"{relay}://{host}/live/...: {why} {protocol.upper()} port?"
            self.until_log_counts(said, 1)

    def complaints(self):
        return [line for line in self.server.log.splitlines() if f"pulling {STREAM}" in line]

    def test_a_certificate_that_nobody_knows_is_believed_only_if_so_configured(self):
        self.serve_other()
        careful = [self.table(way, stream=way, insecure=False) for way in ("rtsps", "rtmps")]
        self.serve(pull=[*careful, self.table("rtsps", stream="careless")])
        self.publish(STREAM, server=self.other)
        self.until_live("careless")
        for table in careful:
            self.until_log_counts(f"pulling {table['stream']}", 1)
        lines = [line for line in self.server.log.splitlines() if "; again in" in line]
        for line in lines:
            self.assertIn("certificate", line)
        self.assertEqual(self.server.metric("runnel_publishers"), 1)

    def test_passwords_are_not_told(self):
        self.check_secrecy("digest")

    def test_passwords_that_go_over_the_wire_are_not_told(self):
        self.check_secrecy("basic")

    def check_secrecy(self, auth):
        """Neither at the most talkative level, nor in the metrics; whatever comes of them."""
        self.serve_other(rtsp={"auth": auth, **AUTH}, log={"level": "trace"})
        # It goes over the wire only where that is asked for.
        user = USER.replace(":", ";AUTH=BASIC:", 1) if auth == "basic" else USER
        tables = [
            self.table("rtsp", stream="right", user=user),
            self.table("rtsp", stream="wrong", user=f"{PASSWORD}:{PASSWORD}x/@"),
            self.table("rtsps", stream="untrusted", user=USER, insecure=False),
            self.table("rtmp", stream="unasked", user=USER),
        ]
        pushed = self.table("rtsp", stream="right", name="pushed", user=user)
        self.serve(pull=tables, push=[pushed], log={"level": "trace"})
        self.publish(STREAM, server=self.other)
        for stream in ("right", "unasked"):
            self.until_live(stream)
        for stream in ("wrong", "untrusted"):
            self.until_log_counts(f"pulling {stream}", 1)
        self.until_log_counts("publishes pushed", 1, server=self.other)
        for server in (self.server, self.other):
            self.assertIn("DEBUG", server.log)
            self.assert_not_told(server)

    def test_what_a_url_asks_with_is_not_told(self):
        """There stand the tokens and keys of services that have no users."""
        self.serve_other(log={"level": "trace"})
        name = f"{STREAM}?token={PASSWORD}"
        tables = [self.table(way, stream=way, name=name) for way in ("rtsp", "rtmp")]
        pushes = [
            self.table(way, stream=STREAM, name=f"by-{way}?token={PASSWORD}")
            for way in ("rtsp", "rtmp")
        ]
        self.serve(pull=tables, push=pushes, log={"level": "trace"})
        self.publish(STREAM, server=self.other)
        self.publish(STREAM)
        for way in ("rtsp", "rtmp"):
            self.until_live(way)
            self.until_live(f"by-{way}", server=self.other)
        for server in (self.server, self.other):
            self.assert_not_told(server)

    def assert_not_told(self, server):
        for told in (server.log, server.metrics()):
            for secret in (PASSWORD, base64.b64encode(USER.encode()).decode()):
                at = told.find(secret)
                self.assertEqual(at, -1, told[max(0, at - 200) : at + 50])


class SourceThatDies(RelayCase):
    WAYS = ("rtsp", "rtsp-udp", "rtmp")
    # The server not often: each time in a row it is waited twice as long.
    DEATHS = ("publisher", "publisher", "server") * 3 + ("publisher",)

    def test_ten_times_and_viewers_stay_and_see_it_go_on(self):
        self.serve_other()
        self.serve(pull=[self.table(way, stream=way) for way in self.WAYS])
        publisher = self.publish(STREAM, server=self.other)
        captures = [self.capture(self.server.flv(way)) for way in self.WAYS]
        for capture in captures:
            capture.until_span(MORE)
        # One plays by RTSP too; it shows what it gets under another name.
        again = publishers.ffmpeg_again(
            paths.FFMPEG_CURRENT, self.server.rtsp("rtsp"), self.server.rtmp("back")
        )
        player = self.start("player", again)
        back = self.capture(self.server.flv("back"))
        left = 0
        for death in self.DEATHS:
            if death == "server":
                self.other.kill()
                publisher.kill()
                self.other.start_again()
            else:
                publisher.kill()
                left += 1
                # Its end is known before the next one comes, which is refused otherwise.
                self.until_log_counts(f"stops publishing {STREAM}", left, server=self.other)
            publisher = self.publish(STREAM, server=self.other)
            until_all_more([*captures, back], MORE)
        self.assertIsNone(player.exit_code, player.describe())
        for capture in captures:
            self.assertIsNone(capture.ended, capture.url)
            samples = flv.samples(capture.stop())
            self.assert_none(timeline.faults(samples), capture.url)
        for way in self.WAYS:
            self.assertEqual(self.server.log.count(f"pulling {way} "), self.DEATHS.count("server"))

    def test_while_it_is_away_for_longer_it_is_asked_again(self):
        """First there is no server, then one without the stream, then the stream."""
        self.serve_other(rtsp={"hold": "1s"})
        self.other.kill()
        self.serve(pull=[self.table(way, stream=way) for way in ("rtsp", "rtmp")])
        captures = [self.capture(self.server.flv(way)) for way in ("rtsp", "rtmp")]
        for way in ("rtsp", "rtmp"):
            self.until_log_counts(f"pulling {way} ", 1)
        self.other.start_again()
        self.until_log_counts(f"waited in vain for {STREAM}", 1, server=self.other)
        self.publish(STREAM, server=self.other)
        for capture in captures:
            capture.until_span(MORE, COMES_WITHIN)


class OnDemand(RelayCase):
    def serve_on_demand(self, *ways, **sections):
        self.serve_other(log={"level": "debug"})
        tables = [self.table(way, stream=way, on_demand=True) for way in ways]
        # When this one is there, the others would have been there too.
        always = self.table("rtsp", stream="always", name="always")
        self.serve(pull=[*tables, always], **sections)
        self.publish("always", server=self.other)
        self.publish_live(STREAM, server=self.other)
        self.until_live("always", 1000)
        self.assertNotIn(f"plays {STREAM} over", self.fetched())

    def fetched(self):
        """The source's log, without the test's own look at the stream."""
        log = self.other.log.splitlines()
        return "\n".join(line for line in log if "as flv over http" not in line)

    def test_nothing_is_fetched_until_somebody_watches_and_when_all_have_left(self):
        self.serve_on_demand("rtsp", "rtmp", "rtsps")
        self.assertEqual(self.server.metric("runnel_publishers"), 1)
        first = [self.capture(self.server.flv(way)) for way in ("rtsp", "rtmp")]
        player = self.start(
            "ffmpeg",
            players.ffmpeg_decode_rtsp(
                paths.FFMPEG_CURRENT, self.server.rtsp("rtsps"), SECONDS, "tcp"
            ),
        )
        for capture in first:
            capture.until_span(1000, COMES_WITHIN)
        player.wait(players.PLAYS_WITHIN)
        self.assert_none(players.ffmpeg_faults(player, SECONDS), "ffmpeg")
        # One leaves and another one stays: it goes on.
        second = self.capture(self.server.flv("rtsp"))
        second.until_span(500)
        for capture in first:
            capture.stop()
        left = time.monotonic()
        self.until_log_counts("pulling rtmp ", 1, ENDS_WITHIN)
        self.assertGreater(time.monotonic() - left, LINGER - 1)
        self.until_log_counts("pulling rtsps ", 1, ENDS_WITHIN)
        self.assertNotIn("pulling rtsp ", self.server.log)
        self.assertIsNone(second.ended)
        # And whoever comes afterwards is served again.
        self.until_live("rtmp")

    def test_one_who_asks_for_hls_wakes_it(self):
        self.serve_on_demand("rtsp", hls={"segment": "1s"})
        hls = self.capture_hls(self.server.hls("rtsp"))
        hls.until(lambda one: len(one.segments) >= 2, COMES_WITHIN, "2 segments")
        hls.stop()
        self.assert_none(hls.faults, hls.url)
        self.assert_decodes(b"".join(data for _, data in hls.segments), 1)
