"""HLS with segments of fragmented MP4: the playlist's rules, and every codec."""

import flv
import mp4
import paths
import players
import timeline
from case import Case

STREAM = "cam"
FAST = {"hls": {"format": "fmp4", "segment": "1s", "segments": 4}}
ROUNDING = 0.03
DECODES = 3
PLAYS_WITHIN = 20


class Segments(Case):
    def check(self, media, segments=4):
        self.serve(**FAST)
        self.publish_live(STREAM, media=media, loop=False)
        capture = self.capture_hls(self.server.hls(STREAM))
        capture.until(lambda one: len(one.segments) >= segments, 30, f"{segments} segments")
        capture.stop()
        self.assert_none(capture.faults, "playlist")
        self.assert_none(
            mp4.fragment_faults([data for _, data in capture.segments]), "fragments"
        )
        together = []
        for segment, data in capture.segments:
            movie = mp4.read(data)
            self.assertEqual(len(movie.heads), 1, segment.uri)
            self.assert_none(timeline.faults(movie.samples), segment.uri)
            together += movie.samples
        source = flv.samples(paths.media(media).read_bytes())
        self.assert_none(timeline.differences(source, together), "all segments together")
        self.check_durations(capture)
        self.assertEqual(len({segment.map for segment, _ in capture.segments}), 1)
        return capture

    def check_durations(self, capture):
        starts = [mp4.samples(data)[0].dts for _, data in capture.segments]
        for (segment, _), start, end in zip(capture.segments, starts, starts[1:]):
            seconds = (end - start) / 1000
            self.assertAlmostEqual(segment.duration, seconds, delta=ROUNDING, msg=segment.uri)

    def test_h264(self):
        self.check("demo")

    def test_b_frames(self):
        self.check("bframes", segments=3)

    def test_hevc(self):
        self.check("hevc")

    def test_av1_which_mpeg_ts_leaves_out(self):
        self.check("av1")

    def test_opus(self):
        self.check("opus")

    def test_audio_alone(self):
        self.check("audio-only")

    def test_programs_play_it(self):
        self.serve(**FAST)
        self.publish_live(STREAM, media="bframes")
        url = self.server.hls(STREAM)
        # GStreamer wants a whole playlist to begin with.
        capture = self.capture_hls(url)
        capture.until(lambda one: len(one.segments) >= 4, 30, "4 segments")
        capture.stop()
        decoding = [
            self.start("ffmpeg", players.ffmpeg_decode(program, url, DECODES))
            for program in (paths.FFMPEG_CURRENT, paths.FFMPEG_DEBIAN)
        ]
        gstreamer = players.GstreamerHls(self, url)
        vlc = players.Vlc(self, url)
        for program in decoding:
            program.wait(PLAYS_WITHIN)
            faults = players.ffmpeg_faults(program, DECODES)
            self.assert_none((one for one in faults if "mime type" not in one), "ffmpeg")
        gstreamer.until_decoded()
        vlc.until_decoded()

    def test_another_head_begins_where_a_publisher_returns_with_another_codec(self):
        self.serve(**FAST)
        publisher = self.publish_live(STREAM)
        capture = self.capture_hls(self.server.hls(STREAM))
        capture.until(lambda one: len(one.segments) >= 3, 30, "3 segments")
        publisher.stop()
        self.until_log_counts(f"stops publishing {STREAM}", 1)
        self.publish(STREAM, media="hevc")
        capture.until(lambda one: len({s.map for s, _ in one.segments}) == 2, 30, "another head")
        count = len(capture.segments)
        capture.until(lambda one: len(one.segments) >= count + 2, 30, "2 more segments")
        capture.stop()
        self.assert_none(capture.faults, "playlist")
        before = None
        for segment, data in capture.segments:
            self.assertEqual(segment.discontinuity, before not in (None, segment.map), segment.uri)
            before = segment.map
            codec = {one.codec for one in mp4.samples(data)}
            self.assertEqual(len(codec & {"h264", "hevc"}), 1, segment.uri)
        self.assert_decodes(b"".join(data for _, data in capture.segments[-2:]), 1)
