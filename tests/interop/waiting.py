"""Waiting for a condition, instead of sleeping and hoping."""

import threading
import time

POLL = 0.02
# Work that takes a second on a machine with nothing else to do may take some on one that is
# shared: nothing fails for that. What is promised is measured by a `Clock`.
PATIENCE = 3


def until(condition, timeout, what):
    """Returns the first true value of `condition()`, or fails after `timeout` seconds,
    in which it is there on a machine that has time for it.

    `what` names the condition in the failure; it may be a function, to say what
    was seen instead. A file that goes while the condition looks at it is not there.
    """
    deadline = time.monotonic() + PATIENCE * timeout
    while True:
        try:
            value = condition()
        except (FileNotFoundError, ProcessLookupError):
            value = None
        if value:
            return value
        if time.monotonic() > deadline:
            said = what() if callable(what) else what
            raise AssertionError(f"not within {PATIENCE * timeout} s: {said}")
        time.sleep(POLL)


class Clock:
    """Measures what is promised, which gets no patience. The time for which the machine lets
    nobody run does not count: a thread that does nothing but sleep tells how late it is woken."""

    def __init__(self):
        self._begun = time.monotonic()
        self._late = 0
        self._stopped = False
        threading.Thread(target=self._sleep, daemon=True).start()

    def _sleep(self):
        while not self._stopped:
            asleep = time.monotonic()
            time.sleep(POLL)
            self._late += max(time.monotonic() - asleep - POLL, 0)

    def seconds(self):
        """Since it began."""
        return time.monotonic() - self._begun - self._late

    def check(self, promised, what):
        """Fails if what has come now came later than it was promised; the clock ends."""
        self._stopped = True
        took = self.seconds()
        if took > promised:
            said = what() if callable(what) else what
            raise AssertionError(f"after {took:.1f} s, and {promised} s are promised: {said}")

    def until(self, condition, promised, what):
        """As `until`, of what has to be there so many seconds after the clock began."""
        try:
            value = until(condition, promised, what)
        finally:
            self._stopped = True
        self.check(promised, what)
        return value
