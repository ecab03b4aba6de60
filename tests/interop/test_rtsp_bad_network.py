"""A publisher by RTSP over UDP, with a bad network in between."""

import flv
import paths
import players
import publishers
import sample
import timeline
import ts_rules
from bad_network import BadNetwork
from rtsp_case import STREAM, RtspCase
from sample import AUDIO, VIDEO

SECONDS = 6
# Of 25 pictures between two keys only those before the first loss can be shown.
LEAST_PICTURES = SECONDS * 2
ENDS_WITHIN = 25


class BadNetworks(RtspCase):
    def publish_through(self, **faults):
        self.serve()
        network = BadNetwork(self.server.rtsp_port, **faults)
        self.addCleanup(network.stop)
        url = self.url.replace(f":{self.server.rtsp_port}/", f":{network.port}/")
        command = publishers.ffmpeg_rtsp(paths.FFMPEG_CURRENT, "demo", url, False, "udp")
        captures = [self.capture(self.server.flv(STREAM)), self.capture(self.server.ts(STREAM))]
        return self.start("publisher", command), captures

    def test_of_a_tenth_lost_players_see_clean_pictures_only_and_stay(self):
        publisher, captures = self.publish_through(lost=0.1)
        decoding = self.start(
            "ffmpeg",
            players.ffmpeg_decode_rtsp(paths.FFMPEG_CURRENT, self.url, SECONDS, "tcp"),
        )
        for capture in captures:
            capture.until_span(SECONDS * 1000)
            self.assertIsNone(capture.ended, capture.url)
        self.assertIsNone(publisher.exit_code, publisher.describe())
        for capture in captures:
            data = capture.stop()
            samples = capture.reader.samples(data)
            self.assert_none(timeline.faults(samples), capture.url)
            self.assertGreater(len(sample.of(samples, VIDEO)), LEAST_PICTURES, capture.url)
            self.assertTrue(sample.of(samples, AUDIO), capture.url)
            path = self.directory / "lossy"
            path.write_bytes(data)
            self.check_clean(
                self.start("decode", players.ffmpeg_decode(paths.FFMPEG_CURRENT, path, SECONDS - 1))
            )
        self.check_clean(decoding)

    def check_clean(self, program):
        self.assertEqual(program.wait(ENDS_WITHIN), 0, program.describe())
        self.assertEqual(program.stderr, "", program.describe())

    def test_of_packets_late_and_doubled_nothing_is_lost(self):
        _, captures = self.publish_through(late=0.1, doubled=0.1)
        source = flv.samples(paths.media("demo").read_bytes())
        for capture in captures:
            capture.until_span(SECONDS * 1000)
            data = capture.stop()
            samples = capture.reader.samples(data)
            self.assert_none(timeline.faults(samples), capture.url)
            self.assert_none(timeline.differences_by_rtp(source, samples), capture.url)
            self.assert_decodes(data, SECONDS - 1)
            if capture.reader is not flv:
                self.assert_none(ts_rules.faults(data), capture.url)
