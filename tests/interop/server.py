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
    """`launcher` is the beginning of a command that starts what follows it."""

    def __init__(self, directory, sections, launcher=(), env=None):
        self.rtmp_port = _free_port()
        self.rtsp_port = _free_port()
        self.rtsp_websocket_port = _free_port()
        self.http_port = _free_port()
        self._config = directory / "runnel.toml"
        self.configure(sections)
        command = [*launcher, paths.SERVER, "-c", self._config]
        self._killed = False
        self.program = Program(directory, "runnel", command, env)
        waiting.until(self._healthy, READY_WITHIN, lambda: f"/healthz of {self.program.describe()}")

    def configure(self, sections):
        """Writes the file anew."""
        ports = {
            "rtmp": self.rtmp_port,
            "rtsp": self.rtsp_port,
            "http": self.http_port,
        }
        websocket = {"websocket_listen": f"127.0.0.1:{self.rtsp_websocket_port}"}
        rtsp = {"rtsp": websocket | sections.get("rtsp", {})}
        config.write(self._config, ports, sections | rtsp)

    @property
    def pid(self):
        return self.program.pid

    def status(self, name):
        """The words behind `name` in /proc/PID/status."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(line.split()[1:] for line in lines if line.startswith(f"{name}:"))

    @property
    def log(self):
        return self.program.stdout.decode(errors="replace") + self.program.stderr

    def rtmp(self, name):
        return f"rtmp://127.0.0.1:{self.rtmp_port}/live/{name}"

    def rtsp(self, name):
        return f"rtsp://127.0.0.1:{self.rtsp_port}/live/{name}"

    def flv(self, name):
        return f"{self.http}/live/{name}.flv"

    def ts(self, name):
        return f"{self.http}/live/{name}.ts"

    def ws_flv(self, name):
        return f"ws://127.0.0.1:{self.http_port}/live/{name}.flv"

    def ws_ts(self, name):
        return f"ws://127.0.0.1:{self.http_port}/live/{name}.ts"

    def hls(self, name):
        return f"{self.http}/hls/{name}.m3u8"

    def hls_in_folder(self, name):
        return f"{self.http}/hls/{name}/playlist.m3u8"

    @property
    def http(self):
        return f"http://127.0.0.1:{self.http_port}"

    def kill(self):
        """Ends it as a crash would."""
        self.program.kill()
        self._killed = True

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
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=1)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


def _free_port():
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
