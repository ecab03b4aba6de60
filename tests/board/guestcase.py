"""The base of every test of a machine: interop's, with a server that runs in it."""

import http.client
import re
import time

import flv
import paths
import players
import timeline
from case import Case
from raw_http import RawHttp

STREAM = "cam"
# connections.handshake in guest/*.toml, and how late the sweep and a slow machine may be.
HANDSHAKE, LATE = 3, 4
MIB = 1 << 20


class GuestCase(Case):
    # Set by `run`.
    machine = None
    # Whether it needs more of the network than a question now and then.
    streams = True
    # Two are enough for machines that are emulated.
    forms = ("flv", "ts")

    def setUp(self):
        super().setUp()
        self.server = self.machine.server

    def metric(self, name):
        """The sum of all figures of /metrics whose name matches, with its labels if given."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.http_port, timeout=10)
        try:
            connection.request("GET", "/metrics")
            page = connection.getresponse().read().decode()
        finally:
            connection.close()
        found = re.finditer(rf"^(?:{name})(?:{{.*}})? (?P<figure>\S+)$", page, re.M)
        return sum(float(one["figure"]) for one in found)

    def check_deadline(self):
        """A client that sends half a message is closed in time: a timer has fired."""
        begun = time.monotonic()
        words = {self.server.rtmp_port: b"\x03", self.server.http_port: b"GET "}
        connections = [self._say(port, word) for port, word in words.items()]
        for connection in connections:
            while connection.socket.recv(4096):
                pass  # an answer may say why
            self.assertGreater(time.monotonic() - begun, HANDSHAKE - 1)

    def _say(self, port, word):
        connection = RawHttp(port, timeout=HANDSHAKE + LATE)
        self.addCleanup(connection.close)
        connection.send(word)
        return connection

    def check_decoding(self, urls, seconds):
        """ffmpeg plays all of these at once and complains of nothing."""
        decoding = [
            self.start(name, players.ffmpeg_decode(paths.FFMPEG_CURRENT, url, seconds))
            for name, url in urls.items()
        ]
        for program in decoding:
            program.wait(seconds + 30)
            self.assert_none(players.ffmpeg_faults(program, seconds), program.name)

    def urls(self):
        server = self.server
        return {
            "rtmp": server.rtmp(STREAM),
            "http-flv": server.flv(STREAM),
            "http-ts": server.ts(STREAM),
            "hls": server.hls(STREAM),
        }

    def check_unbroken(self, capture, media="demo"):
        """The received stream equals the published one, frame by frame, on its time line."""
        self.assertIsNone(capture.ended, capture.url)
        source = flv.samples(paths.media(media).read_bytes())
        played = capture.reader.samples(capture.stop())
        self.assert_none(timeline.differences(source, played), capture.url)

    def evidence(self):
        try:
            said = super().evidence()
        except AssertionError as error:  # it does not even tell its log
            said = repr(error)
        return f"{said}\n{self.machine.evidence()}"
