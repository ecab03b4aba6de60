"""A publisher that sends nothing is dropped in time, and no sooner."""

import signal
import time

import hoarder
import rtmp_server
import test_rtsp_by_hand as by_hand
import waiting
from case import Case
from recording import until_all_more
from rtsp_case import RtspCase

STREAM = "cam"
SILENCE = 2
# The sweep that notices runs once a second.
NOTICED_WITHIN = SILENCE + 1.5
HANDSHAKE = 2
# Between two requests.
PAUSE = 0.2
# A client that has answered for so long afterwards does not heed it.
MUCH = 6


class SilentPublisher(Case):
    # Time is measured here.
    alone = True

    def test_is_dropped_and_another_may_take_its_place(self):
        self.serve(publish={"silence": f"{SILENCE}s"})
        publisher = self.publish_live(STREAM)
        capture = self.capture(self.server.flv(STREAM))
        capture.until_frames()
        publisher.signal(signal.SIGSTOP)
        silent_since, clock = time.monotonic(), waiting.Clock()

        early = self.publish(STREAM, media="bframes")
        self.assertNotEqual(early.wait(SILENCE), 0, early.describe())
        self.assertLess(time.monotonic() - silent_since, SILENCE, "the test itself was too slow")

        ended = f"stops publishing {STREAM}"
        clock.until(lambda: ended in self.server.log, NOTICED_WITHIN, ended)
        self.assertGreaterEqual(time.monotonic() - silent_since, SILENCE - 0.1)

        self.publish(STREAM)
        until_all_more([capture], 2000)
        self.assertIsNone(capture.ended)

        publisher.signal(signal.SIGCONT)
        self.assertNotEqual(publisher.wait(10), 0, publisher.describe())


class Unbegun(RtspCase):
    """A publisher that sends nothing does not keep a name by other requests."""

    def check(self, *rounds):
        """Asks for each of `rounds` in turn; gives up the name when the handshake must be over."""
        self.serve(connections={"handshake": f"{HANDSHAKE}s"}, publish={"silence": "5s"})
        client = self.connect(timeout=10)
        self.ok(client, "ANNOUNCE", self.url, by_hand.SDP, body=by_hand.DESCRIPTION)
        begun = time.monotonic()
        # Answers stop when it is closed, and the deadline of each request is far behind that.
        with self.assertRaises((AssertionError, OSError)):
            while time.monotonic() - begun < HANDSHAKE + MUCH:
                for ask in rounds:
                    ask(client)
                    time.sleep(PAUSE)
        self.assertGreaterEqual(time.monotonic() - begun, HANDSHAKE - 0.1)
        self.until_log_counts(f"stops publishing {STREAM}: idle", 1)
        again = self.connect()
        self.ok(again, "ANNOUNCE", self.url, by_hand.SDP, body=by_hand.DESCRIPTION)

    def set_up(self, client):
        client.request("SETUP", self.track(0), "Transport: RTP/AVP/TCP;interleaved=0-1")

    def ask(self, method):
        return lambda client: client.request(method, self.url)

    def test_by_requests_that_change_nothing(self):
        self.check(self.ask("OPTIONS"), self.set_up, self.ask("GET_PARAMETER"))

    def test_by_beginning_and_pausing_over_and_over(self):
        self.check(self.set_up, self.ask("RECORD"), self.ask("PAUSE"))

    def test_by_letting_go_of_it_and_taking_it_again(self):
        self.serve(publish={"silence": "60s"})
        one = hoarder.connect(self.server.rtmp_port)
        self.addCleanup(one.close)
        hoarder.greet(one)

        def send(stream, *values):
            rtmp_server.send(one, rtmp_server.COMMAND, stream, rtmp_server.encode(*values), size=128)

        send(0, "connect", 1, {"app": "live"})
        send(0, "createStream", 2, None)
        send(1, "publish", 0, None, STREAM)
        hoarder.read_until(one, b"NetStream.Publish.Start")
        send(0, "deleteStream", 0, None, 1)
        send(1, "publish", 0, None, STREAM)
        while one.recv(65536):
            pass
        self.publish_live(STREAM)
