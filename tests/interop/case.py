"""The base of every test that needs the server."""

import itertools
import os
import re
import shutil
import tempfile
import unittest
from pathlib import Path

import paths
import players
import publishers
import waiting
from capture import Capture
from hls_capture import HlsCapture
from program import Program
from rtmp_capture import RtmpCapture
from server import Server

LIVE_WITHIN = 10
HLS_WITHIN = 15
DECODES_WITHIN = 20
LOG_TAIL = 4000
FAULTS_SHOWN = 10
# Set it to look at the captures and logs of a test afterwards.
KEEP = os.environ.get("RUNNEL_TEST_KEEP")


class Case(unittest.TestCase):
    # Set on a class that measures time, so that nothing else runs beside it.
    alone = False
    # Set on a class whose tests take a minute or more, so that they begin first.
    takes_minutes = False
    # The forms that the server gives out over HTTP and WebSocket.
    forms = ("flv", "ts", "mp4")

    def setUp(self):
        self.directory = Path(tempfile.mkdtemp(prefix="runnel-test-"))
        if not KEEP:
            self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.server = None
        self._servers = []
        self._programs = []
        self._numbers = itertools.count(1)

    def serve(self, launcher=(), env=None, address="127.0.0.1", **sections):
        """Starts the server; it must end well when the test ends."""
        self.server = self._serve(self.directory, sections, launcher, env, address)
        return self.server

    def serve_another(self, name, address="127.0.0.1", **sections):
        """Starts one more, which is somewhere else as far as the server knows."""
        directory = self.directory / name
        directory.mkdir()
        return self._serve(directory, sections, (), None, address)

    def _serve(self, directory, *how):
        server = Server(directory, *how)
        self._servers.append(server)
        self.addCleanup(server.stop)
        return server

    def start(self, name, command, env=None):
        """Starts a real program that ends with the test."""
        name = f"{name}-{next(self._numbers)}"
        program = Program(self.directory, name, command, env)
        self._programs.append(program)
        self.addCleanup(program.stop)
        return program

    def publish(self, stream, media="demo", ffmpeg=paths.FFMPEG_CURRENT, loop=True, server=None):
        """Starts ffmpeg pushing a file; returns at once."""
        url = (server or self.server).rtmp(stream)
        return self.start("publisher", publishers.ffmpeg(ffmpeg, media, url, loop))

    def publish_live(self, stream, **how):
        """Publishes, and returns when the stream can be played."""
        program = self.publish(stream, **how)
        self.until_live(stream, server=how.get("server"))
        return program

    def publish_rtsp(
        self, stream, transport=None, media="demo", ffmpeg=paths.FFMPEG_CURRENT, loop=True
    ):
        """Starts ffmpeg pushing a file by RTSP; returns at once."""
        url = self.server.rtsp(stream)
        command = publishers.ffmpeg_rtsp(ffmpeg, media, url, loop, transport)
        return self.start("publisher", command)

    def publish_rtsp_live(self, stream, transport=None, **how):
        """Publishes by RTSP, and returns when the stream can be played."""
        program = self.publish_rtsp(stream, transport, **how)
        self.until_live(stream)
        return program

    def until_live(self, stream, milliseconds=0, server=None):
        """Waits until a player gets frames that span this time."""
        capture = self.capture((server or self.server).flv(stream))
        capture.until_span(milliseconds, LIVE_WITHIN + milliseconds / 1000)
        capture.stop()

    def until_hls(self, stream):
        """Waits until the playlist names a segment."""
        capture = self.capture_hls(self.server.hls(stream))
        capture.until(lambda one: one.segments, HLS_WITHIN, "the first segment")
        capture.stop()

    def until_log_counts(self, words, count, timeout=10, server=None):
        """Waits until the server's log has said this so many times."""
        server = server or self.server
        waiting.until(lambda: server.log.count(words) >= count, timeout, f"{count} times {words!r}")

    def until_log_says(self, pattern, timeout=10):
        """Waits until something in the server's log matches: a thread writes it."""
        waiting.until(lambda: re.search(pattern, self.server.log), timeout, f"{pattern} in the log")

    def capture(self, url):
        capture = Capture(url)
        self.addCleanup(capture.stop)
        return capture

    def capture_rtmp(self, url):
        return RtmpCapture(self, url)

    def capture_everything(self, stream):
        """Joins on each URL but those of HLS."""
        server = self.server
        urls = [getattr(server, way + form)(stream) for way in ("", "ws_") for form in self.forms]
        return [self.capture_rtmp(server.rtmp(stream)), *map(self.capture, urls)]

    def capture_hls(self, url):
        capture = HlsCapture(url)
        self.addCleanup(capture.stop)
        return capture

    def assert_decodes(self, recording, seconds, video=True):
        """A real decoder finds nothing wrong with the first seconds of these bytes.

        They should span more than that: the last frame of a capture is cut off.
        """
        path = self.directory / f"decode-{next(self._numbers)}"
        path.write_bytes(recording)
        program = self.start("decode", players.ffmpeg_decode(paths.FFMPEG_CURRENT, path, seconds))
        program.wait(DECODES_WITHIN)
        self.assert_none(players.ffmpeg_faults(program, seconds, video), "decoding")

    def assert_none(self, faults, what):
        faults = list(faults)
        if faults:
            shown = "\n".join(f"  {fault}" for fault in faults[:FAULTS_SHOWN])
            self.fail(f"{what}: {len(faults)} faults, the first are\n{shown}")

    def evidence(self):
        """The output of this test's programs, for a failure's report."""
        said = [program.describe() for program in self._programs]
        if KEEP:
            said.append(f"files are in {self.directory}")
        for server in self._servers:
            said.append(f"the log of {server.http} ends with\n{server.log[-LOG_TAIL:]}")
        return "\n".join(said)
