"""Files as sources: as streams of the server, and sent elsewhere by `runnel push`."""

import os
import re
import subprocess
import time
from dataclasses import replace

import certificate
import flv
import paths
import players
import timeline
import waiting
from nginx import Nginx, listens
from relay_case import RelayCase, url
from sample import AUDIO, VIDEO, of
from server import free_port

STREAM = "film"
SECONDS = 3
# Each kind of file: its extension, what ffmpeg is told, and the media that it can hold.
# All that our FLV carries comes out of it again, and so can be compared.
KINDS = {
    "flv": ("flv", [], ["demo", "hevc-bframes", "opus", "alaw"]),
    "mp4": (
        "mp4",
        [],
        ["bframes", "hevc-bframes", "av1", "vp9", "mp3", "opus", "flac", "ac3", "eac3"],
    ),
    "moov-first": ("mp4", ["-movflags", "faststart"], ["demo"]),
    "fragments": ("mp4", ["-movflags", "frag_keyframe+delay_moov"], ["bframes", "audio-only"]),
    "per-track": (
        "mp4",
        ["-movflags", "separate_moof+frag_keyframe+delay_moov+default_base_moof"],
        ["demo"],
    ),
    # Here pictures are shown before the time at which they are decoded.
    "negative": ("mp4", ["-movflags", "cmaf+frag_every_frame", "-an"], ["hevc-bframes"]),
    "mov": ("mov", [], ["bframes", "mp3"]),
    "ts": ("ts", [], ["bframes", "hevc-bframes", "mp3", "opus", "ac3", "eac3", "video-only"]),
    "m2ts": ("m2ts", ["-mpegts_m2ts_mode", "1"], ["ac3"]),
}


class Replay(RelayCase):
    def remux(self, media, extension="mp4", *how, seconds=None, name=None):
        """The same frames in another container, by ffmpeg."""
        path = self.directory / f"{name or media}.{extension}"
        limit = ["-t", str(seconds)] if seconds else []
        command = [paths.FFMPEG_CURRENT, "-nostdin", "-v", "error", "-i", paths.media(media)]
        subprocess.run([*command, *limit, "-c", "copy", *how, path], check=True)
        return path

    def pull(self, path, stream=STREAM, **keys):
        return {"stream": stream, "url": f"file:{path}", **keys}

    def push(self, *arguments):
        """The program as one calls it by hand."""
        return self.start("push", [paths.SERVER, "push", *arguments])


class Containers(Replay):
    def test_each_gives_what_is_in_it(self):
        files = {
            f"{kind}-{media}": (media, self.remux(media, extension, *how, name=f"{kind}-{media}"))
            for kind, (extension, how, medias) in KINDS.items()
            for media in medias
        }
        pulls = [self.pull(path, stream) for stream, (_, path) in files.items()]
        self.serve(pull=pulls, streams={"max": len(pulls)}, memory={"total": "256MiB"})
        captures = {stream: self.capture(self.server.flv(stream)) for stream in files}
        for stream, capture in captures.items():
            with self.subTest(stream):
                capture.until_span(SECONDS * 1000)
                samples = flv.samples(capture.stop())
                # Frames that came while others took the time may be of the next round.
                end = samples[0].dts + SECONDS * 1000 + 500
                samples = [one for one in samples if one.dts < end]
                source = flv.samples(paths.media(files[stream][0]).read_bytes())
                self.assert_none(timeline.faults(samples), stream)
                self.assert_none(differences(source, samples), stream)
                tracks = {VIDEO} if stream.startswith("negative") else {one.track for one in source}
                for track in tracks:
                    span = timeline.duration(of(samples, track))
                    self.assertGreater(span, SECONDS * 1000 - 500, f"{stream} {track}")
        self.assertNotIn("is lost", self.server.log)

    def test_a_recording_of_ours_is_one(self):
        folder = self.directory / "recorded"
        folder.mkdir()
        formats = {"flv": "flv", "ts": "ts", "fmp4": "mp4"}
        rules = [{"streams": "cam", "path": folder, "format": format} for format in formats]
        self.serve(record=rules, recording={"memory": "8MiB"})
        publisher = self.publish_live("cam", media="bframes", loop=False)
        self.until_live("cam", milliseconds=6000)
        publisher.stop()
        self.until_log_counts("is no longer recorded", len(rules))
        pulls = [
            self.pull(next(folder.glob(f"*.{extension}")), extension)
            for extension in formats.values()
        ]
        self.serve_another("second", pull=pulls)
        server = self._servers[-1]
        source = flv.samples(paths.media("bframes").read_bytes())
        captures = [self.capture(server.flv(extension)) for extension in formats.values()]
        for capture in captures:
            capture.until_span(SECONDS * 1000)
            samples = flv.samples(capture.stop())
            self.assert_none(timeline.faults(samples), capture.url)
            self.assert_none(differences(source, samples), capture.url)


class Channel(Replay):
    def test_it_begins_anew_at_its_end_and_time_goes_on(self):
        path = self.remux("demo", seconds=2)
        self.serve(pull=[self.pull(path)])
        capture = self.capture(self.server.flv(STREAM))
        begun = time.monotonic()
        capture.until_span(9000, timeout=30)
        # As fast as it plays, less what the first group of pictures was ahead.
        self.assertGreater(time.monotonic() - begun, 7)
        data = capture.stop()
        samples = flv.samples(data)
        self.assert_none(timeline.faults(samples), "the stream")
        for track in (VIDEO, AUDIO):
            times = [one.dts for one in of(samples, track)]
            steps = [after - before for before, after in zip(times, times[1:], strict=False)]
            # One of the two ends before the other.
            self.assertLess(max(steps), 100, track)
        source = of(flv.samples(paths.media("demo").read_bytes()), VIDEO)[:50]
        played = [one.payload for one in of(samples, VIDEO)]
        first = [one.payload for one in source].index(played[0])
        wanted = [source[(first + at) % len(source)].payload for at in range(len(played))]
        self.assertEqual(played, wanted)
        self.assert_decodes(data, 8)

    def test_its_end_is_told_when_the_program_ends(self):
        path = self.remux("demo", seconds=2)
        self.serve(pull=[self.pull(path)])
        self.capture(self.server.flv(STREAM)).until_span(1000)
        self.server.stop()
        (told,) = re.findall(
            rf"id=FILEPULL1 stream={STREAM} playing {STREAM} \S+: .* \((\d+) bytes in \d+ s\)",
            self.server.log,
        )
        self.assertGreater(int(told), 0)

    def test_no_track_overlaps_where_it_begins_anew_and_the_longest_has_no_hole(self):
        files = {end: self.remux("bframes", end, seconds=4) for end in ("flv", "ts", "mp4")}
        self.serve(pull=[self.pull(path, end) for end, path in files.items()])
        captures = {end: self.capture(self.server.flv(end)) for end in files}
        source = flv.samples(paths.media("bframes").read_bytes())
        for end, capture in captures.items():
            capture.until_span(13_000, timeout=40)
            samples = flv.samples(capture.stop())
            tracks = {one: rounds(of(source, one), of(samples, one)) for one in (VIDEO, AUDIO)}
            longest = max(length(frames[1]) for frames in tracks.values())
            for track, (_, whole, after) in tracks.items():
                seam = min(after) - max(whole) - step(whole)
                wanted = longest - length(whole)
                self.assertLess(abs(seam - wanted), 5, f"{end} {track}: {seam} ms, not {wanted}")

    def test_pictures_that_are_to_be_turned_are_told_of_once(self):
        path = self.directory / "phone.mp4"
        command = [paths.FFMPEG_CURRENT, "-nostdin", "-v", "error", "-display_rotation:v:0", "-90"]
        subprocess.run(
            [*command, "-i", paths.media("demo"), "-t", "1", "-c", "copy", path], check=True
        )
        self.serve(pull=[self.pull(path), self.pull(self.remux("demo", "mp4"), "upright")])
        capture = self.capture(self.server.flv(STREAM))
        capture.until_span(3000)
        said = "has to be shown turned right by"
        self.assertEqual(self.server.log.count(f"{STREAM} {said} 90 degrees"), 1)
        self.assertEqual(self.server.log.count(said), 1)

    def test_on_demand_it_begins_with_a_viewer_and_ends_without(self):
        path = self.remux("demo")
        self.serve(pull=[self.pull(path, on_demand=True), self.pull(path, "other")])
        self.until_live("other")
        self.assertNotIn(f"as {STREAM}\n", self.server.log)
        capture = self.capture(self.server.flv(STREAM))
        capture.until_span(1000)
        capture.stop()
        self.until_log_counts(f"playing {STREAM} file:{path}: done", 1, timeout=20)
        capture = self.capture(self.server.flv(STREAM))
        capture.until_span(1000)
        self.assertEqual(self.server.log.count(f"plays {path} as {STREAM}\n"), 2)

    def slides(self, extension, seconds):
        """A picture each so many seconds."""
        path = self.directory / f"slides.{extension}"
        source = f"testsrc=size=320x240:rate=1/{seconds}"
        command = [paths.FFMPEG_CURRENT, "-nostdin", "-v", "error", "-f", "lavfi", "-i", source]
        coded = ["-frames:v", "10", "-c:v", "libx264", "-preset", "ultrafast", "-g", "1"]
        subprocess.run([*command, *coded, "-pix_fmt", "yuv420p", path], check=True)
        return path

    def backwards(self):
        """Each of its frames comes an hour before the last."""
        data = bytearray(paths.media("demo").read_bytes())
        at, time = 13, 10**8
        while at + 11 < len(data):
            time -= 3_600_000
            stamp = (time % (1 << 32)).to_bytes(4, "big")
            data[at + 4 : at + 8] = stamp[1:] + stamp[:1]
            at += 15 + int.from_bytes(data[at + 1 : at + 4], "big")
        path = self.directory / "backwards.flv"
        path.write_bytes(data)
        return path

    def test_a_slide_show_is_played_in_its_own_time_and_jumps_are_not_played_at_once(self):
        pulls = [self.pull(self.slides(end, 90), end) for end in ("mp4", "ts", "flv")]
        pulls += [self.pull(self.backwards(), "backwards"), self.pull(self.remux("demo"), STREAM)]
        self.serve(pull=pulls)
        self.until_live(STREAM, milliseconds=4000)
        # A few seconds of the two that have more than a picture, at 25 and some 43 a second.
        self.assertLess(self.server.metric("runnel_frames_total"), 2000)

    def test_a_still_picture_is_played_for_ever_and_not_read_without_end(self):
        command = [paths.FFMPEG_CURRENT, "-nostdin", "-v", "error", "-i", paths.media("demo")]
        path = self.directory / "still.mp4"
        subprocess.run([*command, "-an", "-frames:v", "1", "-c", "copy", path], check=True)
        self.serve(pull=[self.pull(path)])
        self.capture(self.server.flv(STREAM)).until_span(2500)
        self.assertLess(self.server.metric("runnel_frames_total"), 70)
        self.assertEqual(self.server.log.count("FILEPULL1"), 2, self.server.log)

    def test_a_file_that_comes_later_is_played_then(self):
        path = self.directory / "late.mp4"
        self.serve(pull=[self.pull(path)])
        self.until_log_counts(f"playing {STREAM} file:{path}: file not found", 1)
        self.remux("demo", name="late")
        self.until_live(STREAM)

    def test_a_pipe_or_a_device_holds_up_no_other(self):
        pipe = self.directory / "pipe.flv"
        os.mkfifo(pipe)
        pulls = [self.pull(pipe, "pipe"), self.pull("/dev/zero", "zero")]
        pulls += [self.pull(self.remux("demo"), STREAM)]
        self.serve(pull=pulls)
        self.until_live(STREAM, milliseconds=1000)
        self.until_log_counts("it is not a regular file", 2)

    def test_what_is_no_media_is_said(self):
        broken = {
            "text": (b"not a film" * 100, "it is neither FLV nor MPEG-TS nor MP4"),
            "empty": (b"", "it is empty"),
            "half": (self.remux("demo").read_bytes()[:50_000], "an MP4 file without a moov"),
            "sizes": (b"\0\0\0\x08ftyp\0\0\0\x03moov" + bytes(64), "shorter than its head"),
        }
        pulls = []
        for name, (content, _) in broken.items():
            path = self.directory / name
            path.write_bytes(content)
            pulls.append(self.pull(path, name))
        pulls.append(self.pull(self.directory, "folder"))
        self.serve(pull=pulls)
        for name, (_, words) in {**broken, "folder": (b"", "it is not a regular file")}.items():
            waiting.until(
                lambda words=words, name=name: re.search(
                    f"playing {name} .*{words}; again in", self.server.log
                ),
                10,
                f"{name}: {words}",
            )

    def test_a_file_that_is_cut_off_is_played_to_its_end_and_again(self):
        path = self.directory / "cut.ts"
        path.write_bytes(self.remux("demo", "ts").read_bytes()[: 188 * 500 + 77])
        self.serve(pull=[self.pull(path)])
        capture = self.capture(self.server.flv(STREAM))
        capture.until_span(6000, timeout=20)
        self.assert_none(timeline.faults(flv.samples(capture.stop())), "the stream")

    def test_a_file_whose_times_begin_anew_is_played_in_its_order(self):
        path = self.directory / "twice.ts"
        path.write_bytes(2 * self.remux("demo", "ts", seconds=4).read_bytes())
        self.serve(pull=[self.pull(path)])
        capture = self.capture(self.server.flv(STREAM))
        capture.until_span(7000)
        samples = flv.samples(capture.stop())
        self.assert_none(timeline.faults(samples), "the stream")
        source = [one.payload for one in of(flv.samples(paths.media("demo").read_bytes()), VIDEO)]
        numbers = [source.index(one.payload) for one in of(samples, VIDEO)]
        # All of the first, but for what comes before the viewer, and then from the start on.
        turn = numbers.index(0, 1) if numbers[0] == 0 else numbers.index(0)
        self.assertEqual(numbers[:turn], list(range(numbers[0], numbers[0] + turn)))
        self.assertGreaterEqual(numbers[turn - 1], 98)
        self.assertEqual(numbers[turn : turn + 50], list(range(50)))

    def test_who_publishes_the_same_name_is_refused(self):
        self.serve(pull=[self.pull(self.remux("demo"))])
        self.until_live(STREAM)
        publisher = self.publish(STREAM)
        publisher.wait(10)
        capture = self.capture(self.server.flv(STREAM))
        capture.until_span(1000)


class Push(Replay):
    def check_sent(self, extension, media, to, *how):
        """All of a file arrives at our server, and the program ends well."""
        path = self.remux(media, extension)
        capture = self.capture(self.server.flv(STREAM))
        begun = time.monotonic()
        program = self.push(*how, path, to)
        source = flv.samples(paths.media(media).read_bytes())
        length = timeline.duration(source) / 1000
        self.assertEqual(program.wait(length + 15), 0, program.describe())
        self.assertAlmostEqual(time.monotonic() - begun, length, delta=3)
        count = len(of(source, VIDEO))
        waiting.until(
            lambda: len(of(capture.samples(), VIDEO)) >= count,
            5,
            lambda: f"{len(of(capture.samples(), VIDEO))} of {count} pictures",
        )
        samples = flv.samples(capture.stop())
        self.assertEqual(len(of(samples, VIDEO)), count)
        # Sound that comes before the first picture goes to nobody.
        self.assertGreaterEqual(len(of(samples, AUDIO)), len(of(source, AUDIO)) - 3)
        self.assertIn(samples[0].dts, range(2000), "no time is below 0")
        by_rtp = to.startswith("rtsp")
        self.assert_none(differences(source, samples, by_rtp), "what came")
        return program

    def test_mp4_by_rtmp(self):
        self.serve()
        self.check_sent("mp4", "hevc-bframes", self.server.rtmp(STREAM))
        # It says that it is over before it goes.
        self.until_log_counts(f"stops publishing {STREAM}: by request", 1)

    def test_ts_by_rtsp(self):
        self.serve()
        self.check_sent("ts", "mp3", self.server.rtsp(STREAM))

    def test_flv_by_rtsp_over_udp(self):
        self.serve()
        self.check_sent("flv", "opus", self.server.rtsp(STREAM), "--udp")

    def test_mp4_by_rtsps_with_the_authority_named(self):
        tls, authority = certificate.make_signed(self.directory, max=8)
        self.serve(tls=tls)
        path = self.remux("demo")
        for how in (["--ca", tls["key"]], ["--ca", self.directory / "absent"], []):
            program = self.push(*how, path, self.server.rtmps(STREAM))
            self.assertEqual(program.wait(10), 71, program.describe())
        said = "the certificate is not trusted (UnknownIssuer); --ca FILE trusts what"
        self.assertIn(said, program.stderr)
        self.assertIn("and --insecure any certificate", program.stderr)
        self.check_sent("mp4", "mp3", self.server.rtsps(STREAM), "--ca", authority)

    def test_by_rtmps_to_whom_nobody_has_signed(self):
        self.serve(tls=certificate.make(self.directory, max=8))
        path = self.remux("demo", seconds=2)
        program = self.push("--insecure", path, self.server.rtmps(STREAM))
        self.assertEqual(program.wait(10), 0, program.describe())

    def test_pictures_alone(self):
        self.serve(publish={"silent_audio": False})
        path = self.remux("video-only")
        capture = self.capture(self.server.flv(STREAM))
        program = self.push(path, self.server.rtmp(STREAM))
        self.assertEqual(program.wait(30), 0, program.describe())
        count = len(flv.samples(paths.media("video-only").read_bytes()))
        waiting.until(lambda: len(capture.samples()) == count, 5, "all pictures")

    def test_sound_alone_and_fast_from_its_first_frame_on(self):
        self.serve()
        path = self.remux("audio-only")
        count = len(of(flv.samples(paths.media("audio-only").read_bytes()), AUDIO))
        for to in (self.server.rtmp(STREAM), self.server.rtsp(STREAM)):
            with self.subTest(to):
                # A player would begin where it is known that there are no pictures.
                before = self.server.metric("runnel_frames_total")
                program = self.push("--speed", "10", path, to)
                self.assertEqual(program.wait(20), 0, program.describe())
                waiting.until(
                    lambda before=before: (
                        self.server.metric("runnel_frames_total") == before + count
                    ),
                    5,
                    f"{count} frames",
                )

    def test_a_file_without_frames_is_no_success(self):
        self.serve()
        nothing = self.directory / "nothing.flv"
        nothing.write_bytes(b"FLV\x01\x05\0\0\0\x09\0\0\0\0")
        other = self.directory / "other.ts"
        command = [paths.FFMPEG_CURRENT, "-nostdin", "-v", "error", "-f", "lavfi", "-i", "testsrc2"]
        subprocess.run([*command, "-t", "2", "-c:v", "mpeg2video", other], check=True)
        for path in (nothing, other):
            program = self.push(path, self.server.rtmp(STREAM))
            self.assertEqual(program.wait(10), 71, program.describe())
            self.assertIn("there is nothing in it to play", program.stderr)
        self.assertIn("video of MPEG-TS's stream type 0x02 is not carried, and is passed", program.stderr)

    def test_faster_and_for_ever(self):
        self.serve()
        path = self.remux("demo", "flv", seconds=4)
        capture = self.capture(self.server.flv(STREAM))
        begun = time.monotonic()
        program = self.push("--speed", "8", "--loop", path, self.server.rtmp(STREAM))
        capture.until_span(24_000, timeout=15)
        self.assertLess(time.monotonic() - begun, 10)
        self.assert_none(timeline.faults(flv.samples(capture.stop())), "the stream")
        self.assertIsNone(program.exit_code)

    def test_other_servers_take_it(self):
        nginx = Nginx(self)
        self.serve(pull=[{"stream": "back", "url": nginx.rtmp("there")}])
        capture = self.capture(self.server.flv("back"))
        program = self.push("--loop", self.remux("bframes"), nginx.rtmp("there"))
        capture.until_span(SECONDS * 1000, timeout=20)
        self.assertIsNone(program.exit_code)
        source = flv.samples(paths.media("bframes").read_bytes())
        self.assert_none(differences(source, flv.samples(capture.stop())), "back")

    def test_ffmpeg_gets_all_of_it_by_each_protocol(self):
        for scheme, how in (("rtmp", ["-listen", "1"]), ("rtsp", ["-rtsp_flags", "listen"])):
            with self.subTest(scheme):
                to = f"{scheme}://127.0.0.1:{free_port()}/live/{STREAM}"
                program = self.start(
                    "ffmpeg",
                    [
                        *[paths.FFMPEG_CURRENT, "-nostdin", "-hide_banner", "-v", "error"],
                        *[*how, "-listen_timeout", "20"][: 2 if scheme == "rtmp" else 4],
                        *["-i", to, "-progress", "pipe:1", "-f", "null", "-"],
                    ],
                )
                port = int(to.split("/")[2].split(":")[1])
                waiting.until(lambda port=port: listens(port), 5, program.describe)
                pushed = self.push(self.remux("demo", seconds=6, name=scheme), to)
                self.assertEqual(pushed.wait(20), 0, pushed.describe())
                self.assertEqual(program.wait(players.PLAYS_WITHIN), 0, program.describe())
                frames = int(re.findall(rb"^frame=(\d+)", program.stdout, re.MULTILINE)[-1])
                self.assertEqual(frames, 150, program.describe())

    def test_what_goes_wrong_is_said_in_one_line(self):
        self.serve()
        path = self.remux("demo", seconds=2)
        text = self.directory / "text"
        text.write_text("no film")
        there = self.server.rtmp(STREAM)
        nobody = f"rtmp://127.0.0.1:{free_port()}/live/x"
        for arguments, code, words in [
            ([], 64, "push needs a FILE and a URL"),
            ([path], 64, "push needs a FILE and a URL"),
            ([path, there, "more"], 64, "push needs a FILE and a URL"),
            (["--fast", path, there], 64, "unknown argument"),
            (["--speed", "0", path, there], 64, "between 0.01 and 100"),
            (["-c", self.directory / "absent", path, there], 78, "absent"),
            ([self.directory / "absent", there], 71, "absent: file not found"),
            ([self.directory, there], 71, "it is not a regular file"),
            ([text, there], 71, "neither FLV nor MPEG-TS nor MP4"),
            ([path, "http://127.0.0.1/x"], 64, "begins with rtsp, rtsps, rtmp, rtmps"),
            ([path, "file:/tmp/x"], 64, "URL: invalid value: not a valid URL"),
            ([path, "there"], 64, "URL: invalid value: not a valid URL"),
            ([path, "rtmp://127.0.0.1:port/live/x"], 64, "not a valid URL: the port is not a number"),
            ([path, "rtmp://127.0.0.1/a b"], 64, "not a valid URL: a space or control character"),
            ([path, nobody], 71, "cannot connect: nothing listens on that port"),
        ]:
            with self.subTest(words):
                program = self.push(*arguments)
                self.assertEqual(program.wait(10), code, program.describe())
                last = program.stderr.splitlines()[-1]
                self.assertTrue(last.startswith("runnel: "), last)
                self.assertIn(words, last)

    def test_a_server_that_goes_ends_it(self):
        self.serve_other()
        program = self.push("--loop", self.remux("demo"), url(self.other, "rtmp", STREAM))
        self.until_live(STREAM, server=self.other)
        self.other.kill()
        self.assertEqual(program.wait(10), 71, program.describe())
        self.other.start_again()


def rounds(source, played):
    """When frames are shown, in order, of the first three rounds of a track of a file."""
    found = [[]]
    for one in played:
        if one.payload == source[0].payload and found[-1]:
            found.append([])
        found[-1].append(one.pts)
    return [sorted(times) for times in found[:3]]


def step(times):
    """The usual distance of two frames."""
    return sorted(after - before for before, after in zip(times, times[1:]))[len(times) // 2]


def length(times):
    return times[-1] + step(times) - times[0]


def differences(source, played, by_rtp=False):
    """Between a file and what was played of it in its first ten seconds."""
    compare = timeline.differences_by_rtp if by_rtp else timeline.differences
    first = [one for one in played if one.dts < played[0].dts + 10_000]
    return compare(*([plain(one) for one in samples] for samples in (source, first)))


def plain(one):
    """Without what belongs to a container: MP4 has no temporal delimiters of AV1."""
    return replace(one, payload=one.payload.removeprefix(b"\x12\0"))
