"""A real program that a test started, with what it printed."""

import atexit
import os
import signal
import subprocess

import waiting

TAIL = 3000

_running = set()


class Program:
    """Runs `command`; its output goes to two files in `directory`."""

    def __init__(self, directory, name, command, env=None):
        self.name = name
        self.command = [str(word) for word in command]
        self._stdout = directory / f"{name}.stdout"
        self._stderr = directory / f"{name}.stderr"
        with open(self._stdout, "wb") as out, open(self._stderr, "wb") as err:
            # A group of its own, so that stop() reaches what the program starts.
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )
        _running.add(self)

    @property
    def pid(self):
        return self._process.pid

    @property
    def stdout(self):
        return self._stdout.read_bytes()

    @property
    def stderr(self):
        return self._stderr.read_text(errors="replace")

    @property
    def exit_code(self):
        """None while it runs."""
        return self._process.poll()

    def wait(self, timeout):
        """Waits for the end and returns the exit code."""
        waiting.until(
            lambda: self.exit_code is not None, timeout, lambda: f"the end of {self.describe()}"
        )
        return self.exit_code

    def signal(self, number):
        if self.exit_code is None:
            os.killpg(self._process.pid, number)

    def stop(self, timeout=15):
        """Ends it politely, then not."""
        self.signal(signal.SIGTERM)
        self.signal(signal.SIGCONT)
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
        _running.discard(self)

    def kill(self):
        self.signal(signal.SIGKILL)
        self._process.wait()
        _running.discard(self)

    def describe(self):
        """The command and the end of what it printed, for a failure."""
        state = "running" if self.exit_code is None else f"exit code {self.exit_code}"
        printed = self._stdout.read_bytes()[-TAIL:].decode(errors="replace") + self.stderr[-TAIL:]
        return f"{self.name} ({state}): {' '.join(self.command)}\n{_indent(printed)}"


def _indent(text):
    return "\n".join("    " + line for line in text.splitlines())


@atexit.register
def kill_all():
    for program in list(_running):
        program.kill()
