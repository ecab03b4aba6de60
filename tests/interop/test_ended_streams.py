"""Players of a stream that has ended give way to those who play what is published."""

import threading

import namespaces
import waiting
from rtsp_case import AUDIO, STREAM, VIDEO, RtspCase

LIVES = "lives"
GAVE_WAY = "nobody publishes it, and others need the place"
# Longer than what comes last may take, and than anybody here waits.
LET_IN_WITHIN = 30
GROUP = "239.255.42.42"


class Ended(RtspCase):
    def set_up_both(self, client, transport):
        for track in (VIDEO, AUDIO):
            first = 41000 + 2 * track
            self.ok(client, "SETUP", self.track(track), transport.format(first, first + 1))
        self.ok(client, "PLAY", self.url)

    def take_all(self, client):
        """Takes what comes, as players do, until the server closes."""
        client.socket.settimeout(2 * LET_IN_WITHIN)
        taking = threading.Thread(target=client.ends, daemon=True)
        taking.start()
        return taking

    def is_let_in(self):
        player = self.capture(self.server.flv(LIVES))
        try:
            player.until_frames()
        except AssertionError:
            # Its connection would be in the way of the next.
            player.stop()
            return False
        return True

    def until_all_give_way(self, count):
        for _ in range(count):
            waiting.until(self.is_let_in, LET_IN_WITHIN, "a place")
        self.until_log_counts(GAVE_WAY, count)

    def test_whatever_they_play_by(self):
        places = 2 * len(self.forms) + 3
        self.serve(viewers={"max": places}, hls={"enable": False}, log={"level": "debug"})
        publisher = self.publish_live(STREAM)
        captures = self.capture_everything(STREAM)
        for one in captures:
            one.until_frames()
        inside, _ = self.play()
        outside = self.connect()
        self.ok(outside, "DESCRIBE", self.url)
        self.set_up_both(outside, "Transport: RTP/AVP;unicast;client_port={}-{}")
        taking = [self.take_all(one) for one in (inside, outside)]
        self.publish(LIVES)
        self.until_log_counts(f"publishes {LIVES}", 1)
        self.assertFalse(self.is_let_in())
        publisher.stop()
        self.until_all_give_way(places)
        for one in taking:
            one.join(LET_IN_WITHIN)
            self.assertFalse(one.is_alive(), "it is still there")

    def test_those_of_a_group_leave(self):
        try:
            wire = namespaces.Wire()
        except namespaces.Unavailable as why:
            self.skipTest(f"no network namespaces: {why}")
        self.addCleanup(wire.close)
        # The group itself has no place.
        self.serve(
            viewers={"max": 2},
            rtsp={"multicast": GROUP},
            hls={"enable": False},
            log={"level": "debug"},
        )
        publisher = self.publish_live(STREAM)
        listening = [self.connect() for _ in range(2)]
        for one in listening:
            self.ok(one, "DESCRIBE", self.url)
            self.set_up_both(one, "Transport: RTP/AVP;multicast")
        taking = [self.take_all(one) for one in listening]
        self.publish(LIVES)
        self.until_log_counts(f"publishes {LIVES}", 1)
        self.assertFalse(self.is_let_in())
        publisher.stop()
        self.until_all_give_way(2)
        for one in taking:
            one.join(LET_IN_WITHIN)
            self.assertFalse(one.is_alive(), "it is still there")
        # Nobody listens any more, so nothing goes to the group.
        waiting.until(lambda: self.server.metric("runnel_udp_pairs") == 0, LET_IN_WITHIN, "no group")
