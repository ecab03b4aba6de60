"""Runs jobs side by side, each worker in a process and a network of its own.

A job in which a test fails is run once more, alone: a test that passes in one of both
is flaky.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import NamedTuple

NEW_NETWORK = 0x40000000
DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG
_libc = ctypes.CDLL(None, use_errno=True)

# The jobs of this run: workers are forked and find theirs by its number.
_jobs = []


class Skipped(str):
    """The reason why a test was left out."""


class Outcome(NamedTuple):
    """Of one test. `reasons` says why it failed, if it ever did; `figures` are what it
    measured; one that was `skipped` for some reason neither passed nor failed."""

    name: str
    passed: bool
    reasons: str = ""
    figures: dict = {}
    skipped: str = ""

    @property
    def flaky(self):
        return self.passed and bool(self.reasons)

    def and_then(self, again):
        """Of a test that ran twice."""
        return Outcome(
            self.name,
            self.passed or again.passed,
            self.reasons or again.reasons,
            again.figures or self.figures,
            self.skipped or again.skipped,
        )


class Job(NamedTuple):
    """`run` returns the outcomes of one test or more. It has its share of the machine,
    or all of it if it is `alone`; one that `takes_minutes` begins before others."""

    run: callable
    alone: bool = False
    takes_minutes: bool = False


def timed(name, test):
    """The outcome of a test that returns the reasons for which it failed or was `Skipped`,
    or none."""
    begun = time.monotonic()
    reasons = test()
    skipped, reasons = (reasons, "") if isinstance(reasons, Skipped) else ("", reasons)
    word = "FAILED" if reasons else "skip  " if skipped else "ok    "
    # One write, so that the lines of two workers do not mix.
    sys.stdout.write(f"{word} {time.monotonic() - begun:6.1f} s  {name}\n")
    sys.stdout.flush()
    return Outcome(name, not reasons, reasons, skipped=skipped)


def run(jobs, workers, stop=lambda: None, own_network=True):
    """The outcomes of all; `stop` ends what a worker has started when the run is ended
    from outside."""
    _jobs[:] = jobs

    def outcomes(numbers, workers):
        if not numbers:
            return []
        # A worker is forked and not started anew: it has all jobs already.
        begin = (_begin, (stop, own_network))
        with ProcessPoolExecutor(workers, get_context("fork"), *begin) as pool:
            return list(zip(numbers, pool.map(_run_one, numbers)))

    numbers = range(len(jobs))
    alone = [number for number in numbers if jobs[number].alone]
    together = [number for number in numbers if not jobs[number].alone]
    together.sort(key=lambda number: not jobs[number].takes_minutes)
    first = outcomes(alone, 1) + outcomes(together, workers)
    failed = [number for number, tests in first if not all(test.passed for test in tests)]
    again = dict(outcomes(failed, 1))
    return [test for number, tests in first for test in _both(tests, again.get(number, []))]


def _both(first, again):
    tests = {}
    for test in [*first, *again]:
        before = tests.get(test.name)
        tests[test.name] = before.and_then(test) if before else test
    return tests.values()


def _begin(stop, own_network):
    def end(*_):
        stop()
        os._exit(1)

    _libc.prctl(DEATH_SIGNAL, signal.SIGTERM)
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    # A process that may not have one shares the machine's: ports are chosen at random anyway.
    if own_network and _libc.unshare(NEW_NETWORK) == 0:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


def _run_one(number):
    return _jobs[number].run()
