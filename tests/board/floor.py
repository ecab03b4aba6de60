"""Compiles floor.c for a target, with the compiler of board/build."""

import hashlib
import os
import subprocess
from pathlib import Path

import places

SOURCE = places.HERE / "floor.c"
VENV = Path(os.environ.get("RUNNEL_BOARD_CACHE", Path.home() / ".cache" / "runnel-board"), "venv")
# With these and the target's own, zig finds the C library that board/build has made;
# to make another takes it a minute.
LIKE_RUNNEL = ("-g", "-fno-sanitize=all")


def build(target):
    """The static program; compiled again only if something has changed."""
    words = [*LIKE_RUNNEL, *target.zig.split(), "-static"]
    seal = hashlib.sha256(SOURCE.read_bytes() + " ".join(words).encode()).hexdigest()[:16]
    program = places.BOARD / "floor" / f"{target.name}-{seal}"
    if not program.exists():
        program.parent.mkdir(parents=True, exist_ok=True)
        whole = program.with_suffix(".whole")
        zig = [VENV / "bin" / "python", "-m", "ziglang", "cc"]
        subprocess.run([*zig, *words, "-o", whole, SOURCE], check=True)
        _objcopy("--strip-all", whole, program)
        whole.unlink()
    return program


def _objcopy(*words):
    """The one that comes with the Rust compiler knows every target; where rustup has made
    no links, it finds its libLLVM only when told where."""
    root = subprocess.run(
        ["rustc", "--print", "sysroot"], check=True, capture_output=True, text=True
    ).stdout.strip()
    found = next(Path(root, "lib", "rustlib").glob("*/bin/rust-objcopy"))
    env = {**os.environ, "LD_LIBRARY_PATH": str(Path(root, "lib"))}
    subprocess.run([found, *words], check=True, env=env)
