"""RTP keeps the times of the published file, to the tick."""

from itertools import pairwise

import flv
import paths
import rtp
import sample
from rtsp_case import STREAM, RtspCase
from sample import VIDEO

PICTURES = 60
TICKS_OF_MILLISECOND = 90


class Times(RtspCase):
    def check(self):
        client, _ = self.play(tracks=[0])
        times = []
        while len(times) < PICTURES:
            one = rtp.packet(self.next_data(client))
            if not times or times[-1] != one.time:
                times.append(one.time)
        source = sample.of(flv.samples(paths.media("bframes").read_bytes()), VIDEO)
        published = steps([int(one.pts) * TICKS_OF_MILLISECOND for one in source])
        played = steps(times)
        places = [published[at : at + len(played)] for at in range(len(published))]
        self.assertIn(played, places)

    def next_data(self, client):
        while True:
            channel, data = client.packet()
            if channel == 0:
                return data

    def test_from_rtsp(self):
        self.serve()
        self.publish_rtsp_live(STREAM, "tcp", media="bframes", loop=False)
        self.check()

    def test_from_rtmp(self):
        self.serve()
        self.publish_live(STREAM, media="bframes", loop=False)
        self.check()

    def test_they_begin_anywhere(self):
        """Some players take 0 for a time that is not known. RFC 3550 section 5.1."""
        self.serve()
        self.publish_live(STREAM, media="video-only")
        _, answer = self.play(tracks=[0])
        self.assertNotRegex(answer.fields["rtp-info"], r"rtptime=0\b")


def steps(times):
    """The difference between each value and the next, modulo 32 bits."""
    return [(after - before) & 0xFFFFFFFF for before, after in pairwise(times)]
