"""A client that sets tracks up again and again leaves nothing behind."""

import os

import waiting
from rtsp_case import AUDIO, STREAM, VIDEO, RtspCase

ROUNDS = 10_000
SESSIONS = 1000
WITHIN = 10
GROUP = "239.255.42.42"
MULTICAST = "Transport: RTP/AVP;multicast"
OVER_UDP = "Transport: RTP/AVP;unicast;client_port=40000-40001"
# The KiB that the allocator keeps, and no more.
GROWTH = 4 << 10


class Rounds(RtspCase):
    def setUp(self):
        super().setUp()
        self.serve(rtsp={"multicast": GROUP})
        self.publish_live(STREAM)
        waiting.until(lambda: self.viewers() == 0, WITHIN, "an end of those who looked")
        self.before = self.open()

    def viewers(self):
        lines = self.server.metrics().splitlines()
        return sum(int(line.split()[-1]) for line in lines if line.startswith("runnel_viewers{"))

    def open(self):
        """Descriptors, but those of connections that ask."""
        directory = f"/proc/{self.server.pid}/fd"
        return len(os.listdir(directory))

    def resident(self):
        """In KiB."""
        return int(self.server.status("VmRSS")[0])

    def assert_nothing_is_left(self):
        def is_as_before():
            pairs = self.server.metric("runnel_udp_pairs")
            return (pairs, self.viewers(), self.open()) == (0, 0, self.before)

        def found():
            pairs = self.server.metric("runnel_udp_pairs")
            return f"{pairs} pairs, {self.viewers()} viewers, {self.open()} of {self.before} open"

        waiting.until(is_as_before, WITHIN, found)
        client, _ = self.play()
        self.assert_plays(client)

    def alternate(self, other):
        client = self.connect()
        self.ok(client, "DESCRIBE", self.url)

        def rounds(count):
            for _ in range(count):
                self.ok(client, "SETUP", self.track(VIDEO), other)
                self.set_up(client)

        rounds(ROUNDS // 10)
        resident = self.resident()
        rounds(ROUNDS)
        self.assertLess(self.resident() - resident, GROWTH)
        self.assertEqual(self.server.metric("runnel_udp_pairs"), 0, "both are given back")
        client.close()
        self.assert_nothing_is_left()

    def test_one_who_changes_between_a_group_and_the_connection(self):
        self.alternate(MULTICAST)

    def test_one_who_changes_between_udp_and_the_connection(self):
        self.alternate(OVER_UDP)

    def check_sessions(self, wanted):
        def sessions(count):
            for _ in range(count):
                client = self.connect()
                self.ok(client, "DESCRIBE", self.url)
                for track in (VIDEO, AUDIO):
                    self.ok(client, "SETUP", self.track(track), wanted)
                self.ok(client, "TEARDOWN", self.url)
                client.close()

        sessions(SESSIONS // 10)
        resident = self.resident()
        sessions(SESSIONS)
        self.assertLess(self.resident() - resident, GROWTH)
        self.assert_nothing_is_left()

    def test_sessions_of_a_group(self):
        self.check_sessions(MULTICAST)

    def test_sessions_over_udp(self):
        self.check_sessions(OVER_UDP)
