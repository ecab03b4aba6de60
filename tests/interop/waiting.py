"""Waiting for a condition, instead of sleeping and hoping."""

import time

POLL = 0.02


def until(condition, timeout, what):
    """Returns the first true value of `condition()`, or fails after `timeout` seconds.

    `what` names the condition in the failure; it may be a function, to say what
    was seen instead.
    """
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            said = what() if callable(what) else what
            raise AssertionError(f"not within {timeout} s: {said}")
        time.sleep(POLL)
