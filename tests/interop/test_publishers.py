"""The streams of each publishing program come out whole, in FLV and in MPEG-TS."""

import flv
import paths
import publishers
import sample
import timeline
import ts
import ts_rules
from case import Case

STREAM = "cam"
SECONDS = 3


class Publishes(Case):
    def setUp(self):
        super().setUp()
        self.serve()

    def check(self, publisher):
        captures = [self.capture(self.server.flv(STREAM)), self.capture(self.server.ts(STREAM))]
        for capture in captures:
            capture.until_span(SECONDS * 1000 + 1000)
        self.assertIsNone(publisher.exit_code, publisher.describe())
        for capture in captures:
            data = capture.stop()
            samples = capture.reader.samples(data)
            self.assertEqual(sample.codecs(samples), {"h264", "aac"}, capture.url)
            self.assert_none(timeline.faults(samples), capture.url)
            self.assert_decodes(data, SECONDS)
            if capture.reader is ts:
                self.assert_none(ts_rules.faults(data), capture.url)
            else:
                # GStreamer sends new metadata all the time. Decoder records that come
                # again unchanged make decoders start over in the middle of a picture group.
                announced = [codec for codec, _, _ in flv.sequence_headers(data)]
                self.assertEqual(sorted(announced), ["aac", "h264"], capture.url)

    def test_current_ffmpeg(self):
        self.check(self.publish(STREAM, ffmpeg=paths.FFMPEG_CURRENT))

    def test_debian_ffmpeg(self):
        self.check(self.publish(STREAM, ffmpeg=paths.FFMPEG_DEBIAN))

    def test_gstreamer_rtmp2sink(self):
        self.check_gstreamer("rtmp2sink")

    def test_gstreamer_rtmpsink_which_is_librtmp(self):
        self.check_gstreamer("rtmpsink")

    def test_metadata_longer_than_a_control_message(self):
        command = publishers.ffmpeg(paths.FFMPEG_CURRENT, "demo", self.server.rtmp(STREAM), True)
        at = command.index("-f")
        command[at:at] = ["-metadata", f"title={'x' * 20_000}"]
        self.check(self.start("publisher", command))
        self.assertIn("script data is passed over, 1 times so far", self.server.log)
        self.assertGreater(self.server.metric("runnel_frames_lost_total"), 0)

    def check_gstreamer(self, sink):
        command = publishers.gstreamer(sink, self.server.rtmp(STREAM))
        self.check(self.start("publisher", command))
