"""All that the plan has, taken at once: it is not more than the plan says."""

import os
import re
import socket
import ssl
import subprocess
import sys
import time
import unittest
import urllib.request

import certificate
import config
import control_group
import paths
import waiting
from case import Case

FILLS_WITHIN = 40
# What other networks than the loopback interface have.
SEGMENT = 1400
# What somebody else has room for: less than a segment.
RECEIVE = 64 << 10
# What is sent behind a request, and not its turn while that is answered.
JUNK = b"x" * 15_000


@unittest.skipUnless(os.geteuid() == 0, "only root may make a control group")
class Planned(Case):
    alone = True

    def serve_limited(self, profile, **sections):
        """In a control group with no more memory than the profile has."""
        self.directory.chmod(0o755)
        total = self.planned(profile, **sections)
        self.group = None
        try:
            self.group = control_group.make(f"runnel-test-{os.getpid()}-{profile}", total)
        except control_group.Unavailable as error:
            print(f"{self.id()}: no control group ({error}): VmHWM and ss", file=sys.stderr)
        if self.group:
            self.addCleanup(self.group.remove)
        self.serve(self.group.launcher if self.group else (), profile=profile, **sections)

    def planned(self, profile, **sections):
        """Reads what the plan has: the kernel's part, and all."""
        path = self.directory / "plan.toml"
        config.write(path, {}, {"profile": profile, **sections})
        self.plan = subprocess.check_output([paths.SERVER, "--plan", "-c", path], text=True)
        rows = (re.match(r"(.{28}) *(\d+) +(\d+) +(\d+)", line) for line in self.plan.splitlines())
        self.count = {row[1].strip(): int(row[2]) for row in rows if row}
        self.user, self.kernel = map(int, re.search(r"sum +(\d+) +(\d+)", self.plan).groups())
        return int(re.search(r"memory.total = (\d+) KiB", self.plan)[1]) * 1024

    def connect(self, port, sealed=False):
        """Somebody who takes much at once, and then reads nothing."""
        one = socket.socket()
        self.addCleanup(one.close)
        one.settimeout(10)
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE)
        one.connect(("127.0.0.1", port))
        if not sealed:
            return one
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context.wrap_socket(one)

    def ask(self, path, more=b"", **how):
        port = self.server.https_port if how.get("sealed") else self.server.http_port
        one = self.connect(port, **how)
        one.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\n\r\n".encode() + more)
        return one

    def segment_of(self, stream):
        """The newest one, which does not leave before it is asked for."""
        with urllib.request.urlopen(self.server.hls(stream), timeout=FILLS_WITHIN) as answer:
            playlist = answer.read().decode()
        return f"/hls/{re.findall(r'^[^#].*[.]ts$', playlist, re.MULTILINE)[-1]}"

    def path_of(self, number, stream, segment):
        """What one of many asks for: half of them play, as many as may."""
        return [f"/live/{stream}.flv", segment, f"/live/{stream}.ts", segment][number % 4]

    def look(self):
        server = self.server
        ports = [server.rtmp_port, server.rtsp_port, server.http_port, server.https_port]
        self.sockets = control_group.of_sockets(ports)
        self.most = max(self.most, sum(self.sockets))
        return self.sockets

    def fill(self, profile, **sections):
        self.serve_limited(profile, viewers={"slow": "1h"}, **sections)
        self.most = 0
        streams = [f"cam{n}" for n in range(self.count["streams: publishers"])]
        for stream in streams:
            self.publish(stream, "camera")
        for stream in streams:
            self.until_live(stream)
        self.until_hls(streams[0])
        segment = self.segment_of(streams[0])
        # A place is that of the stream that has HLS, and some are those of recordings.
        others = 1 + self.count["recordings"]
        viewers = self.count["viewers"] - others
        sealed = self.count["TLS"]
        kept = [
            self.ask(
                self.path_of(n, streams[n % len(streams)], segment), JUNK * (n % 3), sealed=n < sealed
            )
            for n in range(viewers + self.count["connections not let in yet"] + others)
        ]
        until = time.monotonic() + FILLS_WITHIN / 4
        waiting.until(
            lambda: self.look() and time.monotonic() > until, FILLS_WITHIN, "a while of looking"
        )
        self.assertGreaterEqual(len(self.sockets), len(streams) + len(kept))
        # Most of those who read nothing have made the kernel keep what is theirs.
        blocked = sum(taken > 16 << 10 for taken in self.sockets)
        self.assertGreater(blocked, len(kept) * 3 // 4, self.sockets)
        self.assertLessEqual(self.most, self.kernel * 1024, self.plan)
        if self.group:
            self.assertEqual(self.group.killed(), 0, self.server.log)
        # It is as well as before.
        self.assertIsNone(self.server.program.exit_code)
        with open(f"/proc/{self.server.pid}/status", encoding="ascii") as status:
            text = status.read()
        self.anonymous = int(re.search(r"RssAnon:\s+(\d+)", text)[1])
        self.assertLessEqual(self.anonymous, self.user, text)
        if os.environ.get("RUNNEL_TEST_FIGURES"):
            peak = self.group.peak() // 1024 if self.group else 0
            print(
                f"{profile}: {self.most // 1024} of {self.kernel} KiB in the kernel, "
                f"{self.anonymous} of {self.user} KiB in the program, {peak} KiB in all",
                file=sys.stderr,
            )

    def test_tiny(self):
        self.fill("tiny", tls=certificate.make(self.directory))

    def test_router(self):
        record = [{"streams": "cam0", "path": self.directory, "format": "ts"}]
        self.fill("router", tls=certificate.make(self.directory), record=record)
