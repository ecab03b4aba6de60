"""A stream is the same when it is published by RTSP and played by RTSP: bytes, order and times."""

import packets
import paths
import timeline
from case import Case

STREAM = "cam"
SECONDS = 3
PLAYS_WITHIN = 20
# Milliseconds: decoded pictures have their times in whole ones.
PICTURE = 41


class FromRtspToRtsp(Case):
    def setUp(self):
        super().setUp()
        self.serve()

    def ended(self, program):
        """The frames that it read, without a complaint."""
        self.assertEqual(program.wait(PLAYS_WITHIN), 0, program.describe())
        self.assertEqual(program.stderr, "", program.describe())
        return packets.read(program.stdout.decode())

    def check(self, transport, media="bframes", codec="h264"):
        """Published over one transport, and played over both at once."""
        self.publish_rtsp_live(STREAM, transport, media=media, loop=False)
        url, file = self.server.rtsp(STREAM), paths.media(media)
        playing = []
        for way in ("tcp", "udp"):
            how = ["-rtsp_transport", way]
            copying = packets.copying(url, codec, *how, seconds=SECONDS)
            decoding = packets.decoding(url, *how, seconds=SECONDS)
            playing += [(self.start(way, copying), self.start(way, decoding))]
        as_packets = self.ended(self.start("file", packets.copying(file, codec)))
        as_pictures = self.ended(self.start("file", packets.decoding(file)))
        for copying, decoding in playing:
            self.check_against(as_packets, copying, SECONDS * 60, timeline.ROUNDING)
            self.check_against(as_pictures, decoding, SECONDS * 20, PICTURE)

    def check_against(self, source, program, least, tolerance):
        played = self.ended(program)
        self.assertGreater(len(played), least, program.describe())
        faults = packets.differences(source, played, tolerance, timeline.LIP_SYNC)
        self.assert_none(faults, program.describe())

    def test_over_tcp(self):
        self.check("tcp")

    def test_over_udp(self):
        self.check("udp")

    def test_hevc_with_b_frames(self):
        self.check("tcp", "hevc-bframes", "hevc")
