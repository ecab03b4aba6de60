"""A machine under systemd: Debian's own, as the first process of its own namespaces.

Its root is this machine's with a layer in memory over it, so that it may write
where it likes and nothing of it stays. Only runnel.service and a script of the
test's are started in it.
"""

import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import places

SECONDS = 120

BOOT = """
set -e
folder=$1
mount --make-rprivate /
mount -t tmpfs tmpfs "$folder/memory"
mkdir "$folder/memory/over" "$folder/memory/work"
root=$folder/root
mount -t overlay overlay "$root" \
    -o "lowerdir=/,upperdir=$folder/memory/over,workdir=$folder/memory/work"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mount -t tmpfs tmpfs "$root/sys/fs/cgroup"
if [ -d /sys/fs/cgroup/systemd ]; then
    mkdir "$root/sys/fs/cgroup/systemd"
    mount -t cgroup -o none,name=systemd cgroup "$root/sys/fs/cgroup/systemd"
else
    mount -t cgroup2 cgroup "$root/sys/fs/cgroup"
fi
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null zero full random urandom tty; do
    touch "$root/dev/$device"
    mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/pts" "$root/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
for memory in run tmp; do mount -t tmpfs tmpfs "$root/$memory"; done
mkdir "$root/old" "$root/share"
mount --bind "$folder/share" "$root/share"
cp -r "$folder/share/files/." "$root"
ip link set lo up
cd "$root"
# not chroot: in there a service could have no user namespace
pivot_root . old
umount --lazy /old
# as on a machine: what systemd mounts for a service reaches its namespace
mount --make-rshared /
export container=tests
exec /lib/systemd/systemd --system --unit=tests.target
"""

UNITS = {
    "tests.target": "[Unit]\nWants=runnel.service tests.service\n",
    "tests.service": """
[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
ExecStart=/bin/bash /share/script
ExecStopPost=/bin/sh -c 'journalctl --no-pager --output=cat --unit=runnel >/share/journal'
ExecStopPost=/bin/systemctl --force --force --quiet poweroff
StandardOutput=append:/share/said
StandardError=append:/share/said
""",
}

# Every script begins with these words.
WORDS = """
await() { # COMMAND... : until it succeeds
    local tries
    for tries in {1..200}; do
        "$@" >/dev/null 2>&1 && return
        sleep 0.1
    done
    echo "in vain: $*"
}
active() { [[ $(systemctl is-active runnel) = active ]]; }
show() { systemctl show -P "$1" runnel; }
healthy() {
    exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET /healthz HTTP/1.0\\r\\n\\r\\n' >&3 || return
    grep -o '^HTTP/1.* 200 OK' <&3
}
"""


class Machine(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="runnel-booted-"))
        self.addCleanup(shutil.rmtree, self.folder)
        for name in ("memory", "root", "share/files"):
            (self.folder / name).mkdir(parents=True)
        self.put("usr/bin/runnel", places.RUNNEL.read_bytes(), 0o755)
        unit = places.BOARD / "systemd" / "runnel.service"
        self.put("etc/systemd/system/runnel.service", unit.read_bytes())
        for name, text in UNITS.items():
            self.put(f"etc/systemd/system/{name}", text.encode())

    def put(self, name, content, mode=0o644):
        path = self.folder / "share/files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(mode)

    def conf(self, text):
        self.put("etc/runnel.toml", text.encode())

    def adapt(self, text):
        """The content that `systemctl edit` would write, for settings that would take too long otherwise."""
        self.put("etc/systemd/system/runnel.service.d/tests.conf", text.encode())

    def boot(self, script):
        """Runs the script in a machine of its own; `assert_says` is about its lines."""
        (self.folder / "share/script").write_text(WORDS + script)
        spaces = ["--mount", "--net", "--pid", "--ipc", "--uts", "--fork", "--kill-child"]
        log = subprocess.run(
            ["unshare", *spaces, "/bin/sh", "-c", BOOT, "boot", self.folder],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
        ).stdout
        said, journal = (self.folder / "share" / name for name in ("said", "journal"))
        self.assertTrue(said.exists(), f"it did not boot:\n{log}")
        self.said = said.read_text()
        self.journal = journal.read_text() if journal.exists() else log

    def assert_says(self, *patterns):
        """The script has said lines that match these patterns, in this order and no others."""
        lines = self.said.splitlines()
        if len(lines) != len(patterns) or not all(map(re.fullmatch, patterns, lines)):
            wanted = "\n".join(patterns)
            self.fail(
                f"it said\n{self.said}\nwhere this was wanted:\n{wanted}\njournal:\n{self.journal}"
            )
