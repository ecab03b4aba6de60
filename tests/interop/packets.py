"""The packets or decoded frames that ffmpeg makes of a source, each with a hash."""

from dataclasses import dataclass

import paths

NO_TIME = -(1 << 63)
# A moving picture of the same kind repeats within a second: so many in a row are one place.
PLACE = 3
BARE_PICTURES = {
    "h264": ["-bsf:v", "h264_mp4toannexb,filter_units=remove_types=6-9"],
    "hevc": ["-bsf:v", "hevc_mp4toannexb,filter_units=remove_types=32-40"],
}


@dataclass(frozen=True)
class Hashed:
    track: int
    pts: float | None  # milliseconds
    digest: str


def copying(source, codec, *how, seconds=None):
    """A command that writes a line for each packet; "how" stands before the input.

    Of a picture it leaves only what no container may change.
    """
    return _command(source, how, seconds, ["-c", "copy", *BARE_PICTURES.get(codec, [])])


def decoding(source, *how, seconds=None):
    """A command that writes a line for each decoded picture."""
    return _command(source, how, seconds, ["-an", "-fps_mode", "passthrough"])


def _command(source, how, seconds, output):
    length = ["-t", str(seconds)] if seconds else []
    return [
        *[paths.FFMPEG_CURRENT, "-nostdin", "-hide_banner", "-v", "error", *how],
        *["-i", source, *length, *output, "-f", "framemd5", "-"],
    ]


def read(text):
    """The lines of a command's output; the last may be cut off."""
    clocks, found = {}, []
    for line in text.splitlines(keepends=True):
        if line.startswith("#tb "):
            track, clock = line[4:].split(": ")
            top, bottom = clock.split("/")
            clocks[int(track)] = 1000 * int(top) / int(bottom)
        elif not line.startswith("#") and line.endswith("\n"):
            # Data beside a packet may stand behind its digest.
            track, _, pts, _, _, digest, *_ = (word.strip() for word in line.split(","))
            track, pts = int(track), int(pts)
            found.append(Hashed(track, None if pts == NO_TIME else pts * clocks[track], digest))
    return found


def differences(source, played, tolerance, shift):
    """The places where `played` is not an unbroken stretch of `source`, track by track.

    The times of a track all move by one offset, give or take the tolerance, and
    the offsets of two tracks differ by no more than the shift (milliseconds).
    """
    found, offsets = [], []
    for track in sorted({one.track for one in played}):
        faults, offset = _differences(_of(source, track), _of(played, track), tolerance)
        found += faults
        offsets += offset
    if offsets and max(offsets) - min(offsets) > shift:
        found.append(f"the tracks move by {offsets} ms")
    return found


def _of(hashed, track):
    return [one for one in hashed if one.track == track]


def _differences(source, played, tolerance):
    """Also returns the offset, if there is one, as a list."""
    published = [one.digest for one in source]
    wanted = [one.digest for one in played]
    at = next(
        (i for i in range(len(published)) if published[i : i + PLACE] == wanted[:PLACE]), None
    )
    if at is None:
        return [f"not what was published: {played[0]}"], []
    found, offset = [], None
    for number, (original, one) in enumerate(zip(source[at:], played)):
        if one.digest != original.digest:
            return [*found, f"not what was published next: {one}, but {original}"], []
        # ffmpeg's parser has no time for a first picture before it knows of B-frames, and
        # forgets it if the picture came in more than four packets: then it makes one up.
        if one.pts is None or number == 0:
            continue
        if offset is None:
            offset = one.pts - original.pts
        if abs(one.pts - original.pts - offset) > tolerance:
            found.append(f"moved by {one.pts - original.pts:.2f} ms, not {offset:.2f}: {one}")
    return found, [] if offset is None else [offset]
