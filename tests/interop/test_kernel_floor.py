"""The server on a kernel that knows nothing newer than Linux 3.10.

tests/board/floor.c makes the kernel forget the rest, and says what that is.
"""

import subprocess
import time

import paths
import players
from case import Case
from raw_http import RawHttp

FLOOR = paths.REPO / "tests" / "board" / "floor.c"
STREAM = "cam"
SECONDS = 3
FILTERED = ["2"]


class KernelFloor(Case):
    def setUp(self):
        super().setUp()
        floor = self.directory / "floor"
        subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", "-o", floor, FLOOR], check=True)
        self.serve([floor], connections={"handshake": "1s"})

    def test_it_plays_and_its_timers_fire(self):
        self.assertEqual(self.server.status("Seccomp"), FILTERED)
        self.publish_live(STREAM)
        server = self.server
        for url in (server.rtmp(STREAM), server.flv(STREAM), server.ts(STREAM), server.hls(STREAM)):
            program = self.start("play", players.ffmpeg_decode(paths.FFMPEG_CURRENT, url, SECONDS))
            program.wait(SECONDS + 20)
            self.assert_none(players.ffmpeg_faults(program, SECONDS), url)
        self.check_deadline()

    def check_deadline(self):
        """A client that sends half a message is closed in time."""
        connection = RawHttp(self.server.rtmp_port, timeout=15)
        self.addCleanup(connection.close)
        begun = time.monotonic()
        connection.send(b"\x03")
        self.assertTrue(connection.ends())
        self.assertGreater(time.monotonic() - begun, 0.5)
