"""G.711, which nearly every camera sends: fragmented MP4 has it as FLAC, sample for sample."""

import re
import subprocess

import flv
import mp4
import paths
import players
import publishers
import sample
import waiting
from case import Case
from chromium import Chromium
from hls_capture import get
from test_record import Recording

STREAM = "cam"
SECONDS = 4
RATE = 8000
PUBLISHES_WITHIN = 20
# Three decoders of pictures on a busy machine.
BROWSERS_PLAY_WITHIN = 60
# A tone that rises, so that each place in it is told from any other, and noise.
SOUND = "aevalsrc='{}':s={}:c={}"
RISING = "0.4*sin(400*t*t)+0.1*random(0)"


def decoded(source, *options):
    """The samples of the first audio track, 16 bits each."""
    command = [paths.FFMPEG_CURRENT, "-nostdin", "-v", "error", *options, "-i", source]
    command += ["-map", "0:a:0", "-f", "s16le", "-"]
    said = subprocess.run(command, capture_output=True, check=False, timeout=PUBLISHES_WITHIN)
    assert (said.returncode, said.stderr) == (0, b""), said.stderr
    return said.stdout


class Samples(Case):
    """ffmpeg decodes the stream to the same samples as the codes themselves."""

    def check_capture(self, url, source, rate=RATE, channels=1):
        capture = self.capture(url)
        capture.until_span(SECONDS * 1000, PUBLISHES_WITHIN)
        data = capture.stop()
        samples = mp4.samples(data)
        self.assertEqual(sample.codecs(samples), {"h264", "flac"}, url)
        self.assert_decodes(data, SECONDS - 1)
        path = self.directory / "played.mp4"
        path.write_bytes(data)
        self.check_sound(path, source, rate, channels)

    def check_sound(self, path, source, rate=RATE, channels=1):
        # The frame that was cut off at the end is left out.
        played = decoded(path, "-t", str(SECONDS - 1))
        self.assertGreaterEqual(len(played), (SECONDS - 1) * rate * channels * 2 - 1000)
        self.assertIn(played, source)

    def check_rtmp(self, media):
        self.serve()
        self.publish_live(STREAM, media=media, loop=False)
        source = decoded(paths.media(media))
        for url in (self.server.mp4(STREAM), self.server.ws_mp4(STREAM)):
            self.check_capture(url, source)
        self.assertNotIn("mp4 cannot carry", self.server.log)

    def test_a_law_by_rtmp(self):
        self.check_rtmp("alaw")

    def test_mu_law_by_rtmp(self):
        self.check_rtmp("ulaw")

    def check_rtsp(self, codec, rate, channels, size=None):
        source = self.publish_sound(codec, rate, channels, size)
        self.check_capture(self.server.mp4(STREAM), source, rate, channels)

    def publish_sound(self, codec, rate, channels, size=None):
        """Publishes by RTSP, `size` samples in a packet; returns what they are decoded to."""
        self.serve()
        path = self.directory / "source.mkv"
        expressions = "|".join([RISING, "0.3*sin(3000*t)"][:channels])
        layout = {1: "mono", 2: "stereo"}[channels]
        sound = SOUND.format(expressions, rate, layout)
        if size:
            sound += f",asetnsamples=n={size}:p=0"
        self.run_ffmpeg(
            *["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25", "-f", "lavfi", "-i", sound],
            *["-t", "14", "-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-g", "25"],
            *["-pix_fmt", "yuv420p", "-c:a", codec, path],
        )
        self.start(
            "publisher",
            [
                *[paths.FFMPEG_CURRENT, "-nostdin", "-v", "warning", "-re", "-i", path],
                *["-c", "copy", "-f", "rtsp", "-rtsp_transport", "tcp", self.server.rtsp(STREAM)],
            ],
        )
        return decoded(path)

    def run_ffmpeg(self, *arguments):
        command = [paths.FFMPEG_CURRENT, "-nostdin", "-v", "error", *arguments]
        subprocess.run(command, check=True, timeout=PUBLISHES_WITHIN)

    def test_a_law_by_rtsp(self):
        self.check_rtsp("pcm_alaw", RATE, 1)

    def test_mu_law_by_rtsp_in_stereo_of_16_khz(self):
        self.check_rtsp("pcm_mulaw", 16_000, 2)

    def test_flv_leaves_out_what_is_not_of_8_khz(self):
        self.publish_sound("pcm_alaw", 16_000, 1)
        capture = self.capture(self.server.flv(STREAM))
        capture.until_span(1000, PUBLISHES_WITHIN)
        data = capture.stop()
        self.assertEqual(sample.codecs(flv.samples(data)), {"h264"})
        self.assertEqual(data[4], 1, "the head tells of pictures alone")
        self.assertIn("flv cannot carry PCMA of 16000 Hz in 1 channel", self.server.log)

    def test_packets_of_an_odd_length(self):
        self.check_rtsp("pcm_mulaw", RATE, 1, size=77)

    def test_packets_shorter_than_a_stream_may_say(self):
        self.check_rtsp("pcm_alaw", RATE, 1, size=15)


class FromGstreamer(Case):
    def test_by_rtsp(self):
        self.serve(hls={"segment": "1s"})
        url = self.server.rtsp(STREAM)
        sound = "audiotestsrc is-live=true ! audio/x-raw,rate=8000,channels=1 ! alawenc ! sink."
        self.start(
            "publisher",
            [
                *"gst-launch-1.0 -q rtspclientsink name=sink protocols=tcp".split(),
                *[f"location={url}", *f"{publishers.GSTREAMER_VIDEO} ! sink. {sound}".split()],
            ],
        )
        capture = self.capture(self.server.mp4(STREAM))
        capture.until_span(SECONDS * 1000, PUBLISHES_WITHIN)
        data = capture.stop()
        self.assertEqual(sample.codecs(mp4.samples(data)), {"h264", "flac"})
        # ffmpeg reads one head of a file, and pictures may have got another.
        path = self.directory / "played.mp4"
        path.write_bytes(mp4.files(data)[-1])
        self.assertGreater(len(decoded(path)), (SECONDS - 1) * RATE * 2)
        vlc = players.Vlc(self, self.server.hls(STREAM))
        vlc.until_decoded()


class InBrowsers(Case):
    def check(self, publish):
        server = self.serve(hls={"segment": "1s"})
        publish(STREAM, media="alaw")
        self.until_hls(STREAM)
        status, _, playlist = get(server.hls(STREAM))
        self.assertEqual(status, 200)
        self.assertIn(b"#EXT-X-MAP", playlist)
        chromium = Chromium(
            self,
            [
                {"name": "http", "kind": "native", "url": server.mp4(STREAM)},
                {"name": "mse", "kind": "mse", "url": server.ws_mp4(STREAM)},
                {"name": "hls.js", "kind": "hls.js", "url": server.hls(STREAM)},
            ],
        )
        first = chromium.until(
            lambda name, one: one["audio"] > 0, "sound on each", BROWSERS_PLAY_WITHIN
        )

        def goes_on(name, player):
            more = {what: player[what] - first[name][what] for what in ("audio", "time", "frames")}
            # A second of FLAC has some thousand bytes: the tone is nearly what 8 kHz allow.
            enough = more["time"] >= SECONDS and more["audio"] > 1000 * SECONDS
            return enough and more["frames"] > 0

        report = chromium.until(
            goes_on, f"{SECONDS} more seconds on each", BROWSERS_PLAY_WITHIN
        )
        for name, player in report.items():
            # The order of pictures is another test's: here three decoders share a machine.
            errors = [one for one in player["errors"] if not one.startswith("picture of")]
            self.assertEqual(errors, [], name)

    def test_by_rtmp(self):
        self.check(self.publish_live)

    def test_by_rtsp(self):
        self.check(self.publish_rtsp_live)


class Automatic(Case):
    """hls.format = "auto", which is the default."""

    def maps(self, media):
        self.publish_live(STREAM, media=media)
        capture = self.capture_hls(self.server.hls(STREAM))
        capture.until(lambda one: len(one.segments) >= 2, 30, "2 segments")
        capture.stop()
        self.assert_none(capture.faults, "playlist")
        return {segment.map is not None for segment, _ in capture.segments}

    def test_ts_where_it_carries_all(self):
        self.serve(hls={"segment": "1s"})
        self.assertEqual(self.maps("demo"), {False})

    def test_fmp4_for_g711_without_a_word_of_what_ts_lacks(self):
        self.serve(hls={"segment": "1s"})
        self.assertEqual(self.maps("ulaw"), {True})
        self.assertNotIn("cannot carry", self.server.log)

    def test_fmp4_for_av1(self):
        self.serve(hls={"segment": "1s"})
        self.assertEqual(self.maps("av1"), {True})

    def test_a_player_that_comes_before_the_publisher(self):
        self.serve(hls={"segment": "1s"}, log={"level": "debug"})
        capture = self.capture_hls(self.server.hls(STREAM))
        self.until_log_counts(f"stream={STREAM} HLS waits", 1)
        self.publish(STREAM, media="alaw")
        capture.until(lambda one: len(one.segments) >= 2, 30, "2 segments")
        capture.stop()
        self.assertEqual({segment.map is not None for segment, _ in capture.segments}, {True})

    def test_pictures_that_ts_lacks_begin_a_new_playlist(self):
        self.serve(hls={"segment": "1s"})
        publisher = self.publish_live(STREAM)
        url = self.server.hls(STREAM)
        self.until_hls(STREAM)
        self.assertNotIn(b"#EXT-X-MAP", get(url)[2])
        publisher.stop()
        self.until_log_counts(f"stops publishing {STREAM}", 1)
        self.publish(STREAM, media="av1")
        waiting.until(lambda: b"#EXT-X-MAP" in get(url)[2], 30, lambda: get(url)[2].decode())
        playlist = get(url)[2].decode()
        self.assertIsNone(re.search(r"\.ts$", playlist, re.MULTILINE), playlist)

    def test_a_folder_has_what_the_playlist_names(self):
        folder = self.directory / "store"
        folder.mkdir()
        self.serve(hls={"segment": "1s", "store": folder, "on_demand": False})
        self.assertEqual(self.maps("alaw"), {True})
        record = waiting.until(
            lambda: next((one for one in folder.rglob("record.m3u8")), None), 10, "record.m3u8"
        )
        self.assertIn("#EXT-X-MAP", record.read_text())
        self.assertEqual({one.suffix for one in folder.rglob("*-*.*")}, {".m4s", ".mp4"})


class Recorded(Recording):
    check_sound = Samples.check_sound

    def test_as_fmp4(self):
        self.serve(record=[self.record(format="fmp4")])
        publisher = self.publish_live(STREAM, media="alaw", loop=False)
        self.until_live(STREAM, milliseconds=(SECONDS + 1) * 1000)
        publisher.stop()
        self.until_closed()
        (path,) = self.files("mp4")
        self.check_sound(path, decoded(paths.media("alaw")))
        self.assertGreater(float(self.probe(path)["duration"]), SECONDS)
