"""The costs of a device for the stream that it was bought for."""

import subprocess

import paths
import waiting
from guestcase import MIB, STREAM, GuestCase
from recording import until_all_more

# Figures of the project: a stream of 2 Mbit/s to all the viewers of the profile.
VIEWERS = 16
RATE = 2_000_000
RESIDENT = 8 * MIB
SECONDS = 5
MEDIA = "two-megabits"


def make_media():
    """20 seconds of a picture whose coder fills up what it does not need."""
    path = paths.media(MEDIA)
    if not path.exists():
        part = path.with_suffix(".part")
        tone, picture = "sine=frequency=440:sample_rate=44100", "testsrc2=size=1280x720:rate=25"
        sources = ["-f", "lavfi", "-i", picture, "-f", "lavfi", "-i", tone, "-t", "20"]
        rate = [f"-{word}" for word in ("b:v", "minrate", "maxrate")]
        rates = [word for name in rate for word in (name, str(RATE - 64_000))]
        video = [*"-c:v libx264 -preset veryfast -pix_fmt yuv420p -g 25 -bf 0".split(), *rates]
        video += ["-bufsize", str(RATE // 4), "-x264-params", "nal-hrd=cbr:scenecut=0"]
        audio = "-c:a aac -b:a 64k -ac 2 -flvflags no_duration_filesize -f flv".split()
        quietly = [paths.FFMPEG_CURRENT, "-nostdin", "-v", "error", "-y"]
        subprocess.run([*quietly, *sources, *video, *audio, part], check=True)
        part.rename(path)


class Figures(GuestCase):
    def test_sixteen_viewers_of_two_megabits(self):
        make_media()
        self.publish_live(STREAM, media=MEDIA)
        # The one that looked whether it is live has left for good.
        waiting.until(lambda: self.metric("runnel_viewers") == 0, 10, "no viewer")
        captures = [self.capture(self.server.flv(STREAM)) for _ in range(VIEWERS)]
        until_all_more(captures, SECONDS * 1000)
        resident = self.machine.memory("Rss")
        self.machine.figures["playing"] = resident
        for capture in captures:
            self.check_unbroken(capture, MEDIA)
            rate = 8 * len(capture.data) / SECONDS
            self.assertGreater(rate, 0.9 * RATE, "the stream is not what it is to be")
        self.assertLessEqual(resident, RESIDENT)
        self.assertLessEqual(self.machine.memory("VmHWM"), RESIDENT)
