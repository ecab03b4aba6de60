"""Paths: those of interop and of the runner, and those that only the machines need."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPO = HERE.parents[1]
sys.path += [str(REPO / "tests" / folder) for folder in ("interop", "runner")]

import paths  # noqa: E402  (interop's; only now it can be found)

BOARD = paths.CACHE / "board"
# The folder in which board/build leaves the programs that go into the machines.
DIST = Path(os.environ.get("RUNNEL_DIST", REPO / "dist"))
