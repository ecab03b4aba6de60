"""One publisher, and everyone plays: each of the nine URLs, all at once."""

import json
import time

import flv
import mp4
import paths
import players
import sample
import timeline
import ts
import ts_rules
from case import Case
from hls_capture import get
from sample import AUDIO, VIDEO

STREAM = "test110"
SECONDS = 5
FRAMES = 25 * SECONDS - 5
JOINS_WITHIN = 1.0


class EveryUrlPlays(Case):
    def setUp(self):
        super().setUp()
        self.serve()
        self.publish_live(STREAM)
        self.until_hls(STREAM)

    def urls_for_programs(self):
        server = self.server
        return {
            "rtmp": server.rtmp(STREAM),
            "http-flv": server.flv(STREAM),
            "http-ts": server.ts(STREAM),
            "http-mp4": server.mp4(STREAM),
            "hls": server.hls(STREAM),
            "hls-folder": server.hls_in_folder(STREAM),
        }

    def test_all_at_once_decode_without_a_complaint(self):
        decoding = [
            self.start(name, players.ffmpeg_decode(paths.FFMPEG_CURRENT, url, SECONDS))
            for name, url in self.urls_for_programs().items()
        ]
        sockets = [
            self.capture(self.server.ws_flv(STREAM)),
            self.capture(self.server.ws_ts(STREAM)),
            self.capture(self.server.ws_mp4(STREAM)),
        ]
        for program in decoding:
            program.wait(SECONDS * 5)
            self.assert_none(players.ffmpeg_faults(program, SECONDS), program.name)
        for capture in sockets:
            capture.until_span(SECONDS * 1000 + 1000)
            self.assertIsNone(capture.ended, capture.url)
            self.assert_decodes(capture.stop(), SECONDS)

    def test_ffprobe_sees_the_right_tracks_from_a_key_frame_on(self):
        probes = [
            self.start(name, players.ffprobe_packets(paths.FFPROBE_DEBIAN, url, SECONDS))
            for name, url in self.urls_for_programs().items()
        ]
        for probe in probes:
            self.assertEqual(probe.wait(SECONDS * 5), 0, probe.describe())
            self.assertEqual(probe.stderr, "", probe.describe())
            self.check_probe(probe.name, json.loads(probe.stdout))

    def check_probe(self, name, seen):
        streams = {(one["codec_type"], one.get("codec_name")) for one in seen["streams"]}
        self.assertEqual(streams, {("video", "h264"), ("audio", "aac")}, name)
        sizes = [(one["width"], one["height"]) for one in seen["streams"] if "width" in one]
        self.assertEqual(sizes, [(640, 360)], name)
        for track in (VIDEO, AUDIO):
            packets = [one for one in seen["packets"] if one["codec_type"] == track]
            self.assertGreater(len(packets), FRAMES, f"{name} {track}")
            times = [float(one["dts_time"]) for one in packets]
            self.assertEqual(times, sorted(times), f"{name} {track}: dts goes back")
            self.assertIn("K", packets[0]["flags"], f"{name} {track}: starts without a key frame")

    def test_the_bytes_of_each_are_well_formed(self):
        for capture in self.capture_everything(STREAM):
            capture.until_span(3000)
            data = capture.stop()
            samples = capture.reader.samples(data)
            self.assertEqual(sample.codecs(samples), {"h264", "aac"}, capture.url)
            self.assert_none(timeline.faults(samples), capture.url)
            if capture.reader is ts:
                self.assert_none(ts_rules.faults(data), capture.url)
            elif capture.reader is mp4:
                self.check_fragments(mp4.read(data))
            elif capture.url.startswith(("http:", "ws:")):
                # The header in an RTMP capture is that of the program that wrote it.
                self.assertEqual(flv.flags(data), flv.FLAG_VIDEO | flv.FLAG_AUDIO, capture.url)

    def check_fragments(self, movie):
        self.assertEqual(len(movie.heads), 1)
        first = movie.sequence[0]
        self.assertEqual(movie.sequence, list(range(first, first + len(movie.sequence))))

    def test_both_playlists_name_segments_as_promised(self):
        for url in (self.server.hls(STREAM), self.server.hls_in_folder(STREAM)):
            _, headers, body = get(url)
            self.assertIn(
                headers.get_content_type(),
                ("application/vnd.apple.mpegurl", "application/x-mpegurl"),
                url,
            )
            names = [line for line in body.decode().splitlines() if line[:1] not in ("", "#")]
            self.assertTrue(names, url)
            for name in names:
                self.assertRegex(name.split("/")[-1], rf"^{STREAM}-\d{{13}}-\d+\.ts$", url)


class JoinsAtOnce(Case):
    """Time is measured here."""

    alone = True

    def setUp(self):
        super().setUp()
        self.serve()
        self.publish(STREAM)
        # More than a group of pictures, so that there is a whole one to start with.
        self.until_live(STREAM, milliseconds=1500)

    def test_a_key_frame_comes_within_a_second_of_joining(self):
        server = self.server
        for url in (
            server.flv(STREAM),
            server.ts(STREAM),
            server.ws_flv(STREAM),
            server.ws_ts(STREAM),
            server.mp4(STREAM),
            server.ws_mp4(STREAM),
        ):
            capture = self.capture(url)
            capture.until_frames()
            first = sample.of(capture.samples(), VIDEO)[0]
            self.assertTrue(first.key, f"{url}: {first}")
            self.assertLess(capture.arrival(first.end), JOINS_WITHIN, url)
            capture.stop()

    def test_rtmp_shows_a_key_frame_within_a_second_of_joining(self):
        started = time.monotonic()
        capture = self.capture_rtmp(self.server.rtmp(STREAM))
        capture.until(lambda samples: sample.of(samples, VIDEO), 5, "a video frame")
        self.assertLess(time.monotonic() - started, JOINS_WITHIN)
        self.assertTrue(sample.of(capture.samples(), VIDEO)[0].key)

    def test_a_playlist_that_exists_is_answered_at_once(self):
        self.until_hls(STREAM)
        for url in (self.server.hls(STREAM), self.server.hls_in_folder(STREAM)):
            started = time.monotonic()
            self.assertEqual(get(url)[0], 200, url)
            self.assertLess(time.monotonic() - started, JOINS_WITHIN, url)
