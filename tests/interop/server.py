"""The server under test, on free ports, with a configuration of its own."""

import http.client
import random
import signal
import socket
import threading
from pathlib import Path

import config
import paths
import waiting
from program import Program

READY_WITHIN = 5
STOPS_WITHIN = 3

_ports_lock = threading.Lock()
_ports_taken = set()


class Server:
    """`launcher` is the beginning of a command that starts what follows it; `address` is
    where it listens."""

    def __init__(self, directory, sections, launcher=(), env=None, address="127.0.0.1"):
        self.rtmp_port = free_port()
        self.rtsp_port = free_port()
        self.rtsp_websocket_port = free_port()
        self.http_port = free_port()
        self.api_port = free_port()
        self.https_port = free_port()
        self.rtmps_port = free_port()
        self.rtsps_port = free_port()
        self._address = address
        self._directory = directory
        self._config = directory / "runnel.toml"
        self.configure(sections)
        self._command = [*launcher, paths.SERVER, "-c", self._config]
        self._env = env
        self._ended = []
        self._start()

    def _start(self):
        self._killed = False
        name = f"runnel-{len(self._ended) + 1}" if self._ended else "runnel"
        self.program = Program(self._directory, name, self._command, self._env)
        waiting.until(self._healthy, READY_WITHIN, lambda: f"/healthz of {self.program.describe()}")

    def configure(self, sections):
        """Writes the file anew."""

        def at(port):
            return f"{self._address}:{port}"

        listen = {
            "rtmp": {"listen": at(self.rtmp_port)},
            "rtsp": {
                "listen": at(self.rtsp_port),
                "websocket_listen": at(self.rtsp_websocket_port),
            },
            "http": {"listen": at(self.http_port)},
            "api": {"listen": at(self.api_port)},
            "tls": {
                "http_listen": at(self.https_port),
                "rtmp_listen": at(self.rtmps_port),
                "rtsp_listen": at(self.rtsps_port),
            },
        }
        config.write(self._config, listen, sections)

    @property
    def pid(self):
        return self.program.pid

    def status(self, name):
        """The words behind `name` in /proc/PID/status."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(line.split()[1:] for line in lines if line.startswith(f"{name}:"))

    @property
    def log(self):
        """Its output, also from before it was killed."""
        programs = [*self._ended, self.program]
        return "".join(one.stdout.decode(errors="replace") + one.stderr for one in programs)

    def rtmp(self, name):
        return f"rtmp://127.0.0.1:{self.rtmp_port}/live/{name}"

    def rtsp(self, name):
        return f"rtsp://127.0.0.1:{self.rtsp_port}/live/{name}"

    def rtmps(self, name):
        return f"rtmps://127.0.0.1:{self.rtmps_port}/live/{name}"

    def rtsps(self, name):
        return f"rtsps://127.0.0.1:{self.rtsps_port}/live/{name}"

    def flv(self, name):
        return f"{self.http}/live/{name}.flv"

    def ts(self, name):
        return f"{self.http}/live/{name}.ts"

    def mp4(self, name):
        return f"{self.http}/live/{name}.mp4"

    def ws_mp4(self, name):
        return f"ws://127.0.0.1:{self.http_port}/live/{name}.mp4"

    def ws_flv(self, name):
        return f"ws://127.0.0.1:{self.http_port}/live/{name}.flv"

    def ws_ts(self, name):
        return f"ws://127.0.0.1:{self.http_port}/live/{name}.ts"

    def hls(self, name):
        return f"{self.http}/hls/{name}.m3u8"

    def hls_in_folder(self, name):
        return f"{self.http}/hls/{name}/playlist.m3u8"

    def sealed(self, url):
        """The URL of the same under TLS: HTTP or WebSocket."""
        scheme, rest = url.split("://", 1)
        return f"{scheme}s://{rest}".replace(f":{self.http_port}/", f":{self.https_port}/")

    @property
    def http(self):
        return f"http://127.0.0.1:{self.http_port}"

    def kill(self):
        """Ends it as a crash would."""
        self.program.kill()
        self._killed = True

    def start_again(self):
        """After it was killed: on the same ports, with the same configuration."""
        self._ended.append(self.program)
        self._start()

    def metrics(self):
        """The page of /metrics."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=15)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def metric(self, name):
        """The number of one that has no labels, or those given with it."""
        lines = self.metrics().splitlines()
        return next((float(line.split()[-1]) for line in lines if line.startswith(f"{name} ")), 0)

    def stop(self, signal_number=signal.SIGTERM):
        """Ends it as an init system would, and fails unless it ends well and soon."""
        if self._killed:
            return
        self.program.signal(signal_number)
        try:
            code = self.program.wait(STOPS_WITHIN)
        finally:
            self.program.stop()
        assert code == 0, f"exit code of {self.program.describe()}"
        assert "panicked" not in self.log, self.program.describe()

    def _healthy(self):
        if self.program.exit_code is not None:
            raise AssertionError(f"it ended at once: {self.program.describe()}")
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=3)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


def free_port():
    """A port that nobody has, nor gets by chance: outgoing connections are given
    ports above all of these."""
    with _ports_lock:
        while True:
            port = random.randrange(20_000, 32_000)
            if port not in _ports_taken and _is_free(port):
                _ports_taken.add(port)
                return port


def _is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
