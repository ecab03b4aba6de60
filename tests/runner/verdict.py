"""The result of a run of tests: reasons, failed, flaky and skipped ones, each in a line, and
a line that sums it up."""

import re
from pathlib import Path

# The error of each flaky test, of one run of tests/run.
FLAKY = Path(__file__).resolve().parents[2] / "target" / "flaky.txt"
FLAKY_ALLOWED = 3
# The line of a reason that says most: it follows where the error was raised.
ERROR = re.compile(r"([\w.]+\.)?\w*(Error|Exception|Expired|Unavailable)\b")
LONGEST = 300


def tell(kind, outcomes):
    """Prints it; returns the exit code."""
    failed = [one for one in outcomes if not one.passed]
    flaky = [one for one in outcomes if one.flaky]
    for one in failed:
        print(f"\n==== {one.name}\n{one.reasons}")
    _keep(kind, flaky)
    for word, those in (("failed", failed), ("flaky", flaky)):
        for one in those:
            print(f"{word}: {one.name} ({in_a_line(one.reasons)})")
    skipped = [one for one in outcomes if one.skipped]
    for one in skipped:
        print(f"skipped: {one.name} ({one.skipped})")
    if skipped:
        print(f"{kind}: {len(skipped)} skipped")
    passed = len(outcomes) - len(failed) - len(skipped)
    print(f"{kind}: {passed} passed; {len(failed)} failed; {len(flaky)} flaky", flush=True)
    return 1 if failed or not outcomes or len(flaky) > FLAKY_ALLOWED else 0


def in_a_line(reasons):
    lines = [line.strip() for line in reasons.splitlines() if line.strip()]
    errors = [line for line in lines if ERROR.match(line)]
    return " ".join(errors[:1] or lines[:3])[:LONGEST]


def _keep(kind, flaky):
    if flaky:
        FLAKY.parent.mkdir(exist_ok=True)
        with open(FLAKY, "a") as file:
            for one in flaky:
                file.write(f"==== {kind} {one.name}\n{one.reasons}\n")
