"""A machine of a target, with the server in it."""

import http.client
import re
import shutil
import tempfile
import time
from pathlib import Path

import program
import qemu
import waiting
from console import Console
from server import Server, free_port

BOOTS_WITHIN = 90
TAIL = 3000
# Ports inside: those of the service, and those of the server on the kernel floor.
RTMP, HTTP, FLOOR_RTMP, FLOOR_HTTP = 1935, 8080, 1936, 8081


class Remote(Server):
    """The server behind two forwarded ports; its log and its end are the machine's affair."""

    def __init__(self, machine, rtmp_port, http_port, log_path):
        self.rtmp_port, self.http_port = rtmp_port, http_port
        self._machine, self._log_path = machine, log_path

    @property
    def log(self):
        return self._machine.shell(f"cat {self._log_path}")

    def healthy(self):
        """The forwarder lets us in before anybody listens: only an answer counts."""
        connection = http.client.HTTPConnection("127.0.0.1", self.http_port, timeout=1)
        try:
            connection.request("GET", "/healthz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()


class Machine:
    def __init__(self, target, kernel, image):
        self.target = target
        self.directory = Path(tempfile.mkdtemp(prefix=f"runnel-board-{target.name}-"))
        (self.directory / "image").write_bytes(image)
        ports = {inside: free_port() for inside in (RTMP, HTTP, FLOOR_RTMP, FLOOR_HTTP)}
        self.server = Remote(self, ports[RTMP], ports[HTTP], "/run/runnel.log")
        self.on_the_floor = Remote(self, ports[FLOOR_RTMP], ports[FLOOR_HTTP], "/run/floor.log")
        self.figures = {"memory": target.memory << 20}
        self._console = None
        command = qemu.command(target, kernel, self.directory, ports)
        self._program = program.Program(self.directory, "qemu", command, qemu.environment())

    def boot(self):
        """Notes the seconds from power-on to the first answer by HTTP."""
        self._console = self._until(self._connect, "qemu")
        begun = time.monotonic()  # qemu waits for this connection
        self._until(self.server.healthy, "an answer by HTTP")
        self.figures["boot"] = time.monotonic() - begun
        self._until(lambda: self._console.is_ready, "the shell")

    def shell(self, command, **how):
        return self._console.run(command, **how)

    def memory(self, name):
        """A figure of the service's memory, in bytes: Rss, or one of /proc/PID/status.

        VmRSS and VmHWM lag behind by up to 64 pages a thread, which is 4 MiB where a
        page has 64 KiB.
        """
        file = "smaps_rollup" if name == "Rss" else "status"
        line = self.shell(f"grep ^{name}: /proc/$(cat /run/runnel.pid)/{file}")
        return int(line.split()[1]) * 1024

    def planned(self):
        """The bytes that its plan allows the service itself at worst."""
        plan = self.shell("runnel --plan -c /run/runnel.toml")
        return int(re.search(r"^sum +(\d+)", plan, re.M)[1]) * 1024

    def end_service(self, signal):
        """Sends a signal; returns the exit code once the service is there again."""
        ends = len(self._exit_codes())
        self.shell(f"kill -{signal} $(cat /run/runnel.pid)")
        waiting.until(lambda: len(self._exit_codes()) > ends, 10, "the end of the service")
        waiting.until(self.server.healthy, 20, "the service that comes back")
        return self._exit_codes()[ends]

    def use(self, config):
        """Starts the service anew with another configuration of guest/."""
        self.shell(f"ln -sf /etc/runnel/{config}.toml /run/runnel.toml")
        code = self.end_service("TERM")
        assert code == 0, f"it ends with {code}"

    def _exit_codes(self):
        return [int(code) for code in self.shell("cat /run/runnel.exits").split()]

    def stop(self):
        self._program.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def evidence(self):
        """The last output of qemu, the kernel and the server."""
        said = [self._program.describe()]
        if self._console:
            said.append(self._console.text[-TAIL:])
            try:
                said.append(self.shell("tail -n 20 /run/runnel.log; dmesg | tail -n 5"))
            except AssertionError:
                said.append("the shell does not answer")
        return "\n".join(said)

    def _connect(self):
        try:
            return Console(self.directory / "console")
        except (FileNotFoundError, ConnectionRefusedError):
            return None  # not yet

    def _until(self, condition, what):
        def met():
            # A panic ends it too, and with 0.
            assert self._program.exit_code is None, self.evidence()
            return condition()

        return waiting.until(met, BOOTS_WITHIN, lambda: f"{what} of {self.evidence()}")
