"""Viewers that read little, of a stream with few key frames: who takes something stays."""

import itertools
import re
import subprocess

import flv
import paths
import players
import rtsp_client
import straw
import waiting
from rtsp_case import STREAM, RtspCase

# Of each kind of connection so many take one byte each second, and one half of what comes.
TRICKLING = 4
TRICKLE, HALF = 1, 250_000
SECONDS, GROUP = 20, 250
# So many seconds it is watched how they fare.
WATCHED = 15
BETWEEN = 1000 / 25


class Straw(rtsp_client.RtspClient):
    def _connect(self, port, timeout):
        self.socket = straw.connect(port)


class SlowViewers(RtspCase):
    def setUp(self):
        super().setUp()
        self.make_media()
        # As "router" has it, but that nobody goes for what it does not take itself.
        self.serve(
            streams={"max": 1, "memory": "1536KiB", "max_frame": "768KiB"},
            viewers={"max": 64, "slow": "10m", "send_buffer": "16KiB"},
            log={"level": "debug"},
        )
        self.publish_live(STREAM, media=self.directory / "media")
        # Each begins in the middle of other frames than the others.
        self.later = itertools.count(1)

    def make_media(self):
        """4 Mbit/s, and 10 s from one key frame to the next."""
        source = f"testsrc2=size=640x360:rate=25:duration={SECONDS},noise=alls=30:allf=t"
        rate = "-b:v 4M -minrate 4M -maxrate 4M -bufsize 2M"
        group = f"-g {GROUP} -keyint_min {GROUP} -sc_threshold 0"
        command = f"-v error -f lavfi -i {source} -c:v libx264 -preset ultrafast {rate} {group}"
        path = self.directory / "media.flv"
        subprocess.run([paths.FFMPEG_CURRENT, *command.split(), path], check=True, timeout=120)

    def free(self):
        return 4 + 0.3 * next(self.later)

    def by_http(self, rate):
        one = straw.connect(self.server.http_port)
        self.addCleanup(one.close)
        one.sendall(f"GET /live/{STREAM}.flv HTTP/1.0\r\n\r\n".encode())
        return straw.Straw(one, self.free(), rate)

    def by_rtsp(self, rate):
        client = Straw(self.server.rtsp_port)
        self.addCleanup(client.close)
        self.play(client, tracks=(0,))
        return straw.Straw(client.socket, self.free(), rate)

    def by_rtmp(self, rate):
        between = straw.Between(self, self.server.rtmp_port, self.free(), rate)
        url = f"rtmp://127.0.0.1:{between.port}/live/{STREAM}"
        self.start("rtmpdump", players.rtmpdump(url, self.directory / f"{between.port}.flv"))
        return waiting.until(lambda: between.straw, 10, "rtmpdump comes")

    def test_those_that_take_something_stay_and_others_miss_nothing(self):
        ways = (self.by_http, self.by_rtsp, self.by_rtmp)
        server = self.server
        urls = [server.flv(STREAM), server.ws_flv(STREAM)]
        healthy = [self.capture_rtmp(server.rtmp(STREAM)), *map(self.capture, urls)]
        half = [way(HALF) for way in ways]
        trickling = [way(TRICKLE) for _ in range(TRICKLING) for way in ways]
        slow = half + trickling
        waiting.until(lambda: all(one.is_slow for one in slow), 60, "all are slow")
        enough = [len(one.data) + WATCHED * 2 * HALF for one in healthy]
        waiting.until(
            lambda: all(len(one.data) > size for one, size in zip(healthy, enough)),
            10 * WATCHED,
            lambda: f"{enough} bytes, there are {[len(one.data) for one in healthy]}",
        )
        self.assert_none([f"{one.ended}" for one in slow if one.ended], "that have gone")
        self.assertEqual(self.server.metric('runnel_closed_total{reason="slow"}'), 0)
        for one in healthy:
            times = [sample.dts for sample in one.samples()]
            jumps = [later - at for at, later in zip(times, times[1:]) if later - at > BETWEEN + 1]
            self.assertEqual(jumps, [], one.url)
        # The log has that among the lines of their sessions.
        skips = [line for line in server.log.splitlines() if "too far behind" in line]
        self.assertGreater(len(skips), 0)
        named = rf"\bid=(FLVPUBSUB|RTSPSUB|RTMPPUBSUB)\d+ stream={STREAM} "
        self.assert_none([line for line in skips if not re.search(named, line)], "of no session")
        # It skips, and what it gets are whole frames.
        read = half[0].data.split(b"\r\n\r\n", 1)[1]
        pictures = [sample for sample in flv.samples(read)]
        self.assertGreater(sum(picture.key for picture in pictures), 1)
