"""Recordings: what is in the files, where they are cut, what is kept, and what a disk may do."""

import json
import os
import random
import re
import signal
import struct
import subprocess
import threading
import time
from pathlib import Path

import flv
import mp4
import paths
import players
import timeline
import ts
import waiting
from case import Case
from hls_capture import get
from sample import VIDEO, of
from server import Server

STREAM = "cam"
READERS = {"flv": flv, "ts": ts, "mp4": mp4}
FORMATS = {"flv": "flv", "ts": "ts", "fmp4": "mp4"}
CLOSES_WITHIN = 15
# Seconds from SIGTERM to the end of all connections, which is a promise.
LETS_GO_WITHIN = 3
# Milliseconds that a file may end before the moment at which its program was killed:
# the publisher's own pace, half a second until what is there is handed on, and the disk.
LATE = 1500


class Recording(Case):
    def record(self, folder=None, **rule):
        folder = folder or self.directory / "recorded"
        folder.mkdir(exist_ok=True)
        self.folder = folder
        return {"streams": "c*", "path": folder, **rule}

    def files(self, extension):
        """Those of a format, in the order in which they began."""
        found = self.folder.rglob(f"{STREAM[0]}*-*.{extension}")
        return sorted(found, key=_begun)

    def until_closed(self, count=1):
        self.until_log_counts(f"stream={STREAM} recorded ", count, CLOSES_WITHIN)

    def probe(self, path):
        command = [paths.FFPROBE_DEBIAN, "-v", "error", "-of", "json", "-show_format"]
        said = subprocess.run([*command, path], capture_output=True, text=True, check=False)
        self.assertEqual((said.returncode, said.stderr), (0, ""), path)
        return json.loads(said.stdout)["format"]


class Files(Recording):
    def check(self, media, **rule):
        """Every format at once has what was published, from time 0 on; returns all files."""
        source = flv.samples(paths.media(media).read_bytes())
        rules = [self.record(format=format, **rule) for format in FORMATS]
        self.serve(record=rules, recording={"memory": "8MiB"})
        publisher = self.publish_live(STREAM, media=media, loop=False)
        self.until_live(STREAM, milliseconds=6000)
        publisher.stop()
        self.until_log_counts("is no longer recorded", len(rules))
        self.server.stop()
        found = {}
        for extension in FORMATS.values():
            files = found[extension] = self.files(extension)
            reader, together = READERS[extension], []
            for path in files:
                self.assertRegex(path.name, rf"^{STREAM}-\d{{10}}(-\d+)?\.{extension}$")
                samples = reader.samples(path.read_bytes())
                self.assert_none(timeline.faults(samples), path.name)
                if extension != "ts":
                    self.assertLess(abs(min(one.dts for one in samples)), 100, path.name)
                together.append(samples)
            self.assert_continues(source, together, extension)
            self.probe(files[0])
        return found

    def assert_continues(self, source, files, what):
        """The frames of all files are those that were published, none missing or doubled."""
        for track in ("video", "audio"):
            payloads = b"".join(one.payload for samples in files for one in of(samples, track))
            published = b"".join(one.payload for one in of(source, track))
            self.assertIn(payloads, published, f"{what} {track}")
            self.assertGreater(len(payloads), 0, f"{what} {track}")
        for samples in files:
            self.assert_none(timeline.differences(source, samples), what)

    def test_every_format_has_what_was_published(self):
        for files in self.check("bframes").values():
            self.assertEqual(len(files), 1)
            self.assertGreater(float(self.probe(files[0])["duration"]), 5)

    def test_hevc(self):
        self.check("hevc")

    def test_cut_by_time_at_key_frames(self):
        for extension, files in self.check("demo", length="2s").items():
            self.assertGreater(len(files), 2, extension)
            for path in files[:-1]:
                seconds = float(self.probe(path)["duration"])
                self.assertAlmostEqual(seconds, 2, delta=0.2, msg=path.name)

    def test_cut_by_size(self):
        for extension, files in self.check("demo", size="64KiB").items():
            self.assertGreater(len(files), 1, extension)
            for path in files[:-1]:
                # The rest of a group of pictures is still written.
                self.assertIn(path.stat().st_size // 1024, range(64, 128), path.name)

    def test_a_day_ends_at_midnight(self):
        midnight = 20_454 * 86_400
        rule = self.record(format="flv", daily=True)
        self.serve(env=_time_of_day(midnight - 5), record=[rule])
        self.publish(STREAM)
        waiting.until(lambda: len(self.files("flv")) == 2, 15, "two files")
        self.until_live(STREAM, milliseconds=3000)
        self.server.stop()
        before, after = (_begun(path) - midnight for path in self.files("flv"))
        self.assertIn(before, range(-5, 0))
        self.assertIn(after, range(2))  # seconds between key frames, rounded down

    def syncs(self, sync):
        """The number of times that data is synced to the disk in so many seconds, more than three."""
        calls = self.directory / "calls"
        tracer = ["strace", "-D", "-f", "-e", "trace=fdatasync", "-o", calls]
        rule = self.record(format="flv")
        self.serve(launcher=tracer, record=[rule], recording={"sync": sync})
        begun = time.monotonic()
        self.publish_live(STREAM)
        self.until_live(STREAM, milliseconds=3500)
        return calls.read_text().count("fdatasync("), time.monotonic() - begun

    def test_what_is_written_is_brought_to_the_disk_once_a_second(self):
        count, seconds = self.syncs("1s")
        self.assertIn(count, range(2, int(seconds) + 2))

    def test_nothing_waits_for_the_disk_if_that_is_said(self):
        count, _ = self.syncs("0s")
        self.assertEqual(count, 0)

    def test_a_publisher_with_another_codec_gets_another_file(self):
        rules = [self.record(format=format) for format in FORMATS]
        self.serve(record=rules, recording={"memory": "8MiB"})
        publisher = self.publish_live(STREAM)
        self.until_live(STREAM, milliseconds=1500)
        publisher.stop()
        self.publish(STREAM, media="hevc")
        waiting.until(lambda: len(self.files("mp4")) == 2, 10, "two files")
        self.until_live(STREAM, milliseconds=3000)
        self.server.stop()
        for extension in FORMATS.values():
            files = self.files(extension)
            self.assertEqual(len(files), 2, extension)
            for path, codec in zip(files, ("h264", "hevc")):
                data = path.read_bytes()
                samples = READERS[extension].samples(data)
                self.assertEqual({one.codec for one in of(samples, VIDEO)}, {codec}, path.name)
                self.assert_decodes(data, 1)
                if extension == "flv":
                    at = data.index(b"videocodecid\0") + len("videocodecid\0")
                    number = struct.unpack_from(">d", data, at)[0]
                    self.assertEqual(
                        number, 7 if codec == "h264" else int.from_bytes(b"hvc1", "big")
                    )

    def test_flv_says_how_long_it_is_and_where_its_key_frames_are(self):
        found = self.check("demo")
        path = found["flv"][0]
        data = path.read_bytes()
        samples = flv.samples(data)
        seconds = timeline.duration(samples) / 1000
        self.assertAlmostEqual(float(self.probe(path)["duration"]), seconds, delta=0.1)
        places = _key_frame_places(data)
        keys = [one for one in of(samples, VIDEO) if one.key]
        self.assertEqual(len(places), len(keys))
        for place, key in zip(places, keys):
            # The tag of that place ends where the key frame does.
            size = int.from_bytes(data[place + 1 : place + 4], "big")
            self.assertEqual(place + 11 + size, key.end)

    def test_segments_with_a_playlist_over_two_publishers(self):
        self.serve(record=[self.record(format="hls", length="1s")])
        for count in (3, 6):
            publisher = self.publish_live(STREAM)
            self.until_closed(count)
            publisher.stop()
            self.until_log_counts("is no longer recorded", count // 3)

        def listed():
            playlist = (self.folder / STREAM / "record.m3u8").read_text()
            names = re.findall(r"^[^#].*$", playlist, re.MULTILINE)
            # The last is listed a moment after its stream is no longer recorded.
            return sorted(names) == sorted(path.name for path in self.files("ts")) and (
                playlist,
                names,
            )

        playlist, names = waiting.until(listed, 5, "all segments in the playlist")
        self.assertTrue(playlist.endswith("#EXT-X-ENDLIST\n"))
        for name in names:
            self.assertRegex(name, rf"^{STREAM}-\d{{13}}-\d+\.ts$")
        self.assertEqual(playlist.count("#EXT-X-DISCONTINUITY\n"), 1)
        durations = [float(one) for one in re.findall(r"#EXTINF:([\d.]+),", playlist)]
        self.assertLessEqual(max(durations), int(re.search(r"DURATION:(\d+)", playlist)[1]) + 0.5)
        decoding = players.ffmpeg_decode(
            paths.FFMPEG_DEBIAN, self.folder / STREAM / "record.m3u8", int(sum(durations))
        )
        program = self.start("ffmpeg", decoding)
        program.wait(20)
        self.assertEqual(program.exit_code, 0, program.describe())

    def test_segments_are_played_where_lal_has_them(self):
        self.serve(record=[self.record(format="hls", length="1s")], hls={"segment": "1s"})
        publisher = self.publish_live(STREAM)
        self.until_hls(STREAM)
        self.until_closed(5)
        publisher.stop()
        self.until_log_counts("is no longer recorded", 1)
        url = f"{self.server.http}/hls/{STREAM}/record.m3u8"
        program = self.start("ffmpeg", players.ffmpeg_decode(paths.FFMPEG_DEBIAN, url, 4))
        program.wait(20)
        self.assert_none(players.ffmpeg_faults(program, 4), url)
        playlist = get(url)[2].decode()
        self.assertEqual(playlist.count("#EXTINF"), len(self.files("ts")))

    def test_only_what_matches_is_recorded_and_no_more_than_allowed(self):
        self.serve(
            record=[self.record(streams="cam*")],
            recording={"max": 2},
            publish={"conflict": "refuse"},
        )
        for name in ("cam1", "door", "cam2"):
            self.publish_live(name)
        self.until_log_counts("is recorded to", 2)
        self.publish_live("cam3")
        self.until_log_counts("recording.max is reached", 1)
        waiting.until(lambda: len(self.files("flv")) == 2, 5, "two files")
        self.assertEqual({path.name[:4] for path in self.files("flv")}, {"cam1", "cam2"})
        self.assertEqual(self.server.metric("runnel_recordings"), 2)

    def test_what_is_wrong_is_refused_at_start(self):
        for rule, words in (({"streams": "*", "path": "here"}, "the absolute path of a folder"),):
            with self.assertRaises(AssertionError) as ended:
                self.serve(record=[rule])
            self.assertIn(words, str(ended.exception))


class Kept(Recording):
    def test_no_more_than_so_many_bytes(self):
        rule = self.record(format="ts", length="1s", keep_size="200KiB")
        self.serve(record=[rule])
        other = self.folder / "mine.ts"
        other.write_bytes(bytes(300 << 10))
        self.publish_live(STREAM)
        self.until_log_counts("deleted ", 3, 40)
        files = self.files("ts")
        self.assertLess(sum(path.stat().st_size for path in files), 400 << 10)
        self.assertTrue(other.exists(), "what is no recording is not touched")
        numbers = [_begun(path) for path in files]
        deleted = [int(one) for one in re.findall(r"deleted \S*-(\d+)\.ts", self.server.log)]
        self.assertLess(max(deleted), min(numbers), "the oldest go first")

    def test_a_playlist_has_no_segments_that_are_gone(self):
        rule = self.record(format="hls", length="1s", keep_size="200KiB")
        self.serve(record=[rule])
        publisher = self.publish_live(STREAM)
        self.until_log_counts("deleted ", 3, 40)
        publisher.stop()
        self.until_log_counts("is no longer recorded", 1)
        playlist = self.folder / STREAM / "record.m3u8"

        def named():
            return sorted(re.findall(r"^[^#].*$", playlist.read_text(), re.MULTILINE))

        there = sorted(path.name for path in self.files("ts"))
        waiting.until(lambda: named() == there, 10, lambda: f"{named()} and {there}")
        self.assertEqual(list(playlist.parent.glob("*.bak")), [])
        told = json.loads(get(f"{self.server.http}/api/record/list")[2])["data"]["records"]
        self.assertEqual([one["file"] for one in told], [f"/record/{STREAM}/record.m3u8"])

    def publishes_into(self, seeds, env=None):
        """Records beside 120 KiB that were there before; returns what was deleted, in order."""
        rule = self.record(format="ts", length="1s", keep_size="200KiB")
        for name in seeds:
            (self.folder / name).write_bytes(bytes(20 << 10))
        self.serve(record=[rule], env=env)
        self.publish_live(STREAM)
        self.until_log_counts("deleted ", len(seeds) + 2, 60)
        return re.findall(r"deleted \S*/(\S+\.ts)", self.server.log)

    def test_what_was_there_goes_before_what_is_recorded_with_a_clock_set_back(self):
        seeds = [f"{STREAM}-{int(time.time()) + 3600 + at}.ts" for at in range(6)]
        self.assertEqual(self.publishes_into(seeds)[: len(seeds)], seeds)

    def test_what_was_there_goes_before_what_is_recorded_without_a_clock(self):
        seeds = [f"{STREAM}-{1_700_000_000 + at}.ts" for at in range(6)]
        deleted = self.publishes_into(seeds, _time_of_day(100))
        self.assertEqual(deleted[: len(seeds)], seeds)
        # After a start too, again at the same time.
        self.server.kill()
        kept = {path.name for path in self.files("ts") if path.stat().st_size > 0}
        self.server.start_again()
        self.publish_live(STREAM)
        self.until_log_counts("deleted ", len(deleted) + len(kept), 60)
        deleted = re.findall(r"deleted \S*/(\S+\.ts)", self.server.log)[len(deleted) :]
        self.assertLessEqual(len(kept - set(deleted[: len(kept) + 1])), 1, (kept, deleted))

    def test_who_publishes_a_name_deletes_nothing_of_another(self):
        rule = self.record(streams="cam*", format="ts", length="1s", keep_size="200KiB")
        others = [self.folder / f"cam{at}-1700000000.ts" for at in (1, 2)]
        for path in others:
            path.write_bytes(bytes(190 << 10))
        self.serve(record=[rule])
        self.publish_live("camEVIL")
        self.until_log_counts("deleted ", 3, 40)
        self.assertTrue(all(path.exists() for path in others))
        deleted = re.findall(r"deleted \S*/(\w+)-", self.server.log)
        self.assertEqual(set(deleted), {"camEVIL"})

    def test_nothing_older_than_so_long(self):
        rule = self.record(format="ts", length="1s", keep_age="1h")
        old = self.folder / f"{STREAM}-{int(time.time()) - 4000}.ts"
        young = self.folder / f"{STREAM}-{int(time.time()) - 3000}.ts"
        strange = self.folder / f"door-{int(time.time()) - 4000}.ts"
        # More than are looked at at once, from before the clock of a device was set.
        undated = [self.folder / f"{STREAM}-{second}.ts" for second in range(300)]
        for path in (old, young, strange, *undated):
            path.write_bytes(b"x")
        # Age counts from the end of a file.
        for path, ago in ((old, 4000), (young, 3000), (strange, 4000)):
            os.utime(path, times=(time.time() - ago,) * 2)
        self.serve(record=[rule])
        self.publish_live(STREAM)
        waiting.until(lambda: not old.exists(), 10, "the oldest is deleted")
        self.assertTrue(young.exists() and strange.exists() and undated[75].exists())


class Power(Recording):
    """Files as a loss of power leaves them, made by hand where only a kill can be had."""

    def listed(self):
        playlist = (self.folder / STREAM / "record.m3u8").read_bytes().decode(errors="replace")
        return re.findall(r"^[^#\n].*$", playlist, re.MULTILINE)

    def test_segments_are_listed_again_and_empty_ones_go(self):
        self.serve(record=[self.record(format="hls", length="1s")])
        self.publish_live(STREAM)
        waiting.until(lambda: len(self.files("ts")) > 5, 30, "six segments")
        # The last is not whole, but has some of its pictures.

        def is_half_written():
            newest = self.files("ts")[-1]
            return newest.stat().st_size > 5000 and newest.name not in self.server.log

        waiting.until(is_half_written, 20, "a part of a segment")
        self.server.kill()
        files = [path for path in self.files("ts") if path.stat().st_size > 0]
        self.assertNotIn(files[-1].name, self.listed())
        for path in files[2:4]:
            os.truncate(path, 0)
        playlist = self.folder / STREAM / "record.m3u8"
        playlist.write_bytes(bytes(playlist.stat().st_size))
        self.server.start_again()
        left = [path.name for path in files if path not in files[2:4]]
        waiting.until(lambda: self.listed() == left, 20, lambda: f"{self.listed()} and {left}")
        self.assertFalse(files[2].exists() or files[3].exists())
        text = playlist.read_text()
        self.assertTrue(text.endswith("#EXT-X-ENDLIST\n"))
        self.assertEqual(text.count("#EXT-X-DISCONTINUITY\n"), 1, text)
        durations = [float(one) for one in re.findall(r"#EXTINF:([\d.]+),", text)]
        self.assertTrue(all(abs(one - 1) < 0.1 for one in durations[:-1]), durations)
        program = self.start("ffmpeg", players.ffmpeg_decode(paths.FFMPEG_DEBIAN, playlist, 3))
        program.wait(20)
        self.assertEqual(program.exit_code, 0, program.describe())
        told = json.loads(get(f"{self.server.http}/api/record/list")[2])["data"]["records"]
        self.assertEqual([one["file"] for one in told], [f"/record/{STREAM}/record.m3u8"])

    def test_what_is_named_is_on_the_disk_before(self):
        calls = self.directory / "calls"
        tracer = ["strace", "-D", "-f", "-y", "-e", "trace=fsync,fdatasync", "-o", calls]
        self.serve(launcher=tracer, record=[self.record(format="hls", length="1s")])
        self.publish_live(STREAM)
        waiting.until(lambda: len(self.files("ts")) > 3, 30, "four segments")
        waiting.until(lambda: len(self.listed()) > 2, 10, "three in the playlist")
        listed = self.listed()
        synced = re.findall(r"sync\(\d+<([^>]+)>", calls.read_text())
        folder = str(self.folder / STREAM)
        for name in listed:
            self.assertIn(f"{folder}/{name}", synced)
            self.assertIn(folder, synced)
        last = synced.index(f"{folder}/{listed[0]}")
        self.assertIn(f"{folder}/record.m3u8", synced[last:])
        self.assertIn(str(self.folder / ".runnel-index"), synced)


class Disk(Recording):
    """Disks of all kinds: made, filled, frozen and taken away."""

    def mount(self, *how):
        folder = self.directory / "card"
        folder.mkdir()
        done = subprocess.run(["mount", *how, folder], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.skipTest(f"nothing can be mounted here: {done.stderr}")
        self.addCleanup(subprocess.run, ["umount", "--lazy", folder], check=False)
        return folder

    def plays_on(self):
        """A viewer that notices nothing: checked in the end."""
        capture = self.capture(self.server.flv(STREAM))
        capture.until_span(500)
        return capture

    def assert_noticed_nothing(self, capture):
        self.assertIsNone(capture.ended)
        video = of(flv.samples(capture.stop()), VIDEO)
        steps = [after.dts - before.dts for before, after in zip(video, video[1:])]
        self.assertLess(max(steps), 100)
        arrivals = [capture.arrival(one.end) for one in video]
        self.assertLess(max(b - a for a, b in zip(arrivals, arrivals[1:])), 0.5)

    def test_one_that_is_full_is_taken_up_again_when_there_is_room(self):
        card = self.mount("-t", "tmpfs", "-o", "size=256k", "card")
        self.serve(record=[self.record(card, format="ts")])
        ballast = card / "ballast"
        ballast.write_bytes(bytes(100 << 10))
        self.publish_live(STREAM)
        capture = self.plays_on()
        self.until_log_counts("No space left on device", 1, 30)
        ballast.unlink()
        for path in self.files("ts"):
            path.unlink()
        self.until_log_counts("recording goes on", 1, 30)
        waiting.until(lambda: self.files("ts") and self.files("ts")[-1].stat().st_size, 10, "bytes")
        self.assert_noticed_nothing(capture)
        self.assertEqual(self.server.log.count("until that is mended"), 1, "said once")

    def test_each_that_fails_says_so_once_and_is_counted_until_it_goes_on(self):
        card = self.mount("-t", "tmpfs", "-o", "size=256k", "card")
        self.serve(record=[self.record(card, format="ts")])
        ballast = card / "ballast"
        ballast.write_bytes(bytes(150 << 10))
        self.assertEqual(self.server.metric("runnel_recordings_failing"), 0)
        for name in ("cam1", "cam2"):
            self.publish_live(name)
        self.until_log_counts("No space left on device", 2, 30)
        waiting.until(
            lambda: self.server.metric("runnel_recordings_failing") == 2, 10, self.server.metrics
        )
        # They are tried again and again.
        waiting.until(
            lambda: self.server.metric("runnel_recordings_failed_total") > 4, 30, "further tries"
        )
        for name in ("cam1", "cam2"):
            said = re.findall(rf"id=RECORD\d+ stream={name} .*No space left.*", self.server.log)
            self.assertEqual(len(said), 1, self.server.log)
            self.assertIn(str(card), said[0])
            self.assertIn("keep_free", said[0], "the remedy")
        ballast.unlink()
        for path in self.files("ts"):
            path.unlink()
        subprocess.run(["mount", "-o", "remount,size=64m", card], check=True)
        self.until_log_counts("recording goes on", 2, 30)
        self.assertEqual(self.server.metric("runnel_recordings_failing"), 0)

    def test_the_end_line_counts_what_is_in_the_files(self):
        card = self.mount("-t", "tmpfs", "-o", "size=256k", "card")
        self.serve(record=[self.record(card, format="flv"), self.record(self.directory / "other")])
        publisher = self.publish_live(STREAM)
        self.until_log_counts("No space left on device", 1, 30)
        self.until_live(STREAM, milliseconds=3000)
        publisher.stop()
        self.until_log_counts("is no longer recorded", 2, CLOSES_WITHIN)
        for folder in (card, self.directory / "other"):
            (told,) = re.findall(rf"no longer recorded to {folder} \((\d+) bytes", self.server.log)
            size = sum(path.stat().st_size for path in folder.glob(f"{STREAM}-*"))
            self.assertEqual(int(told), size, folder)

    def test_one_that_is_read_only_is_told_with_its_remedy(self):
        card = self.mount("-t", "tmpfs", "-o", "ro", "card")
        self.serve(record=[self.record(card)])
        self.publish_live(STREAM)
        self.until_log_counts(f"recording to {card}: Read-only file system", 1, 30)
        self.assertIn("mount it", self.server.log)
        self.assertEqual(self.server.metric("runnel_recordings_failing"), 1)

    def test_one_that_waits_for_its_card_takes_no_place_and_hides_nothing(self):
        folder = self.directory / "card"
        rules = [{"format": "ts", "mounted": True}, {"format": "flv"}]
        self.serve(
            record=[self.record(folder, length="1s", **rule) for rule in rules],
            recording={"max": 1},
        )
        self.publish_live(STREAM)
        self.until_log_counts("nothing is mounted there", 1, 30)
        self.until_closed(2)

        def listed():
            told = json.loads(get(f"{self.server.http}/api/record/list")[2])["data"]["records"]
            return len([one for one in told if one["file"].endswith(".flv")]) > 1

        waiting.until(listed, 20, "two files in the list")
        self.assertNotIn("goes on", self.server.log)
        self.assertIn("mount the card there, or leave out mounted = true", self.server.log)
        self.assertNotIn("recording.max is reached", self.server.log)
        self.assertEqual(self.server.metric("runnel_recordings"), 1)
        self.assertEqual(self.server.metric("runnel_recordings_failing"), 1)

    def test_some_of_it_is_left_free(self):
        card = self.mount("-t", "tmpfs", "-o", "size=600k", "card")
        self.serve(record=[self.record(card, format="ts", length="1s", keep_free="350KiB")])
        self.publish_live(STREAM)
        self.until_log_counts("deleted ", 3, 40)
        self.assertNotIn("No space left", self.server.log)
        left = os.statvfs(card)
        self.assertGreater(left.f_bavail * left.f_frsize, 150 << 10)

    def test_one_that_is_taken_away_leaves_nothing_underneath(self):
        card = self.mount("-t", "tmpfs", "-o", "size=8m", "card")
        self.serve(record=[self.record(card, format="ts", length="1s", mounted=True)])
        self.publish_live(STREAM)
        capture = self.plays_on()
        waiting.until(lambda: len(self.files("ts")) > 1, 10, "two files")
        subprocess.run(["umount", "--lazy", card], check=True)
        self.until_log_counts("nothing is mounted there", 1, 30)
        self.assertEqual(list(card.iterdir()), [])
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "card", card], check=True)
        self.until_log_counts("recording goes on", 1, 30)
        waiting.until(lambda: len(self.files("ts")) > 1, 10, "two files on the other")
        self.assert_noticed_nothing(capture)

    def test_one_that_stands_still_stalls_nobody(self):
        image = self.directory / "image"
        with image.open("wb") as file:
            file.truncate(16 << 20)
        subprocess.run(["mkfs.ext4", "-q", image], check=True)
        card = self.mount("-o", "loop", str(image))
        rules = [self.record(card, format="fmp4"), self.record(card, format="ts", length="1s")]
        self.serve(record=rules, recording={"memory": "384KiB", "max": 2})
        self.publish_live(STREAM)
        capture = self.plays_on()
        waiting.until(lambda: self.files("mp4"), 10, "a file")
        waiting.until(lambda: len(self.files("ts")) > 1, 10, "two files")
        subprocess.run(["fsfreeze", "--freeze", card], check=True)
        thaw = ["fsfreeze", "--unfreeze", card]
        self.addCleanup(subprocess.run, thaw, check=False, capture_output=True)
        self.until_log_counts("the disk is too slow", 2, 60)
        # And for a while after that.
        waiting.until(lambda: self.server.metric("runnel_recordings_lost_total") > 1, 60, "losses")
        before = len(self.files("ts"))
        self.assertLess(self.server.metric('runnel_account_peak_bytes{account="total"}'), 32 << 20)
        subprocess.run(thaw, check=True)
        size = self.files("mp4")[0].stat().st_size
        waiting.until(
            lambda: self.files("mp4")[-1].stat().st_size > size + 20_000, 20, "more of it"
        )
        waiting.until(lambda: len(self.files("ts")) > before + 3, 20, "files again")
        self.assert_noticed_nothing(capture)
        self.server.stop()
        samples = mp4.samples(self.files("mp4")[0].read_bytes())
        self.assert_none(timeline.faults(samples), "with a hole")
        self.assert_decodes(self.files("mp4")[0].read_bytes(), 3)


    def test_one_that_stands_still_keeps_nobody_connected_when_the_program_ends(self):
        image = self.directory / "image"
        with image.open("wb") as file:
            file.truncate(16 << 20)
        subprocess.run(["mkfs.ext4", "-q", image], check=True)
        card = self.mount("-o", "loop", str(image))
        self.serve(record=[self.record(card, format="ts", length="1s")], hls={"store": card})
        self.publish_live(STREAM)
        capture = self.plays_on()
        self.until_hls(STREAM)
        waiting.until(lambda: len(self.files("ts")) > 1, 10, "two files")
        subprocess.run(["fsfreeze", "--freeze", card], check=True)
        thaw = ["fsfreeze", "--unfreeze", card]
        self.addCleanup(subprocess.run, thaw, check=False, capture_output=True)
        threads = Path(f"/proc/{self.server.pid}/task")
        waiting.until(
            lambda: any(") D " in path.read_text() for path in threads.glob("*/stat")),
            20,
            "a thread that waits for the disk",
        )
        clock = waiting.Clock()
        self.server.program.signal(signal.SIGTERM)
        clock.until(lambda: capture.ended is not None, LETS_GO_WITHIN, "the viewer's end")
        subprocess.run(thaw, check=True)
        self.assertEqual(self.server.program.wait(CLOSES_WITHIN), 0)


class Killed(Recording):
    """A hundred deaths at any moment: each file is good up to its last second."""

    takes_minutes = True
    DEATHS = 100
    AT_ONCE = 10
    LIVES = (1.5, 5.0)

    def test_files_of_one_who_is_killed(self):
        moments = random.Random(7)
        lives = [moments.uniform(*self.LIVES) for _ in range(self.DEATHS)]
        for start in range(0, self.DEATHS, self.AT_ONCE):
            group = lives[start : start + self.AT_ONCE]
            dying = [
                threading.Thread(target=self._live, args=(start + at, life))
                for at, life in enumerate(group)
            ]
            for one in dying:
                one.start()
            for one in dying:
                one.join()
        checked = 0
        for number, life in enumerate(lives):
            folder = self.directory / f"life-{number}" / "recorded"
            for format, extension in FORMATS.items():
                (path,) = folder.glob(f"*.{extension}")
                self._check(path, READERS[extension], self.spans[number], life)
                checked += 1
        self.assertEqual(checked, 3 * self.DEATHS)

    def setUp(self):
        super().setUp()
        self.spans = {}

    def _live(self, number, life):
        """One server from its first frame to its end, `life` seconds later."""
        directory = self.directory / f"life-{number}"
        folder = directory / "recorded"
        folder.mkdir(parents=True)
        rules = [{"streams": "*", "path": folder, "format": format} for format in FORMATS]
        server = Server(directory, {"record": rules, "recording": {"memory": "2MiB"}})
        publisher = self.publish(STREAM, server=server)
        try:
            waiting.until(lambda: list(folder.glob("*.mp4")), 20, "a file")
            time.sleep(life)
            server.kill()
            self.spans[number] = life
        finally:
            publisher.kill()

    def _check(self, path, reader, span, life):
        data = path.read_bytes()
        command = [paths.FFPROBE_DEBIAN, "-v", "fatal", "-count_packets", "-of", "json"]
        command += ["-show_entries", "stream=codec_name,nb_read_packets"]
        said = subprocess.run([*command, path], capture_output=True, text=True, check=False)
        self.assertEqual(said.returncode, 0, f"{path} after {life:.2f} s: {said.stderr}")
        names = {one["codec_name"] for one in json.loads(said.stdout)["streams"]}
        self.assertEqual(names, {"h264", "aac"}, path)
        samples = reader.samples(data)
        self.assertGreater(timeline.duration(samples), span * 1000 - LATE, path)


def _time_of_day(begin):
    """The environment of a program for which it is so many seconds after 1970 as it starts."""
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
    return {
        "LD_PRELOAD": str(library),
        "FAKETIME": time.strftime("@%Y-%m-%d %H:%M:%S", time.gmtime(begin)),
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "TZ": "UTC0",
    }


def _begun(path):
    return int(path.stem.split("-")[1])


def _key_frame_places(data):
    """`keyframes.filepositions` of onMetaData, the plain way."""
    at = data.index(b"filepositions") + len("filepositions")
    count = int.from_bytes(data[at + 1 : at + 5], "big")
    assert data[at] == 0x0A
    numbers = [
        struct.unpack_from(">d", data, at + 5 + 9 * number + 1)[0] for number in range(count)
    ]
    return [int(number) for number in numbers]
