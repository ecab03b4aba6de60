"""Streams that are published by RTSP come out whole on every URL."""

import flv
import mp4
import paths
import publishers
import sample
import timeline
import ts
import ts_rules
from case import Case

STREAM = "cam"
SECONDS = 4
HLS = {"hls": {"segment": "1s", "segments": 3}}
PLAYS_WITHIN = 20


class RtspPublishers(Case):
    def setUp(self):
        super().setUp()
        self.serve(**HLS)

    def check(self, publisher, source=None):
        """The source is the published file's samples, where there is a file."""
        hls = self.capture_hls(self.server.hls(STREAM))
        captures = self.capture_everything(STREAM)
        for capture in captures:
            capture.until_span(SECONDS * 1000 + 1000)
        hls.until(lambda one: len(one.segments) >= 2, PLAYS_WITHIN, "2 segments")
        hls.stop()
        self.assertIsNone(publisher.exit_code, publisher.describe())
        for capture in captures:
            self.check_bytes(capture.url, capture.reader, capture.stop(), source)
        self.assert_none(hls.faults, "playlist")
        segments = b"".join(data for _, data in hls.segments)
        self.check_bytes(hls.url, ts, segments, source)
        return publisher

    def check_bytes(self, url, reader, data, source):
        samples = reader.samples(data)
        self.assertEqual(sample.codecs(samples), {"h264", "aac"}, url)
        self.assert_none(timeline.faults(samples), url)
        if source:
            self.assert_none(timeline.differences_by_rtp(source, samples), url)
        if reader is ts:
            self.assert_none(ts_rules.faults(data), url)
        elif reader is flv:
            announced = [codec for codec, _, _ in flv.sequence_headers(data)]
            # GStreamer describes other parameter sets than it sends: then there are two.
            self.assertEqual(sorted(set(announced)), ["aac", "h264"], url)
        elif reader is mp4 and len(mp4.files(data)) > 1:
            # Programs take the first head of a file for the only one.
            data = mp4.files(data)[-1]
            samples = mp4.samples(data)
        self.assert_decodes(data, timeline.duration(samples) / 1000 - 1)

    def check_file(self, transport, ffmpeg=paths.FFMPEG_CURRENT):
        """A file with B-frames, which come in another order than they are shown."""
        source = flv.samples(paths.media("bframes").read_bytes())
        publisher = self.publish_rtsp(STREAM, transport, "bframes", ffmpeg, loop=False)
        self.check(publisher, source)

    def test_current_ffmpeg_over_tcp(self):
        self.check_file("tcp")

    def test_current_ffmpeg_over_udp(self):
        self.check_file("udp")

    def test_debian_ffmpeg_over_tcp(self):
        self.check_file("tcp", paths.FFMPEG_DEBIAN)

    def test_debian_ffmpeg_over_udp(self):
        self.check_file("udp", paths.FFMPEG_DEBIAN)

    def check_gstreamer(self, transport, **audio):
        command = publishers.gstreamer_rtsp(self.server.rtsp(STREAM), transport, **audio)
        self.check(self.start("publisher", command))

    def test_gstreamer_over_tcp(self):
        self.check_gstreamer("tcp")

    def test_gstreamer_over_udp(self):
        self.check_gstreamer("udp")

    def test_gstreamer_with_avenc_aac(self):
        self.check_gstreamer("tcp", audio=publishers.GSTREAMER_AVENC)
