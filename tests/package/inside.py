"""A device: a root of its own with BusyBox and the program, which cannot be written to.

What runs in it has its own processes and its own network, so that services use
their real paths and ports. /dev, /var/run, /var/etc and /tmp are in memory; all else
is read-only, as on a board.
"""

import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import places

SECONDS = 60

# Runs outside the root; its shell is the first process there and takes care of orphans.
ENTER = """
set -e
root=$1
mount --bind "$root" "$root"
for folder in lib lib64 usr/lib; do
    [ ! -d "/$folder" ] || mount --bind "/$folder" "$root/$folder"
done
mount -t proc proc "$root/proc"
mount -o remount,bind,ro "$root"
for folder in dev tmp var/run var/etc; do
    mount -t tmpfs tmpfs "$root/$folder"
done
for device in null random urandom; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
ip link set lo up
chroot "$root" /bin/sh -c "$2" &
wait $!
"""

# Every script begins with these words.
WORDS = """
healthy() {
    tries=100
    until wget -q -O /dev/null "http://127.0.0.1:${1:-8080}/healthz" 2>/dev/null; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || { echo "not healthy"; return 1; }
        sleep 0.1
    done
    echo "healthy"
}
# A process that has ended and was not waited for has no command line.
alive() { # PID
    if [ -n "$(cat "/proc/${1:-none}/cmdline" 2>/dev/null)" ]; then echo "alive"; else echo "gone"; fi
}
await() { # COMMAND... : until it succeeds
    tries=100
    until "$@" 2>/dev/null; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || { echo "in vain: $*"; return 1; }
        sleep 0.1
    done
}
"""

FOLDERS = (
    "bin sbin dev proc tmp lib lib64 usr/bin usr/lib var/run var/etc"
    " etc/init.d etc/default etc/config"
)


class Device(unittest.TestCase):
    # what it ships with
    program = places.RUNNEL

    def setUp(self):
        self.root = Path(tempfile.mkdtemp(prefix="runnel-device-"))
        self.addCleanup(shutil.rmtree, self.root)
        self.root.chmod(0o755)
        for folder in FOLDERS.split():
            (self.root / folder).mkdir(parents=True)
        shutil.copy("/bin/busybox", self.root / "bin/busybox")
        for applet in places.output("/bin/busybox", "--list").split():
            if applet != "busybox":
                (self.root / "bin" / applet).symlink_to("busybox")
        shutil.copy(self.program, self.root / "usr/bin/runnel")
        self.put("etc/passwd", "root:x:0:0::/:/bin/sh\nrunnel:x:800:800::/:/bin/false\n")
        self.put("etc/group", "root:x:0:\nrunnel:x:800:\n")

    def put(self, path, text):
        (self.root / path).write_text(text)

    def service(self, source):
        shutil.copy(source, self.root / "etc/init.d/runnel")
        (self.root / "etc/init.d/runnel").chmod(0o755)

    def run_inside(self, script):
        """The script's output, line by line; `alive PID` and the like are in WORDS."""
        enter = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"]
        done = subprocess.run(
            [*enter, "/bin/sh", "-c", ENTER, "enter", self.root, WORDS + script],
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
        )
        self.said = done.stdout
        return done.stdout.splitlines()

    def assert_says(self, *patterns):
        """The script has said lines that match these patterns, in this order and no others."""
        lines = self.said.splitlines()
        matches = len(lines) == len(patterns) and all(
            re.fullmatch(pattern, line) for pattern, line in zip(patterns, lines)
        )
        if not matches:
            wanted = "\n".join(patterns)
            self.fail(f"it said\n{self.said}\nwhere this was wanted:\n{wanted}")
