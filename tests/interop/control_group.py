"""A control group with a limit of memory, and what was taken in it."""

import collections
import os
import re
import subprocess
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")


class Unavailable(Exception):
    """There can be none here."""


def make(name, limit, sockets):
    """One of the version that this machine has, for a plan of so many bytes, of which so many
    are for sockets."""
    lines = Path("/proc/self/cgroup").read_text().splitlines()
    ours = {names: path for _, names, path in (line.split(":", 2) for line in lines)}
    try:
        if "memory" in ours:
            return _First(ROOT / "memory" / ours["memory"].lstrip("/") / name, limit, sockets)
        return _Second(_with_memory(ROOT / ours.get("", "/").lstrip("/")) / name, limit)
    except OSError as error:
        raise Unavailable(str(error)) from error


def _with_memory(own):
    """The nearest group whose children may have a limit: one with processes has no such children."""
    for group in (own, *own.parents):
        control = group / "cgroup.subtree_control"
        if control.exists() and "memory" in control.read_text().split():
            return group
    raise Unavailable("no group has a limit of memory")


class _Group:
    def __init__(self, path, *limits):
        path.mkdir()
        self.path = path
        try:
            for name, value in self.limits(*limits):
                (path / name).write_text(str(value))
        except OSError:
            path.rmdir()
            raise
        self.launcher = ["sh", "-c", f'echo $$ > {path}/cgroup.procs && exec "$@"', "sh"]

    def number(self, name, key=None):
        """The content of a file, or one of its lines."""
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
    """The memory of TCP is counted apart, and only while it has a limit."""

    def limits(self, limit, sockets):
        return [
            ("memory.limit_in_bytes", limit),
            ("memory.swappiness", 0),
            ("memory.kmem.tcp.limit_in_bytes", sockets),
        ]

    def share(self, limit, sockets):
        """From now on both together have one limit: before it starts, the program is to see
        that as one."""
        (self.path / "memory.limit_in_bytes").write_text(str(limit - sockets))

    def killed(self):
        return self.number("memory.oom_control", "oom_kill")

    def refused(self):
        """The number of times that TCP had no room to send or to receive."""
        return self.number("memory.kmem.tcp.failcnt")

    def peak(self):
        taken = self.number("memory.kmem.tcp.max_usage_in_bytes")
        return self.number("memory.max_usage_in_bytes") + taken


class _Second(_Group):
    def limits(self, limit):
        swap = "memory.swap.max"
        return [("memory.max", limit), *([(swap, 0)] if (self.path / swap).exists() else [])]

    def share(self, limit, sockets):
        """They do."""

    def killed(self):
        return self.number("memory.events", "oom_kill")

    def refused(self):
        return 0

    def peak(self):
        return self.number("memory.peak")


def of_connections(pid, ports):
    """The kernel's memory for each connection of a process, also for those that it has
    closed, which are known by these ports alone; and how many of each port are open."""
    taken, opened = [], collections.Counter()
    for line, memory in _sockets("-t", "-p", "state", "connected"):
        port = int(re.search(r":(\d+) ", line)[1])
        ours = f"pid={pid}," in line
        if ours or ("users:(" not in line and port in ports):
            taken.append(memory)
        if ours and line.startswith("ESTAB"):
            opened[port if port in ports else None] += 1
    return taken, opened


def of_datagrams(pid):
    """The kernel's memory for each UDP socket of a process, by port."""
    sockets = _sockets("-u", "-a", "-p")
    ports = ((re.search(r":(\d+) ", line), taken) for line, taken in sockets if f"pid={pid}," in line)
    return [(int(port[1]), taken) for port, taken in ports]


def _sockets(*which):
    """The line of each, and its memory: what it has received, what it is to send, and
    what is set aside for more."""
    command = ["ss", "-mnOH", *which]
    text = subprocess.check_output(command, text=True, env={**os.environ, "LC_ALL": "C"})
    for line in text.splitlines():
        memory = re.search(r"skmem:\((.*?)\)", line)
        if memory:
            fields = dict(_field(word) for word in memory[1].split(","))
            yield line, fields["r"] + fields["w"] + fields["f"]


def _field(word):
    name = word.rstrip("0123456789")
    number = int(word[len(name) :] or 0)
    return name, number - (1 << 32) if number >> 31 else number
