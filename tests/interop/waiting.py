"""Waiting for a condition, instead of sleeping and hoping."""

import time

POLL = 0.02
# What takes a second on a machine with nothing else to do may take some on one that is
# shared: nothing fails for that. Who measures a time has a clock of its own.
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
