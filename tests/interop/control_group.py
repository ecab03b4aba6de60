"""A control group with a limit of memory, and what was taken in it."""

import os
import subprocess
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


class Unavailable(Exception):
    """There can be none here."""


def make(name, limit):
    """One of the version that this machine has; both count the memory of sockets."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    ours = {names: path for _, names, path in (line.split(":", 2) for line in lines)}
    try:
        if "memory" in ours:
            return _First(ROOT / "memory" / ours["memory"].lstrip("/") / name, limit)
        return _Second(ROOT / ours.get("", "/").lstrip("/") / name, limit)
    except OSError as error:
        raise Unavailable(str(error)) from error


class _Group:
    def __init__(self, path, limit):
        path.mkdir()
        self.path = path
        try:
            for name, value in self.limits(limit):
                (path / name).write_text(str(value))
        except OSError:
            path.rmdir()
            raise
        self.launcher = ["sh", "-c", f'echo $$ > {path}/cgroup.procs && exec "$@"', "sh"]

    def number(self, name, key=None):
        """What a file has, or one of its lines."""
        words = (self.path / name).read_text().split()
        if key is None:
            return int(words[0])
        return next(int(value) for word, value in zip(words, words[1:]) if word == key)

    def remove(self):
        # The last process may not be gone for good yet.
        for _ in range(50):
            try:
                self.path.rmdir()
                return
            except OSError:
                time.sleep(0.1)


class _First(_Group):
    # Memory of TCP is counted apart, and only while it has a limit.
    def limits(self, limit):
        return [
            ("memory.limit_in_bytes", limit),
            ("memory.swappiness", 0),
            ("memory.kmem.tcp.limit_in_bytes", limit),
        ]

    def killed(self):
        return self.number("memory.oom_control", "oom_kill")

    def peak(self):
        taken = self.number("memory.kmem.tcp.max_usage_in_bytes")
        return self.number("memory.max_usage_in_bytes") + taken


class _Second(_Group):
    def limits(self, limit):
        swap = "memory.swap.max"
        return [("memory.max", limit), *([(swap, 0)] if (self.path / swap).exists() else [])]

    def killed(self):
        return self.number("memory.events", "oom_kill")

    def peak(self):
        return self.number("memory.peak")


def of_sockets(ports):
    """What the kernel holds for the connections of these ports of ours: of each what it
    has received, what it is to send, and what it has set aside for more."""
    sources = " or ".join(f"sport = :{port}" for port in ports)
    command = ["ss", "-tmnH", "state", "established", f"( {sources} )"]
    text = subprocess.check_output(command, text=True, env={**os.environ, "LC_ALL": "C"})
    sockets = []
    for words in text.split("skmem:(")[1:]:
        fields = dict(_field(word) for word in words.split(")")[0].split(","))
        sockets.append(fields["r"] + fields["w"] + fields["f"])
    return sockets


def _field(word):
    name = word.rstrip("0123456789")
    return name, int(word[len(name) :] or 0)
