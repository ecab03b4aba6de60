#!/usr/bin/python3
"""The budgets in the boards' readmes: run by hand, it writes them as runnel --plan prints them."""

import re
import sys

sys.dont_write_bytecode = True

import places

# "BUDGET FILE" where a budget has never been written, or the table that was.
PLAN = r"(?:BUDGET [\w.]+\n|worst case +count.*\n(?:.+\n)+)"


def boards():
    return [path.parent for path in sorted(places.BOARD.glob("*/runnel.toml"))]


def readmes():
    return [(board, (board / "readme.txt").read_text()) for board in boards()]


def with_plans(board, text):
    """The readme's text with what the program plans for the board's configuration."""
    plan = places.output(places.RUNNEL, "--plan", "-c", board / "runnel.toml")
    changed, count = re.subn(PLAN, lambda _: plan, text)
    if count != 1:
        raise AssertionError(f"{board.name}/readme.txt has {count} budgets")
    return changed


if __name__ == "__main__":
    for board, text in readmes():
        (board / "readme.txt").write_text(with_plans(board, text))
