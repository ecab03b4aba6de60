"""Paths, and the ways in which programs are run."""

import os
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BOARD = ROOT / "board"
BUILDROOT = ROOT / "buildroot"
OPENWRT = BOARD / "openwrt" / "runnel"
# As devices have it, by board/build.
RUNNEL = Path(os.environ.get("RUNNEL", ROOT / "dist" / "x86_64" / "runnel"))
# The preset for those with less flash: FEATURES=small board/build -o dist/small x86_64.
SMALL = Path(os.environ.get("RUNNEL_SMALL", ROOT / "dist" / "small" / "x86_64" / "runnel"))
# As cargo builds it: what is built from source ships this.
FULL = Path(os.environ.get("RUNNEL_FULL", ROOT / "target" / "release" / "runnel"))


def cargo():
    return tomllib.loads((ROOT / "Cargo.toml").read_text())


def device_profile():
    """Cargo.toml's profile for devices but for symbols, as cargo's variables for `release`. What is said of
    single packages is of symbols alone."""
    profiles = cargo()["profile"]
    profile = profiles["release"] | profiles["dist"]
    symbols = ("inherits", "strip", "debug", "package")
    assert all(set(package) == {"debug"} for package in profile.get("package", {}).values())
    return {
        "CARGO_PROFILE_RELEASE_" + key.upper().replace("-", "_"): str(value)
        for key, value in profile.items()
        if key not in symbols
    }


def output(*command, ok=True, **how):
    """The output of a command, of both kinds; it must end well unless `ok` is false."""
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
