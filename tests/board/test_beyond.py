"""A load beyond the plan: tests/load, held against the machine."""

import os
import subprocess

import places
from guestcase import GuestCase

COMMAND = ["cargo", "test", "--all-features", "--test", "load"]
# Most of it is waiting for deadlines of seconds; what builds it has no deadline.
ENDS_WITHIN = 240
TESTS = ["refusals::", "beyond::the_first_stream"]


class Beyond(GuestCase):
    def setUp(self):
        super().setUp()
        built = subprocess.run([*COMMAND, "--no-run"], cwd=places.REPO, capture_output=True, text=True)
        self.assertEqual(built.returncode, 0, built.stderr)
        self.machine.use("beyond")
        self.addCleanup(self.machine.use, "tiny")

    def test_the_first_stream_plays_on_and_memory_stays_within_the_plan(self):
        for test in TESTS:
            self.check(test)
        peak = self.machine.memory("VmHWM")
        planned = self.machine.planned()
        self.machine.figures |= {"peak": peak, "plan": planned}
        self.assertLessEqual(peak, planned)
        kernel = self.machine.shell("dmesg").lower()
        for word in ("out of memory", "oom-kill", "invoked oom-killer"):
            self.assertNotIn(word, kernel)

    def check(self, test):
        ports = f"{self.server.rtmp_port},{self.server.http_port}"
        done = subprocess.run(
            [*COMMAND, "--", "--test-threads=1", test],
            cwd=places.REPO,
            env={**os.environ, "RUNNEL_REMOTE": ports},
            capture_output=True,
            text=True,
            timeout=ENDS_WITHIN,
        )
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertRegex(done.stdout, r"test result: ok\. [1-9]")
