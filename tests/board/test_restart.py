"""A supervisor keeps the service running."""

from guestcase import STREAM, GuestCase

KILLED = 128 + 9


class Restart(GuestCase):
    def test_it_is_killed_and_comes_back(self):
        publisher = self.publish_live(STREAM)
        self.assertEqual(self.machine.end_service("KILL"), KILLED)
        publisher.wait(20)
        self.publish_live(STREAM)

    def test_it_ends_well_in_mid_stream(self):
        self.publish_live(STREAM)
        self.assertEqual(self.machine.end_service("TERM"), 0)
