"""Where things are, and how they are run."""

import os
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BOARD = ROOT / "board"
BUILDROOT = ROOT / "buildroot"
OPENWRT = BOARD / "openwrt" / "runnel"
# As boards have it: without TLS, whose code would be in the budgets too.
RUNNEL = Path(os.environ.get("RUNNEL", ROOT / "dist" / "x86_64" / "runnel"))
# As it is without a choice of features: what is built from source ships this.
FULL = Path(os.environ.get("RUNNEL_FULL", ROOT / "target" / "release" / "runnel"))


def cargo():
    return tomllib.loads((ROOT / "Cargo.toml").read_text())


def output(*command, ok=True, **how):
    """What a command says, on both its outputs; it must end well unless `ok` is false."""
    done = subprocess.run(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **how,
    )
    if ok and done.returncode != 0:
        raise AssertionError(f"{command[0]} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def ours(pattern):
    """Files of that pattern in the folders that are checked here."""
    folders = (BOARD, BUILDROOT, ROOT / "tests" / "package")
    return sorted(path for folder in folders for path in folder.rglob(pattern) if path.is_file())
