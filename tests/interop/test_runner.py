"""The runner of all these tests names those that it left out, with the reason."""

import io
import signal
import subprocess
import sys
import time
import unittest
from contextlib import redirect_stdout
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from unittest import mock

import cases
import verdict
import waiting
from side_by_side import Outcome, timed

# Has a clock, is stopped for a second, and waits until that second does not count.
STOPS = """
import sys, time
sys.path.insert(0, sys.argv[1])
import waiting
begun, clock = time.monotonic(), waiting.Clock()
print(flush=True)
input()
waiting.until(lambda: time.monotonic() - begun - clock.seconds() > 0.9, 5, "that it is left out")
"""


def outcome(body):
    """Of a test that does that."""

    class Example(unittest.TestCase):
        def runTest(self):
            body(self)

    with redirect_stdout(io.StringIO()):
        return timed("example", lambda: cases.run(Example()))


def told(outcomes):
    """The exit code and the lines of a run, of which nothing is kept."""
    keep = mock.patch.object(verdict, "_keep")
    with keep, redirect_stdout(io.StringIO()) as lines:
        code = verdict.tell("example", outcomes)
    return code, lines.getvalue().splitlines()


class Failing(unittest.TestCase):
    def test_the_last_lines_name_each_with_its_error(self):
        def body(test):
            test.assertEqual(503, 200, "of /healthz")

        failed = outcome(body)
        flaky = failed._replace(name="other", passed=True)
        panic = "thread 'main' panicked at src/lib.rs:1:\nno such place\nnote: run with more"
        code, lines = told([failed, flaky, Outcome("cargo", False, panic)])
        self.assertEqual(code, 1)
        self.assertEqual(
            lines[-4:],
            [
                "failed: example (AssertionError: 503 != 200 : of /healthz)",
                f"failed: cargo ({' '.join(panic.splitlines())})",
                "flaky: other (AssertionError: 503 != 200 : of /healthz)",
                "example: 1 passed; 2 failed; 1 flaky",
            ],
        )


class Skipping(unittest.TestCase):
    def check_skipped(self, check, *reasons):
        """Of what comes of tests that are skipped, one for each of these reasons."""
        for reason in reasons:
            with self.subTest(reason=reason):
                check(reason, outcome(lambda test, reason=reason: test.skipTest(reason)))

    def test_one_that_the_machine_cannot_have_is_told_and_has_not_passed(self):
        def check(reason, one):
            code, lines = told([one, Outcome("other", True)])
            self.assertEqual(code, 0)
            self.assertIn(f"skipped: example ({' '.join(reason.split())})", lines)
            last = ["example: 1 skipped", "example: 1 passed; 0 failed; 0 flaky"]
            self.assertEqual(lines[-2:], last)

        self.check_skipped(
            check,
            "only root may make a control group",
            "no network namespaces: [Errno 1] Operation not permitted",
            "nothing can be mounted here: mount: /card:\n must be superuser to use mount.",
            "no control group: [Errno 30] Read-only file system: '/sys/fs/cgroup/memory/one'",
            "no control group: no group has a limit of memory",
        )

    def test_one_for_which_a_program_is_missing_has_failed(self):
        def check(reason, one):
            self.assertFalse(one.passed)
            self.assertIn(reason, one.reasons)

        self.check_skipped(
            check,
            "there is no ffmpeg",
            "no network namespaces: [Errno 2] No such file or directory: 'ip'",
            "nothing can be mounted here: mount: /card: unknown filesystem type 'ext4'.",
            "no control group: [Errno 2] No such file or directory: 'memory.limit_in_bytes'",
        )

    def test_one_that_fails_in_part_is_not_skipped(self):
        def body(test):
            with test.subTest(part=1):
                test.skipTest("only root may do that")
            with test.subTest(part=2):
                test.fail("the other part")

        one = outcome(body)
        self.assertFalse(one.passed)
        self.assertIn("the other part", one.reasons)


class Promises(unittest.TestCase):
    def test_what_is_promised_gets_no_patience(self):
        begun = time.monotonic()
        with self.assertRaisesRegex(AssertionError, "0.2 s are promised: a moment"):
            waiting.Clock().until(lambda: time.monotonic() - begun > 0.4, 0.2, "a moment")

    def test_the_time_for_which_nobody_may_run_does_not_count(self):
        command = [sys.executable, "-c", STOPS, Path(__file__).parent]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as program:
            program.stdout.readline()
            program.send_signal(signal.SIGSTOP)
            time.sleep(1)
            program.send_signal(signal.SIGCONT)
            program.communicate(b"\n", timeout=60)
        self.assertEqual(program.returncode, 0)


class OnceMore(unittest.TestCase):
    def test_the_executable_of_a_test_that_failed_runs_without_the_others(self):
        path = Path(verdict.__file__).parent / "cargo"
        loader = SourceFileLoader("runner_cargo", str(path))
        runner = module_from_spec(spec_from_loader(loader.name, loader))
        loader.exec_module(runner)
        command = "cargo test --lib --bins --test flow --test rtsp --features rtmp,http"
        words = runner.unselected(command.split())
        self.assertEqual(words, "cargo test --features rtmp,http".split())
