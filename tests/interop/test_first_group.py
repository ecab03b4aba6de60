"""The first group of pictures of a stream that fills its memory within a second."""

import subprocess

import flv
import paths
import timeline
import waiting
from case import Case
from sample import VIDEO, of

STREAM = "cam"
# The stream of a camera: 4 Mbit/s, a key frame every 10 s.
RATE = "4M"
SECONDS = 14
KEY_FRAMES = 250
ENCODES_WITHIN = 120
RECORDED_WITHIN = 60
# Seconds that come at once, as from one who sends what it has kept.
BURST = 1
# Of a file: some seconds of pictures.
ENOUGH = 1 << 20
# The least that a profile has.
STREAMS = {"max": 2, "memory": "640KiB", "max_frame": "256KiB"}
# A push has to connect before its stream has more than that.
PUSHED = {"max": 2, "memory": "4MiB", "max_frame": "256KiB"}


class FirstGroup(Case):
    def setUp(self):
        super().setUp()
        self.film = self.directory / "film.flv"
        command = [
            *[paths.FFMPEG_CURRENT, "-nostdin", "-v", "error", "-f", "lavfi"],
            *["-i", f"testsrc2=size=640x360:rate=25:duration={SECONDS},noise=alls=20:allf=t"],
            *["-c:v", "libx264", "-preset", "ultrafast", "-g", str(KEY_FRAMES), "-sc_threshold", "0"],
            *["-b:v", RATE, "-maxrate", RATE, "-bufsize", "400k", "-bf", "0", self.film],
        ]
        subprocess.run(command, check=True, timeout=ENCODES_WITHIN)
        self.first = of(flv.samples(self.film.read_bytes()), VIDEO)[0]

    def publish_film(self):
        return self.start(
            "publisher",
            [
                *[paths.FFMPEG_CURRENT, "-nostdin", "-hide_banner", "-v", "warning", "-readrate", "1", "-readrate_initial_burst", str(BURST)],
                *["-i", self.film, "-c", "copy", "-f", "flv", self.server.rtmp(STREAM)],
            ],
        )

    def test_is_recorded(self):
        folder = self.directory / "recorded"
        folder.mkdir()
        self.serve(streams=STREAMS, record=[{"streams": "*", "path": folder}])
        self.publish_film()
        self.until_recorded(folder)
        self.server.stop()
        self.assert_has_the_first(folder)

    def test_is_pushed_by_a_pattern(self):
        self.check_push("rtmp")

    def test_is_pushed_by_a_pattern_over_rtsp(self):
        self.check_push("rtsp")

    def check_push(self, scheme):
        folder = self.directory / "recorded"
        folder.mkdir()
        # It has room, so that what it does not record has not come.
        other = self.serve_another(
            "other", streams={"max": 2, "memory": "8MiB"}, record=[{"streams": "*", "path": folder}]
        )
        url = getattr(other, scheme)("").removesuffix("/")
        self.serve(streams=PUSHED, push=[{"stream": "*", "url": url}])
        self.publish_film()
        self.until_recorded(folder)
        other.stop()
        self.assert_has_the_first(folder)

    def until_recorded(self, folder):
        enough = lambda: any(one.stat().st_size > ENOUGH for one in folder.glob("*.flv"))
        waiting.until(enough, RECORDED_WITHIN, f"{ENOUGH} bytes in {folder}")

    def assert_has_the_first(self, folder):
        (file,) = folder.glob("*.flv")
        samples = flv.samples(file.read_bytes())
        self.assertEqual(of(samples, VIDEO)[0].payload, self.first.payload)
        self.assert_none(timeline.faults(samples), file.name)
