"""An HLS media playlist reader, and the rules of RFC 8216 that a live one keeps to."""

import re
from dataclasses import dataclass, field
from datetime import datetime

# Seconds that PROGRAM-DATE-TIME may differ from the sum of EXTINF: the clock of
# the publisher is not that of the server.
CLOCK_DRIFT = 0.05


@dataclass
class Segment:
    uri: str
    number: int
    duration: float  # seconds
    discontinuity: bool
    date: datetime | None


@dataclass
class Playlist:
    text: str
    version: int = 1
    target: int | None = None
    first: int = 0
    discontinuities_gone: int = 0
    independent: bool = False
    ended: bool = False
    segments: list = field(default_factory=list)
    faults: list = field(default_factory=list)


def read(text):
    playlist = Playlist(text)
    lines = text.splitlines()
    if not lines or lines[0] != "#EXTM3U":
        playlist.faults.append(f"does not start with #EXTM3U: {lines[:1]}")
    duration, date, discontinuity = None, None, False
    for line in lines[1:]:
        tag, _, value = line.partition(":")
        if tag == "#EXTINF":
            duration = float(value.split(",")[0])
        elif tag == "#EXT-X-PROGRAM-DATE-TIME":
            date = _date(value)
        elif tag == "#EXT-X-DISCONTINUITY":
            discontinuity = True
        elif line and not line.startswith("#"):
            if duration is None:
                playlist.faults.append(f"{line} without EXTINF")
                duration = 0.0
            number = playlist.first + len(playlist.segments)
            playlist.segments.append(Segment(line, number, duration, discontinuity, date))
            duration, date, discontinuity = None, None, False
        else:
            _header(playlist, tag, value)
    playlist.faults += _faults(playlist)
    return playlist


def _header(playlist, tag, value):
    if tag == "#EXT-X-VERSION":
        playlist.version = int(value)
    elif tag == "#EXT-X-TARGETDURATION":
        playlist.target = int(value)
    elif tag == "#EXT-X-MEDIA-SEQUENCE":
        if playlist.segments:
            playlist.faults.append("MEDIA-SEQUENCE after a segment")
        playlist.first = int(value)
    elif tag == "#EXT-X-DISCONTINUITY-SEQUENCE":
        playlist.discontinuities_gone = int(value)
    elif tag == "#EXT-X-INDEPENDENT-SEGMENTS":
        playlist.independent = True
    elif tag == "#EXT-X-ENDLIST":
        playlist.ended = True


def _date(value):
    # Python before 3.11 does not know "Z".
    return datetime.fromisoformat(re.sub("Z$", "+00:00", value))


def _faults(playlist):
    """The rules for one playlist by itself."""
    if playlist.target is None:
        yield "no TARGETDURATION"
        return
    if playlist.version < 3:
        yield f"fractional EXTINF in version {playlist.version}"
    if not playlist.independent:
        yield "no INDEPENDENT-SEGMENTS"
    for segment in playlist.segments:
        # Halves round up, as in RFC 8216 bis.
        if int(segment.duration + 0.5) > playlist.target:
            yield f"{segment.uri}: EXTINF {segment.duration} > TARGETDURATION {playlist.target}"
    if playlist.segments and playlist.segments[0].date is None:
        yield "no PROGRAM-DATE-TIME"
    for before, after in zip(playlist.segments, playlist.segments[1:]):
        if before.date and after.date and not after.discontinuity:
            gap = (after.date - before.date).total_seconds() - before.duration
            if abs(gap) > CLOCK_DRIFT:
                yield f"{after.uri}: PROGRAM-DATE-TIME is off by {gap:.3f} s"


def changes(older, newer):
    """The rules for a playlist that is fetched again."""
    if newer.target != older.target:
        yield f"TARGETDURATION went from {older.target} to {newer.target}"
    if newer.first < older.first:
        yield f"MEDIA-SEQUENCE went back from {older.first} to {newer.first}"
    known = {segment.number: segment for segment in older.segments}
    for segment in newer.segments:
        before = known.get(segment.number)
        if before and (before.uri, before.duration) != (segment.uri, segment.duration):
            yield f"number {segment.number} was {before} and is {segment}"
    if older.segments and newer.first > older.segments[-1].number + 1:
        yield f"numbers skipped from {older.segments[-1].number} to {newer.first}"
    gone = [s for s in older.segments if s.number < newer.first and s.discontinuity]
    if newer.discontinuities_gone != older.discontinuities_gone + len(gone):
        yield (
            f"DISCONTINUITY-SEQUENCE went from {older.discontinuities_gone} to "
            f"{newer.discontinuities_gone} as {len(gone)} went out"
        )
