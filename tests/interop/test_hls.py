"""Live HLS: the playlist's rules over its life, and what is in the segments."""

from urllib.parse import urljoin

import flv
import hls
import paths
import timeline
import ts
import ts_rules
import waiting
from case import Case
from hls_capture import get
from sample import VIDEO

STREAM = "cam"
# As short as the group of pictures, so that several segments come and go.
FAST = {"hls": {"segment": "1s", "segments": 3}}
# EXTINF and the media may differ by this, being rounded (seconds).
ROUNDING = 0.005


class LiveHls(Case):
    def follow(self, segments):
        """Follows the playlist until this many segments were seen."""
        capture = self.capture_hls(self.server.hls(STREAM))
        capture.until(lambda one: len(one.segments) >= segments, 30, f"{segments} segments")
        capture.stop()
        return capture

    def check(self, media, segments):
        self.serve(**FAST)
        self.publish_live(STREAM, media=media, loop=False)
        capture = self.follow(segments)
        self.assert_none(capture.faults, "playlist")
        self.check_segments(capture, flv.samples(paths.media(media).read_bytes()))
        return capture

    def check_segments(self, capture, source):
        together = []
        for segment, data in capture.segments:
            self.assert_none(ts_rules.faults(data), segment.uri)
            samples = ts.samples(data)
            self.assert_none(timeline.faults(samples), segment.uri)
            together += samples
        # No frame is missing or doubled where one segment ends and the next begins.
        self.assert_none(timeline.differences(source, together), "all segments together")
        self.check_durations(capture)

    def check_durations(self, capture):
        starts = [ts.samples(data)[0].dts for _, data in capture.segments]
        for (segment, _), start, end in zip(capture.segments, starts, starts[1:]):
            seconds = (end - start) / 1000
            self.assertAlmostEqual(segment.duration, seconds, delta=ROUNDING, msg=segment.uri)

    def test_the_window_slides_and_loses_nothing(self):
        capture = self.check("demo", segments=8)
        self.assertGreater(capture.playlists[-1].first, capture.playlists[0].first)

    def test_b_frames(self):
        self.check("bframes", segments=3)

    def test_hevc(self):
        self.check("hevc", segments=4)

    def test_audio_alone(self):
        self.check("audio-only", segments=4)

    def test_the_last_segments_stay_when_the_publisher_has_left(self):
        self.serve(**FAST)
        publisher = self.publish_live(STREAM)
        capture = self.follow(3)
        publisher.stop()
        again = self.follow(1)
        self.assertEqual(again.faults, [])
        self.assertFalse(again.playlists[-1].ended, "a player would not wait for the publisher")
        self.assertGreaterEqual(again.playlists[-1].first, capture.playlists[0].first)


class ReturningPublisher(Case):
    def test_the_playlist_goes_on_after_a_discontinuity(self):
        self.serve(**FAST)
        capture = self.capture_hls(self.server.hls(STREAM))
        publisher = self.publish(STREAM)
        capture.until(lambda one: len(one.segments) >= 3, 30, "3 segments")
        publisher.stop()
        self.publish(STREAM, media="hevc")
        before = len(capture.segments)
        capture.until(lambda one: len(one.segments) >= before + 5, 40, "5 segments more")
        capture.stop()
        self.assert_none(capture.faults, "playlist")
        marks = [segment.discontinuity for segment, _ in capture.segments]
        self.assertEqual(marks[1:].count(True), 1, marks)
        for segment, data in capture.segments:
            self.assert_none(timeline.faults(ts.samples(data)), segment.uri)
            video = [one for one in ts.samples(data) if one.track == VIDEO]
            self.assertTrue(video, segment.uri)


class Record(Case):
    def test_memory_keeps_what_it_has_room_for_and_says_so(self):
        self.serve(hls={"segment": "1s", "segments": 3, "record": True, "streams": 1, "memory": "512KiB"})
        self.publish_live(STREAM)
        url = f"{self.server.http}/hls/{STREAM}/record.m3u8"
        self.until_hls(STREAM)

        def told(words):
            return lambda: words in get(url)[2].decode()

        waiting.until(told("-5.ts"), 20, "six segments")
        text = get(url)[2].decode()
        playlist = hls.read(text)
        self.assert_none(playlist.faults, url)
        self.assertEqual((playlist.first, playlist.ended), (0, True))
        self.assertGreaterEqual(len(playlist.segments), 6)
        self.assertNotIn("found no room", text)
        names = [segment.uri for segment in playlist.segments]
        data = b"".join(get(urljoin(url, name))[2] for name in names)
        self.assert_decodes(data, 5)
        waiting.until(told("found no room in hls.memory"), 60, "older ones go")
        self.assertLess(self.server.metric('runnel_account_peak_bytes{account="hls"}'), 513 << 10)
