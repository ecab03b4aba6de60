"""The server on a kernel that knows nothing newer than Linux 3.10 (see floor.c)."""

import waiting
from guestcase import STREAM, GuestCase

SECONDS = 4
FILTERED = "Seccomp:\t2"


class Floor(GuestCase):
    def setUp(self):
        super().setUp()
        self.server = self.machine.on_the_floor
        start = "floor /bin/runnel -c /etc/runnel/floor.toml 2>/run/floor.log"
        self.machine.shell(f"{start} & echo $! >/run/floor.pid")
        waiting.until(self.server.healthy, 20, "the server on the floor")

    def test_it_plays(self):
        self.assertIn(FILTERED, self.machine.shell("cat /proc/$(cat /run/floor.pid)/status"))
        self.check_deadline()
        self.publish_live(STREAM)
        self.check_decoding(self.urls(), SECONDS)
        self.machine.shell("kill -TERM $(cat /run/floor.pid)")
        self.machine.shell("while [ -e /proc/$(cat /run/floor.pid) ]; do usleep 20000; done")
        self.assertNotIn("panicked", self.server.log)
