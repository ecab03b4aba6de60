"""Python's test cases as jobs."""

import unittest

from side_by_side import Job, timed


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


def run(test):
    """The reasons for which it fails, or none."""
    result = Result()
    test.run(result)
    return result.reasons()


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
