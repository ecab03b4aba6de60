"""Live HLS: the playlist's rules over its life, and what is in the segments."""

import http.client
import os
import re
import subprocess
import time
from pathlib import Path
from urllib.parse import urljoin

import flv
import hls
import paths
import players
import timeline
import ts
import ts_rules
import waiting
from case import Case
from chromium import Chromium
from hls_capture import get
from raw_http import RawHttp
from sample import VIDEO

STREAM = "cam"
# As short as the group of pictures, so that several segments come and go.
FAST = {"hls": {"segment": "1s", "segments": 3}}
# Bits a second of the stream `camera`.
RATE = 4_000_000
# EXTINF and the media may differ by this, being rounded (seconds).
ROUNDING = 0.005
# It is promised that nobody waits longer than 10 s for a playlist; then all are answered.
ANSWERS_WITHIN = 10 + 2


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


class Cameras(Case):
    """Streams of 4 Mbit/s, of which hls.memory does not hold all that is wanted."""

    def playlist(self, stream):
        return hls.read(get(self.server.hls(stream))[2].decode())

    def until_three_are_listed(self, *streams):
        def listed():
            return all(len(self.playlist(stream).segments) >= 3 for stream in streams)

        waiting.until(listed, 30, "three segments")

    def check_goes_on(self, *streams):
        """For six segments more."""
        self.until_three_are_listed(*streams)
        ends = {stream: self.playlist(stream).first + 6 for stream in streams}

        def passed():
            playlists = {stream: self.playlist(stream) for stream in streams}
            for stream, playlist in playlists.items():
                self.assertGreaterEqual(len(playlist.segments), 3, stream)
            return all(playlists[stream].first >= ends[stream] for stream in streams)

        waiting.until(passed, 60, "six segments more")
        self.assertNotIn("are lost", self.server.log)
        self.assertNotIn("segments are short or few", self.server.log)
        for stream in streams:
            names = [segment.uri for segment in self.playlist(stream).segments]
            data = b"".join(get(urljoin(self.server.hls(stream), name))[2] for name in names)
            self.assertGreater(len(data), len(names) * RATE // 8)
            self.assert_decodes(data, 3)

    def until_used(self, megabytes):
        waiting.until(lambda: self.used() > megabytes << 20, 40, f"{megabytes} MiB are used")

    def used(self):
        return self.server.metric('runnel_account_used_bytes{account="hls"}')

    def ask_for_nothing(self, count):
        """Waits for playlists of streams that nobody publishes."""
        for number in range(count):
            waiter = RawHttp(self.server.http_port)
            self.addCleanup(waiter.close)
            waiter.send(f"GET /hls/nobody{number}.m3u8 HTTP/1.1\r\nHost: h\r\n\r\n".encode())

    def test_one_has_all_the_memory(self):
        self.serve(profile="box")
        self.publish_live(STREAM, media="camera")
        self.until_hls(STREAM)
        self.until_used(9)
        self.ask_for_nothing(7)
        self.check_goes_on(STREAM)
        self.assertGreater(self.used(), 7 << 20)

    def test_a_second_one_gets_its_part_at_once(self):
        self.serve(profile="box", hls={"segment": "2s"})
        self.publish_live(STREAM, media="camera")
        self.until_hls(STREAM)
        self.until_used(7)  # more than half
        self.publish_live("second", media="camera")
        self.until_hls("second")
        self.check_goes_on(STREAM, "second")


class Waiting(Case):
    def test_any_number_may_wait_and_costs_nothing(self):
        self.serve(profile="box")
        for _ in range(300):
            waiter = RawHttp(self.server.http_port, timeout=15)
            self.addCleanup(waiter.close)
            waiter.send(b"GET /hls/nobody.m3u8 HTTP/1.1\r\nHost: h\r\n\r\n")
        waiting.until(lambda: self.server.metric("runnel_connections") > 300, 5, "all of them")
        before, begun, clock = self.processor_seconds(), time.monotonic(), waiting.Clock()
        # It answers all of them, with 404, when it has waited for long enough.
        self.assertIn(b"404", waiter.socket.recv(100))
        clock.check(ANSWERS_WITHIN, "404")
        waited = time.monotonic() - begun
        self.assertGreater(waited, 5)
        self.assertLess(self.processor_seconds() - before, waited / 10)

    def test_groups_that_are_longer_than_the_wait_are_asked_for_again(self):
        self.serve()
        path = self.directory / "long.flv"
        command = [paths.FFMPEG_CURRENT, "-v", "error", "-f", "lavfi"]
        command += ["-i", "testsrc2=size=320x180:rate=10", "-t", "30", "-c:v", "libx264", "-g", "140"]
        command += ["-x264-params", "scenecut=0", "-preset", "ultrafast", "-pix_fmt", "yuv420p", path]
        subprocess.run(command, check=True, timeout=60)
        send = [paths.FFMPEG_CURRENT, "-v", "error", "-re", "-i", path, "-c", "copy", "-f", "flv"]
        self.start("publisher", [*send, self.server.rtmp(STREAM)])
        self.until_live(STREAM)
        url = self.server.hls(STREAM)
        status, headers, body = get(url, 15)
        self.assertEqual((status, headers["Retry-After"]), (503, "2"), body)
        self.assertEqual(get(url, 15)[0], 200)

    def processor_seconds(self):
        fields = Path(f"/proc/{self.server.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Record(Case):
    def test_memory_keeps_what_it_has_room_for_and_says_so(self):
        self.serve(
            hls={"segment": "1s", "segments": 3, "record": True, "streams": 1, "memory": "512KiB"}
        )
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


class Viewers(Case):
    """Players that are told apart: by a redirect, and a number that they then show."""

    def ask(self, path, **fields):
        """Without following what it says."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.http_port, timeout=15)
        self.addCleanup(connection.close)
        connection.request("GET", path, headers=fields)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read().decode("latin-1")

    def enter(self, query=""):
        status, headers, _ = self.ask(f"/hls/{STREAM}.m3u8{query}")
        self.assertEqual(status, 302)
        self.assertEqual(headers["Access-Control-Allow-Origin"], "*")
        self.assertTrue(headers["Location"].startswith(f"./{STREAM}.m3u8?"))
        return urljoin("/hls/", headers["Location"])

    def count(self):
        return self.server.metric("runnel_hls_viewers")

    def play(self, **section):
        self.serve(hls={"segment": "1s", "sessions": True, **section}, viewers={"max": 6})
        self.publish(STREAM)
        self.until_live(STREAM)

    def test_they_are_counted_and_forgotten(self):
        self.play(session_timeout="3s")
        places = [self.enter("?key=x"), self.enter()]
        self.assertNotEqual(places[0], places[1])
        self.assertRegex(places[0], rf"^/hls/{STREAM}\.m3u8\?key=x&session_id=[0-9a-f]{{16}}$")
        status, _, text = self.ask(places[0])
        self.assertEqual(status, 200)
        names = [line for line in text.splitlines() if line[:1] not in ("", "#")]
        number = places[0].split("session_id=")[1]
        self.assertTrue(
            all(name.endswith(f".ts?key=x&session_id={number}") for name in names), text
        )
        self.assertEqual(self.ask(f"/hls/{names[0]}")[0], 200)
        self.assertEqual(self.ask(f"/hls/{names[0].split('?')[0]}")[0], 403, "without a number")
        self.assertEqual(self.ask(f"/hls/{names[0][:-4]}beef")[0], 404)
        self.assertEqual(self.ask(f"/hls/{STREAM}.m3u8?session_id=0123456789abcdef")[0], 404)
        self.assertEqual(self.count(), 2)
        waiting.until(lambda: self.count() == 0, 10, "nobody is left")
        self.until_log_counts("stops playing cam", 2)
        self.assertEqual(self.ask(places[0])[0], 404)

    def test_they_end_with_the_server(self):
        self.play()
        self.ask(self.enter())
        self.until_log_counts(f"stream={STREAM} HLS begins", 1)
        self.server.stop()
        begun = dict(re.findall(r"id=(HLSMUXER1|HLSSUB1) .* (HLS begins|plays)", self.server.log))
        ended = re.findall(
            r"id=(HLSMUXER1|HLSSUB1) .* (?:HLS ends|stops playing cam: shutdown \(\d+ bytes)",
            self.server.log,
        )
        self.assertEqual((len(begun), sorted(ended)), (2, sorted(begun)), self.server.log)

    def test_there_are_no_more_than_viewers_max(self):
        self.play()
        for _ in range(6):
            self.enter()
        status, headers, _ = self.ask(f"/hls/{STREAM}.m3u8")
        self.assertEqual((status, headers["Retry-After"]), (503, "5"))

    def test_real_players_follow(self):
        self.play()
        url = self.server.hls(STREAM)
        program = self.start("ffmpeg", players.ffmpeg_decode(paths.FFMPEG_DEBIAN, url, 4))
        chromium = Chromium(self, [{"name": "hls.js", "kind": "hls.js", "url": url}])
        chromium.until(lambda _, player: player["frames"] > 60, "60 frames")
        program.wait(20)
        self.assert_none(players.ffmpeg_faults(program, 4), url)
        self.assertIn(self.count(), (2, 3))
