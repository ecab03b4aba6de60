"""Paths: the server's binary, the programs and the media."""

import os
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", REPO / "target"))
SERVER = Path(os.environ.get("RUNNEL", TARGET / "release" / "runnel"))

CACHE = Path(os.environ.get("RUNNEL_TEST_CACHE", Path.home() / ".cache" / "runnel-tests"))
NODE_MODULES = CACHE / "node_modules"

FFMPEG_CURRENT = str(CACHE / "bin" / "ffmpeg-current")
FFMPEG_DEBIAN = "/usr/bin/ffmpeg"
FFPROBE_DEBIAN = "/usr/bin/ffprobe"


def media(name):
    """A file made by tests/fixtures/make."""
    return CACHE / "media" / f"{name}.flv"
