"""The service after a start, before anybody has asked it for anything."""

import re
import tomllib
from datetime import datetime, timezone

import places
from guestcase import MIB, GuestCase

# What it may take at rest where a word has 32 bits: 3 MiB are a figure of the project, which mipsel misses. Its
# instructions are the longest, and the kernel maps nearly all of its file.
IDLE = 3 * MIB
IDLE_OF = {"mipsel": 3.5 * MIB}
NOBODY = ["65534"] * 4
# The words of the profiles; that of the box applies where a file names none.
PROFILES = [places.REPO / "conf" / f"{name}.toml" for name in ("tiny", "router", "reference")]
# guest/init sets the clock to this.
BOOT = datetime(1970, 1, 2, tzinfo=timezone.utc)


class Alive(GuestCase):
    streams = False

    def test_it_takes_little_at_rest(self):
        resident = self.machine.memory("Rss")
        self.machine.figures["idle"] = resident
        if self.machine.target.bits == 32:
            self.assertLessEqual(resident, IDLE_OF.get(self.machine.target.name, IDLE))

    def test_it_has_given_up_what_it_does_not_need(self):
        status = self.machine.shell("cat /proc/$(cat /run/runnel.pid)/status")
        users = re.search(r"^Uid:(.*)$", status, re.M)[1].split()
        self.assertEqual(users, NOBODY)

    def test_without_a_configuration_it_fits_the_machine(self):
        memory = int(self.machine.shell("grep MemTotal /proc/meminfo").split()[1])
        plan = self.machine.shell("runnel --plan")
        total = int(re.search(r"memory\.total = (\d+) KiB", plan)[1])
        # The largest that takes no more than a quarter of the machine's.
        self.assertEqual(total, max(size for size in map(size_of, PROFILES) if 4 * size <= memory))

    def test_a_timer_fires(self):
        self.check_deadline()

    def test_the_wall_clock_is_read(self):
        first = re.match(r"\S+", self.server.log)[0]
        said = datetime.fromisoformat(first.replace("Z", "+00:00"))
        self.assertLess(abs((said - BOOT).total_seconds()), 600, first)


def size_of(profile):
    """Its memory.total, in KiB."""
    total = tomllib.loads(profile.read_text())["memory"]["total"]
    number, unit = re.fullmatch(r"(\d+)(KiB|MiB)", total).groups()
    return int(number) << (10 if unit == "MiB" else 0)
