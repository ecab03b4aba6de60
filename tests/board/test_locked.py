"""A service that takes all its memory at the start, and then gives up its rights."""

from guestcase import STREAM, GuestCase

SECONDS = 3
# streams.memory of both streams and hls.memory: what the profile takes at once.
ACCOUNTS = (2 * 640 + 1024) << 10


class Locked(GuestCase):
    def test_it_serves_from_what_it_has(self):
        self.machine.use("locked")
        self.addCleanup(self.machine.use, "tiny")
        self.assertGreater(self.machine.memory("VmLck"), ACCOUNTS)
        self.assertGreater(self.machine.memory("Rss"), ACCOUNTS)
        self.publish_live(STREAM)
        self.check_decoding({"http-flv": self.server.flv(STREAM)}, SECONDS)
        self.assertLessEqual(self.machine.memory("VmHWM"), self.machine.planned())
