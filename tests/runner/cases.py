"""Python's test cases as jobs."""

import re
import unittest

from side_by_side import Job, Skipped, timed

DENIED = r".*(operation not permitted|permission denied|must be superuser|read-only file system)"
# For these a machine may leave a test out: it cannot be otherwise there. A program that is
# missing can be installed, so that a test which is skipped for that, or for anything else,
# has failed.
MAY_BE_SKIPPED = (
    r"only root may ",  # somebody else runs the tests
    r"no network namespaces: " + DENIED,  # in a container
    r"nothing can be mounted here: " + DENIED,  # in a container
    r"no control group: " + DENIED,  # in a container
    r"no control group: no group has a limit of memory",  # the kernel was told to have none
)


class Result(unittest.TestResult):
    """Keeps, with the first failure, what the test's programs had said by then."""

    def __init__(self):
        super().__init__()
        self._evidence = ""

    def addFailure(self, test, error):
        super().addFailure(test, error)
        self._keep_evidence(test)

    def addError(self, test, error):
        super().addError(test, error)
        self._keep_evidence(test)

    def _keep_evidence(self, test):
        if not self._evidence and hasattr(test, "evidence"):
            self._evidence = test.evidence()

    def reasons(self):
        """A test with parts fails with a reason for each part."""
        if self.wasSuccessful():
            return ""
        traces = [trace for _, trace in self.failures + self.errors]
        return "\n".join([*traces, self._evidence])

    def skip_reason(self):
        return "; ".join(dict.fromkeys(" ".join(reason.split()) for _, reason in self.skipped))


def run(test):
    """The reasons for which it fails or is skipped, or none."""
    result = Result()
    test.run(result)
    reasons, skipped = result.reasons(), result.skip_reason()
    if reasons or not skipped:
        return reasons
    return Skipped(skipped) if may_be_skipped(skipped) else f"it must not be skipped: {skipped}"


def may_be_skipped(reason):
    return any(re.match(known, reason, re.IGNORECASE | re.DOTALL) for known in MAY_BE_SKIPPED)


def job(test):
    return Job(
        lambda: [timed(test.id(), lambda: run(test))],
        alone=getattr(test, "alone", False),
        takes_minutes=getattr(test, "takes_minutes", False),
    )


def found(folder, patterns):
    """Those in a folder whose names have one of the patterns in them."""
    suite = unittest.defaultTestLoader.discover(str(folder), top_level_dir=str(folder))
    # A module that imports a class of tests has them too.
    tests = {test.id(): test for test in _flat(suite)}
    return [
        test
        for name, test in tests.items()
        if not patterns or any(pattern in name for pattern in patterns)
    ]


def _flat(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from _flat(test)
        else:
            yield test
