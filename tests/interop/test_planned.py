"""All that the plan has, taken at once: it is not more than the plan says."""

import contextlib
import http.client
import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import unittest
import urllib.request

import asking
import certificate
import config
import control_group
import hoarder
import paths
import waiting
from case import Case

FILLS_WITHIN = 60
# Of so few bits that those who read nothing hold what others hold too, and nobody is cut.
MEDIA = "demo"
# No more comes, since all have blocked, or would have by now.
LOOKS_FOR = 5
# Those who come and go: how often; and what such take of what they are sent.
ROUNDS, LITTLE = 12, 2 << 10
# KiB that the allocator takes beside that, and code that had not run before.
NOISE = 128
# A file that is more than the kernel takes for a connection.
LARGE = 4 << 20
# The bytes that are sent behind a request.
JUNK = b"x" * 15_000
# A connection for which the kernel has so much is one that is full.
FULL = 16 << 10
# Datagrams for each port while the program stands still.
DATAGRAMS, DATAGRAM = 100, bytes(1300)
# The rows of the plan that are full without anybody.
ALWAYS = {"program", "threads", "recordings: disks"}
# Those that are not filled or not looked at here, and why.
UNFILLED = {
    "streams: memory": "a ring is as full as its stream makes it, and has a test of its own",
    "files that are played": "the file is one of the publishers",
    "addresses": "those of loopback are not counted",
    "sessions": "each that publishes or plays has one",
    "requests for files": "a test of its own has them",
    "recordings: memory": "it is what waits for a disk, and this one does not stand still",
    "further threads for disks": "they begin where a disk stands still",
    "relays by the API": "all are taken at the start, and none ends",
    "relays of the configuration": "none of them begins or ends here",
    "log: latest lines": "it is a ring of fixed size, with a test of its own",
    "API: readers of events": "they have a test of their own (tests/events.rs)",
    "API: facts": "they are kept for those readers",
}


@unittest.skipUnless(os.geteuid() == 0, "only root may make a control group")
class Planned(Case):
    alone = True

    def serve_limited(self, profile, **sections):
        """In a control group with no more memory than the profile has."""
        self.directory.chmod(0o755)
        total = self.planned(profile, **sections)
        self.group, self.missing = None, ""
        try:
            name = f"runnel-test-{os.getpid()}-{profile}"
            self.group = control_group.make(name, total, self.kernel * 1024)
        except control_group.Unavailable as error:
            # The figures of the kernel and of the program are looked at all the same.
            self.missing = f"no control group: {error}"
        if self.group:
            self.addCleanup(self.group.remove)
        self.serve(self.group.launcher if self.group else (), profile=profile, **sections)
        if self.group:
            self.group.share(total, self.kernel * 1024)
        self.most, self.sockets, self.kept = 0, [], []

    def planned(self, profile, **sections):
        """Reads what the plan has: the kernel's part, and all."""
        path = self.directory / "plan.toml"
        config.write(path, {}, {"profile": profile, **sections})
        self.plan = subprocess.check_output([paths.SERVER, "--plan", "-c", path], text=True)
        rows = (re.match(r"(.{28}) *(\d+) +(\d+) +(\d+)", line) for line in self.plan.splitlines())
        self.count = {row[1].strip(): int(row[2]) for row in rows if row}
        self.user, self.kernel = map(int, re.search(r"sum +(\d+) +(\d+)", self.plan).groups())
        self.total = int(re.search(r"memory.total = (\d+) KiB", self.plan)[1])
        return self.total * 1024

    def look(self):
        """Checks the kernel's memory for each connection. It and the program have no more than
        the plan at any time."""
        server = self.server
        self.sealed = [server.https_port, server.rtmps_port, server.rtsps_port]
        ports = [server.rtmp_port, server.rtsp_port, server.http_port, *self.sealed]
        self.sockets, self.open = control_group.of_connections(server.pid, ports)
        self.datagrams = control_group.of_datagrams(server.pid)
        taken = sum(self.sockets) + sum(taken for _, taken in self.datagrams)
        self.most = max(self.most, taken)
        self.assertLessEqual(taken, self.kernel * 1024, self.plan)
        self.anonymous = int(server.status("RssAnon")[0])
        self.assertLessEqual(self.anonymous, self.user, self.plan)
        return self.sockets

    def full(self):
        """The number of connections for which the kernel holds much memory."""
        return sum(taken > FULL for taken in self.look())

    def look_for(self, seconds):
        until = time.monotonic() + seconds
        waiting.until(lambda: self.look() and time.monotonic() > until, FILLS_WITHIN, "looking")

    def keep(self, one):
        """Closes it when the test ends."""
        self.addCleanup(one.close)
        return one

    def hoards(self, one):
        self.kept.append(self.keep(one))

    def stands_still(self):
        """The program gets no processor for a while: all that is sent to it stays with
        the kernel."""
        self.server.program.signal(signal.SIGSTOP)
        try:
            sender = self.keep(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
            for (port, _), _ in itertools.product(self.datagrams, range(DATAGRAMS)):
                sender.sendto(DATAGRAM, ("127.0.0.1", port))
            for one in self.kept:
                with contextlib.suppress(OSError):  # it is full, or gone
                    one.settimeout(0)
                    while one.send(JUNK):
                        pass
            self.look_for(LOOKS_FOR)
        finally:
            self.server.program.signal(signal.SIGCONT)

    def check_all_is_well(self):
        """The last step: without a control group the rest of a test was good, and it is left out."""
        self.look()
        if self.group:
            self.assertEqual(self.group.killed(), 0, self.server.log)
            self.assertEqual(self.group.refused(), 0, self.plan)
        self.assertIsNone(self.server.program.exit_code)
        if os.environ.get("RUNNEL_TEST_FIGURES"):
            peak = self.group.peak() // 1024 if self.group else 0
            print(
                f"{self.id()}: {self.most // 1024} of {self.kernel} KiB in the kernel, "
                f"{self.anonymous} of {self.user} KiB in the program, {peak} KiB in all",
                file=sys.stderr,
            )
        if self.missing:
            self.skipTest(self.missing)


class Filled(Planned):
    def pulls(self):
        """One by each way, from another server."""
        other = self.serve_another("other")
        self.publish_live("cam", media=MEDIA, server=other)
        return [
            {"stream": "rtmp", "url": other.rtmp("cam")},
            {"stream": "rtsp", "url": other.rtsp("cam")},
            {"stream": "rtsp-udp", "url": other.rtsp("cam"), "udp": True},
            {"stream": "file", "url": f"file:{paths.media(MEDIA)}"},
        ]

    def publish_all(self, pulls):
        """As many as there may be."""
        streams = [pull["stream"] for pull in pulls]
        udp = self.count["RTSP over UDP: port pairs"] > 0
        ways = itertools.cycle(["rtmp", "tcp", "udp"] if udp else ["rtmp", "tcp"])
        for number in range(self.count["streams: publishers"] - len(pulls)):
            way = next(ways)
            streams.append(f"cam{number}")
            if way == "rtmp":
                self.publish(streams[-1], MEDIA)
            else:
                self.publish_rtsp(streams[-1], way, MEDIA)
        for stream in streams:
            self.until_live(stream)
        return streams

    def segment_of(self, stream):
        """The newest one, which does not leave before it is asked for."""
        self.until_hls(stream)
        with urllib.request.urlopen(self.server.hls(stream), timeout=FILLS_WITHIN) as answer:
            playlist = answer.read().decode()
        return f"/hls/{re.findall(r'^[^#].*[.]ts$', playlist, re.MULTILINE)[-1]}"

    def play_over_udp(self, streams):
        """Until all pairs of ports are taken."""
        for stream in itertools.cycle(streams):
            try:
                both = hoarder.rtsp_over_udp(self.server.rtsp(stream), self.server.rtsp_port)
            except hoarder.Refused:
                return
            self.hoards(both[0])
            self.keep(both[1])

    def play(self, number, stream, sealed):
        """One of many, each in another way."""
        server = self.server
        port = server.https_port if sealed else server.http_port
        more = JUNK * (number % 3)
        live = f"/live/{stream}"
        ways = [
            lambda: hoarder.http(f"{live}.flv", port, more, sealed=sealed),
            lambda: hoarder.http(f"{live}.ts", port, more, sealed=sealed),
            lambda: hoarder.http(f"{live}.mp4", port, more, sealed=sealed),
            lambda: hoarder.websocket(f"{live}.flv", port, sealed=sealed),
            lambda: hoarder.rtsp(
                server.rtsp(stream), server.rtsps_port if sealed else server.rtsp_port, sealed=sealed
            ),
            lambda: hoarder.rtmp(
                stream, server.rtmps_port if sealed else server.rtmp_port, sealed=sealed
            ),
        ]
        with contextlib.suppress(hoarder.Refused, ConnectionResetError):
            self.hoards(ways[number % len(ways)]())

    def fill(self, profile, pulls=(), **sections):
        patient = {"viewers": {"slow": "1h"}, "http": {"keep_alive": "10m"}}
        self.serve_limited(profile, pull=list(pulls), **patient, **sections)
        self.asking = self.keep(http.client.HTTPConnection("127.0.0.1", self.server.http_port))
        self.page()
        self.streams = self.publish_all(pulls)
        self.segment = self.segment_of(self.streams[0])
        if self.count["RTSP over UDP: port pairs"]:
            self.play_over_udp(self.streams)
        self.fill_by_api()
        self.numbers, self.others = itertools.count(), []
        waiting.until(self.refill, FILLS_WITHIN, lambda: f"{self.taken}\n{self.plan}")
        self.look_for(LOOKS_FOR)
        self.stands_still()
        self.check_all_is_well()

    def fill_by_api(self):
        """As many addresses are refused, and as many pulls wait for somebody who watches, as there may be."""
        for number in range(self.count["refused addresses"]):
            address = {"ip": f"192.0.2.{number}", "duration_sec": 3600}
            self.assertEqual(self.control("add_ip_blacklist", address)["error_code"], 0)
        pulls = self.count["relays by the API"]
        for number in range(pulls + 1):
            pull = {"url": "rtmp://127.0.0.1:1/live/a", "stream_name": f"absent{number}"}
            said = self.control("start_relay_pull", {**pull, "auto_stop_pull_after_no_out_ms": 0})
            self.assertEqual(said["desp"] == "should auto stop pull", number < pulls, said)

    def control(self, what, body):
        self.asking.request("POST", f"/api/ctrl/{what}", json.dumps(body))
        return json.load(self.asking.getresponse())

    def refill(self):
        """Every row of the plan is full, and most of those who read nothing are. Those who
        hold what others need are cut, and others come in their place."""
        let_in = self.count["streams: publishers"] + self.count["viewers"]
        connections = let_in + self.count["connections not let in yet"]
        if not self.all_are_taken(let_in):
            room = connections + len(self.others)
            missing = self.count["viewers"] - self.taken["viewers"]
            while self.others and self.open.total() + missing + len(self.others) > room:
                self.others.pop().close()
            for so_far in range(missing):
                number = next(self.numbers)
                stream = self.streams[number % len(self.streams)]
                self.play(number, stream, self.taken["TLS"] + so_far < self.count["TLS"])
            self.look()
            for _ in range(connections - self.open.total()):
                with contextlib.suppress(hoarder.Refused, ConnectionResetError):
                    one = hoarder.http(self.segment, self.server.http_port, receive=LITTLE)
                    self.others.append(one)
                    self.hoards(one)
            return False
        return self.full() > self.count["viewers"] // 2

    def page(self, path="/metrics"):
        """One by a connection that stays: there is no place for another."""
        self.asking.request("GET", path)
        return self.asking.getresponse().read().decode()

    def all_are_taken(self, let_in):
        self.look()
        self.page(f"/hls/{self.streams[0]}.m3u8")  # or its segments are given up
        text = self.page()
        self.assertIn("runnel_viewers", text)

        def metric(name):
            return sum(map(int, re.findall(rf"^{name}(?:{{.*}})? (\d+)$", text, re.MULTILINE)))

        self.taken = {
            "streams: publishers": metric("runnel_publishers"),
            "viewers": metric("runnel_viewers"),
            "connections not let in yet": metric("runnel_connections") - let_in,
            "RTSP over UDP: port pairs": metric("runnel_udp_pairs"),
            # those that pulls may have are no client's
            "TLS": sum(self.open[port] for port in self.sealed) + self.count["relays by the API"],
            "recordings": metric("runnel_recordings"),
            "HLS segments": min(metric("runnel_hls_streams"), 1),
            "refused addresses": len(json.loads(self.page("/api/stat/ip_blacklist"))["data"]["ips"]),
        }
        rows = {row for row, count in self.count.items() if count}
        self.assertEqual(rows - ALWAYS - UNFILLED.keys() - self.taken.keys(), set(), self.plan)
        return all(self.taken[row] == self.count[row] for row in self.taken)

    def test_those_who_come_fill_a_buffer_and_go(self):
        """The kernel keeps offering them the rest for minutes, unless it is told not to."""
        self.serve_limited("tiny")
        self.publish_live("cam", media="camera")
        pages = itertools.cycle(["/live/cam.flv", "/live/cam.ts", "/metrics"])
        for _ in range(ROUNDS):
            for _ in range(self.count["viewers"] // 2):
                with contextlib.suppress(hoarder.Refused):  # others have the places still
                    self.hoards(hoarder.http(next(pages), self.server.http_port, receive=LITTLE))
            self.look_for(LOOKS_FOR / 5)
            for one in self.kept:
                with contextlib.suppress(OSError):  # it is gone
                    one.shutdown(socket.SHUT_WR)
        self.check_all_is_well()

    def test_those_who_ask_without_end_and_read_nothing(self):
        """A connection makes the program keep no more than the plan has for it."""
        (self.directory / "large.bin").write_bytes(bytes(LARGE))
        for profile, begin in itertools.product(["tiny", "router", "box"], asking.WAYS):
            with self.subTest(begin.__name__, profile=profile):
                self.planned(profile, http={"root": self.directory})
                rows = ["streams: publishers", "viewers", "connections not let in yet"]
                connections = sum(self.count[row] for row in rows)
                rows.append("requests for files")
                planned = sum(int(re.search(rf"{row} +\d+ +(\d+)", self.plan)[1]) for row in rows)
                # Each has its own, since what one lets go of is there for the next.
                self.serve(profile=profile, http={"root": self.directory})
                before = self.anonymous_now()
                times = range(asking.TIMES.get(begin, 1))
                most = max(self.most_with(connections, begin) for _ in times) - before
                self.assertLessEqual(most, planned + NOISE, f"{begin.__name__} {profile}")
                self.server.stop()

    def anonymous_now(self):
        return int(self.server.status("RssAnon")[0])

    def most_with(self, connections, begin):
        """The most memory of the program while so many clients ask and then leave."""
        descriptors = lambda: len(os.listdir(f"/proc/{self.server.pid}/fd"))
        before, most = descriptors(), 0
        asks = [begin(self.server, number) for number in range(connections)]
        until = time.monotonic() + LOOKS_FOR / 2
        while time.monotonic() < until:
            for one, more in asks:
                asking.send(one, more)
            most = max(most, self.anonymous_now())
        for one, _ in asks:
            one.close()
        waiting.until(lambda: descriptors() <= before, FILLS_WITHIN, "that all have left")
        return most

    def test_tiny(self):
        self.fill("tiny", tls=certificate.make(self.directory))

    def test_router(self):
        record = [{"streams": "cam*", "path": self.directory, "format": "ts"}]
        self.fill("router", self.pulls(), tls=certificate.make(self.directory), record=record)
