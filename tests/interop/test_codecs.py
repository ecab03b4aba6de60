"""Each codec comes out of each container as it was published.

Every frame must be there, unchanged, in order, and at its own time: decoding
and presentation times may all move by one offset and no more.
"""

import flv
import mp4
import paths
import sample
import timeline
import ts
import ts_rules
from case import Case

STREAM = "cam"
SECONDS = 3


VIDEO_CODECS = {"h264", "hevc", "av1", "vp9"}
# The names of those that the server has to leave out, as its log has them.
IN_LOG = {"av1": "AV1", "alaw": "PCMA"}
# Those that code the same samples otherwise in MP4.
RECODED = {"alaw": "flac"}


class Codecs(Case):
    def setUp(self):
        super().setUp()
        self.serve()

    def check(self, media, in_flv, in_ts, in_mp4):
        """`in_flv`, `in_ts` and `in_mp4` are the codecs to be seen there."""
        source = flv.samples(paths.media(media).read_bytes())
        self.publish_live(STREAM, media=media, loop=False)
        captures = self.capture_everything(STREAM)
        for capture in captures:
            capture.until_span(SECONDS * 1000 + 1000)
        for capture in captures:
            data = capture.stop()
            codecs = {ts: in_ts, mp4: in_mp4}.get(capture.reader, in_flv)
            self.check_capture(capture, data, source, codecs)
        for form, carried in (("ts", in_ts), ("mp4", in_mp4)):
            for codec in in_flv - carried:
                if RECODED.get(codec) in carried:
                    continue
                self.assertIn(f"{form} cannot carry {IN_LOG[codec]}", self.server.log)

    def check_capture(self, capture, data, source, codecs):
        samples = capture.reader.samples(data)
        self.assertEqual(sample.codecs(samples), codecs, capture.url)
        self.assert_none(timeline.faults(samples), capture.url)
        recoded = set(RECODED.values()) - sample.codecs(source)
        as_published = [one for one in samples if one.codec not in recoded]
        self.assert_none(timeline.differences(source, as_published), capture.url)
        if capture.reader is ts:
            self.assert_none(ts_rules.faults(data), capture.url)
        self.assert_decodes(data, SECONDS, video=codecs & VIDEO_CODECS)

    def check_everywhere(self, media, codecs):
        self.check(media, codecs, codecs, codecs)

    def test_h264(self):
        self.check_everywhere("demo", {"h264", "aac"})

    def test_h264_with_b_frames(self):
        self.check_everywhere("bframes", {"h264", "aac"})

    def test_hevc(self):
        self.check_everywhere("hevc", {"hevc", "aac"})

    def test_hevc_with_b_frames(self):
        self.check_everywhere("hevc-bframes", {"hevc", "aac"})

    def test_av1_which_mpeg_ts_leaves_out(self):
        self.check("av1", {"av1", "aac"}, {"aac"}, {"av1", "aac"})

    def test_video_alone(self):
        self.check_everywhere("video-only", {"h264"})

    def test_audio_alone(self):
        self.check_everywhere("audio-only", {"aac"})

    def test_mp3(self):
        self.check_everywhere("mp3", {"h264", "mp3"})

    def test_opus(self):
        self.check_everywhere("opus", {"h264", "opus"})

    def test_g711_which_mpeg_ts_leaves_out_and_mp4_has_as_flac(self):
        self.check("alaw", {"h264", "alaw"}, {"h264"}, {"h264", "flac"})

    def check_mp4(self, media, codecs):
        """For those of which the tests' reader of MPEG-TS knows nothing."""
        source = flv.samples(paths.media(media).read_bytes())
        self.publish_live(STREAM, media=media, loop=False)
        capture = self.capture(self.server.mp4(STREAM))
        capture.until_span(SECONDS * 1000)
        self.check_capture(capture, capture.stop(), source, codecs)

    def test_vp9_in_mp4(self):
        self.check_mp4("vp9", {"vp9", "aac"})

    def test_flac_in_mp4(self):
        self.check_mp4("flac", {"h264", "flac"})

    def test_ac3_in_mp4(self):
        self.check_mp4("ac3", {"h264", "ac3"})

    def test_eac3_in_mp4(self):
        self.check_mp4("eac3", {"h264", "eac3"})

    def test_hevc_under_its_old_number_for_players_that_ask(self):
        self.publish_live(STREAM, media="hevc")
        capture = self.capture(self.server.flv(STREAM) + "?hevc=12")
        capture.until_frames()
        video = [tag for tag in flv.tags(capture.stop()) if tag.kind == flv.VIDEO_TAG]
        self.assertEqual({tag.body[0] & 0x8F for tag in video}, {12})
