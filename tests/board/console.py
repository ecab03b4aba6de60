"""The shell on a machine's serial console."""

import itertools
import re
import socket
import threading

import waiting

READY = b"the machine is ready"
ANSWERS_WITHIN = 20


class Console:
    """Connects to the socket at `path`: the machine starts no sooner than this."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._said = b""
        self._numbers = itertools.count(1)
        self._one_at_a_time = threading.Lock()
        threading.Thread(target=self._receive, daemon=True).start()

    @property
    def text(self):
        """All that it has said."""
        return self._said.decode(errors="replace").replace("\r", "")

    @property
    def is_ready(self):
        return READY in self._said

    def run(self, command, timeout=ANSWERS_WITHIN):
        """Runs a command of the shell, and returns what it printed; it must succeed."""
        with self._one_at_a_time:
            number = next(self._numbers)
            assert "\n" not in command, command
            self._socket.sendall(f"{number} {command}\n".encode())
            answer = re.compile(rf"begin {number}\n(.*?)^end {number} (\d+)$", re.S | re.M)
            found = waiting.until(
                lambda: answer.search(self.text), timeout, lambda: f"{command}\n{self.text[-2000:]}"
            )
        assert found[2] == "0", f"{command}: exit code {found[2]}\n{found[1]}"
        return found[1]

    def close(self):
        self._socket.close()

    def _receive(self):
        try:
            while received := self._socket.recv(4096):
                self._said += received
        except OSError:
            pass  # closed by us
