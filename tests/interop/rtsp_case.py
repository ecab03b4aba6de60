"""The base of the tests that speak RTSP by hand."""

import time

import rtp
import rtsp_client
from case import Case

STREAM = "cam"
VIDEO, AUDIO = 0, 1


class RtspCase(Case):
    def connect(self, timeout=rtsp_client.ANSWERS_WITHIN):
        client = rtsp_client.RtspClient(self.server.rtsp_port, timeout)
        self.addCleanup(client.close)
        return client

    @property
    def url(self):
        return self.server.rtsp(STREAM)

    def track(self, number):
        return f"{self.url}/streamid={number}"

    def ok(self, client, method, url, *fields, body=""):
        """An answer that is 200, as it should be."""
        answer = client.request(method, url, *fields, body=body)
        self.assertEqual(answer.status, 200, f"{method}: {answer}")
        return answer

    def set_up(self, client, track=VIDEO, channels=None):
        """Has a track carried inside the connection."""
        first, second = channels or (2 * track, 2 * track + 1)
        wanted = f"RTP/AVP/TCP;unicast;interleaved={first}-{second}"
        answer = self.ok(client, "SETUP", self.track(track), f"Transport: {wanted}")
        return rtsp_client.parameters(answer.fields["transport"])

    def play(self, client=None, tracks=(VIDEO, AUDIO)):
        """A client that plays inside its connection, and the answer to its PLAY."""
        client = client or self.connect()
        self.ok(client, "DESCRIBE", self.url)
        for track in tracks:
            self.set_up(client, track)
        return client, self.ok(client, "PLAY", self.url)

    def next_rtp(self, client, channel=0):
        """The next packet on this channel."""
        while True:
            seen, data = client.packet()
            if seen == channel:
                return rtp.packet(data)

    def take_until(self, client, condition, timeout, what):
        """Hands each packet to the condition, without a pause, until that is true."""
        deadline = time.monotonic() + timeout
        while not condition(*client.packet()):
            self.assertLess(time.monotonic(), deadline, f"not within {timeout} s: {what}")

    def assert_plays(self, client):
        """Packets of the picture come, without one missing."""
        first = self.next_rtp(client)
        for number in range(1, 20):
            wanted = (first.sequence + number) & 0xFFFF
            self.assertEqual(self.next_rtp(client).sequence, wanted)
