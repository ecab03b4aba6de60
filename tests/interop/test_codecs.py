"""Each codec comes out of each container as it was published.

Every frame must be there, unchanged, in order, and at its own time: decoding
and presentation times may all move by one offset and no more.
"""

import flv
import paths
import sample
import timeline
import ts
import ts_rules
from case import Case

STREAM = "cam"
SECONDS = 3


VIDEO_CODECS = {"h264", "hevc", "av1"}
# What the server's log calls those that it has to leave out.
IN_LOG = {"av1": "AV1", "alaw": "PCMA"}


class Codecs(Case):
    def setUp(self):
        super().setUp()
        self.serve()

    def check(self, media, in_flv, in_ts):
        """`in_flv` and `in_ts` are the codecs to be seen there."""
        source = flv.samples(paths.media(media).read_bytes())
        self.publish_live(STREAM, media=media, loop=False)
        captures = self.capture_everything(STREAM)
        for capture in captures:
            capture.until_span(SECONDS * 1000 + 1000)
        for capture in captures:
            data = capture.stop()
            self.check_capture(capture, data, source, in_ts if capture.reader is ts else in_flv)
        for codec in in_flv - in_ts:
            self.assertIn(f"ts cannot carry {IN_LOG[codec]}", self.server.log)

    def check_capture(self, capture, data, source, codecs):
        samples = capture.reader.samples(data)
        self.assertEqual(sample.codecs(samples), codecs, capture.url)
        self.assert_none(timeline.faults(samples), capture.url)
        self.assert_none(timeline.differences(source, samples), capture.url)
        if capture.reader is ts:
            self.assert_none(ts_rules.faults(data), capture.url)
        self.assert_decodes(data, SECONDS, video=codecs & VIDEO_CODECS)

    def check_everywhere(self, media, codecs):
        self.check(media, codecs, codecs)

    def test_h264(self):
        self.check_everywhere("demo", {"h264", "aac"})

    def test_h264_with_b_frames(self):
        self.check_everywhere("bframes", {"h264", "aac"})

    def test_hevc(self):
        self.check_everywhere("hevc", {"hevc", "aac"})

    def test_hevc_with_b_frames(self):
        self.check_everywhere("hevc-bframes", {"hevc", "aac"})

    def test_av1_which_mpeg_ts_leaves_out(self):
        self.check("av1", {"av1", "aac"}, {"aac"})

    def test_video_alone(self):
        self.check_everywhere("video-only", {"h264"})

    def test_audio_alone(self):
        self.check_everywhere("audio-only", {"aac"})

    def test_mp3(self):
        self.check_everywhere("mp3", {"h264", "mp3"})

    def test_opus(self):
        self.check_everywhere("opus", {"h264", "opus"})

    def test_g711_which_mpeg_ts_leaves_out(self):
        self.check("alaw", {"h264", "alaw"}, {"h264"})

    def test_hevc_under_its_old_number_for_players_that_ask(self):
        self.publish_live(STREAM, media="hevc")
        capture = self.capture(self.server.flv(STREAM) + "?hevc=12")
        capture.until_frames()
        video = [tag for tag in flv.tags(capture.stop()) if tag.kind == flv.VIDEO_TAG]
        self.assertEqual({tag.body[0] & 0x8F for tag in video}, {12})
