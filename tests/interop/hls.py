"""An HLS media playlist reader, and the rules of RFC 8216 that a live one keeps to."""

import re
from dataclasses import dataclass, field
from datetime import datetime

# Seconds that PROGRAM-DATE-TIME may differ from the sum of EXTINF: the clock of
# the publisher is not that of the server.
CLOCK_DRIFT = 0.05
# Seconds by which durations may differ, being rounded each.
ROUNDING = 0.02


# Parts but the last of a segment are at least so much of PART-TARGET.
FULL_PART = 0.85


@dataclass(frozen=True)
class Part:
    uri: str
    duration: float  # seconds
    independent: bool


@dataclass
class Segment:
    uri: str | None  # None while it is not finished
    number: int
    duration: float  # seconds
    discontinuity: bool
    date: datetime | None
    map: str | None = None
    parts: list = field(default_factory=list)


@dataclass
class Playlist:
    text: str
    version: int = 1
    target: int | None = None
    first: int = 0
    discontinuities_gone: int = 0
    independent: bool = False
    ended: bool = False
    control: dict = field(default_factory=dict)
    part_target: float | None = None
    skipped: int = 0
    hint: str | None = None
    # The segment that is not finished, if there are parts of it.
    open: Segment | None = None
    segments: list = field(default_factory=list)
    faults: list = field(default_factory=list)


def read(text):
    playlist = Playlist(text)
    lines = text.splitlines()
    if not lines or lines[0] != "#EXTM3U":
        playlist.faults.append(f"does not start with #EXTM3U: {lines[:1]}")
    duration, date, discontinuity, parts, current = None, None, False, [], None

    def segment(uri, seconds):
        number = playlist.first + playlist.skipped + len(playlist.segments)
        return Segment(uri, number, seconds, discontinuity, date, current, parts)

    for line in lines[1:]:
        tag, _, value = line.partition(":")
        if tag == "#EXTINF":
            duration = float(value.split(",")[0])
        elif tag == "#EXT-X-PROGRAM-DATE-TIME":
            date = _date(value)
        elif tag == "#EXT-X-DISCONTINUITY":
            discontinuity = True
        elif tag == "#EXT-X-MAP":
            current = attributes(value)["URI"]
        elif tag == "#EXT-X-PART":
            about = attributes(value)
            independent = about.get("INDEPENDENT") == "YES"
            parts.append(Part(about["URI"], float(about["DURATION"]), independent))
        elif line and not line.startswith("#"):
            if duration is None:
                playlist.faults.append(f"{line} without EXTINF")
                duration = 0.0
            playlist.segments.append(segment(line, duration))
            duration, date, discontinuity, parts = None, None, False, []
        else:
            _header(playlist, tag, value)
    if parts:
        playlist.open = segment(None, sum(part.duration for part in parts))
    playlist.faults += _faults(playlist)
    return playlist


def attributes(text):
    """An attribute list, as in RFC 8216 section 4.2."""
    return {
        name: value.strip('"') for name, value in re.findall(r'([A-Z0-9-]+)=("[^"]*"|[^,]*)', text)
    }


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
    elif tag == "#EXT-X-SERVER-CONTROL":
        playlist.control = attributes(value)
    elif tag == "#EXT-X-PART-INF":
        playlist.part_target = float(attributes(value)["PART-TARGET"])
    elif tag == "#EXT-X-PRELOAD-HINT":
        playlist.hint = attributes(value)["URI"]
    elif tag == "#EXT-X-SKIP":
        playlist.skipped = int(attributes(value)["SKIPPED-SEGMENTS"])


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
    if playlist.part_target is not None:
        yield from _part_faults(playlist)
    if playlist.segments and playlist.segments[0].date is None:
        yield "no PROGRAM-DATE-TIME"
    for before, after in zip(playlist.segments, playlist.segments[1:]):
        if before.date and after.date and not after.discontinuity:
            gap = (after.date - before.date).total_seconds() - before.duration
            if abs(gap) > CLOCK_DRIFT:
                yield f"{after.uri}: PROGRAM-DATE-TIME is off by {gap:.3f} s"


def _part_faults(playlist):
    """The rules for parts, of draft-pantos-hls-rfc8216bis."""
    target = playlist.part_target
    if playlist.control.get("CAN-BLOCK-RELOAD") != "YES":
        yield "parts without CAN-BLOCK-RELOAD"
    if float(playlist.control.get("PART-HOLD-BACK", 0)) < 3 * target - ROUNDING:
        yield "PART-HOLD-BACK is less than three parts"
    if float(playlist.control.get("CAN-SKIP-UNTIL", 99)) < 6 * playlist.target:
        yield "CAN-SKIP-UNTIL is less than six target durations"
    for segment in [*playlist.segments, *filter(None, [playlist.open])]:
        for part in segment.parts:
            if part.duration > target + ROUNDING:
                yield f"{part.uri}: DURATION {part.duration} > PART-TARGET {target}"
        whole = segment.parts[: -1 if segment.uri else None]
        short = [part for part in whole if part.duration < FULL_PART * target]
        if short and not segment.discontinuity:
            yield f"{short[0].uri}: DURATION {short[0].duration} of PART-TARGET {target}"
        together = sum(part.duration for part in segment.parts)
        if segment.uri and segment.parts and abs(together - segment.duration) > ROUNDING:
            yield f"{segment.uri}: parts of {together:.3f} s in {segment.duration} s"
        if segment.parts and not segment.parts[0].independent:
            yield f"{segment.parts[0].uri}: a segment begins with what is not independent"
    behind = 0
    for segment in reversed(playlist.segments):
        if behind < 3 * playlist.target and not segment.parts and not playlist.ended:
            yield f"{segment.uri}: no parts, {behind:.1f} s before the end"
        behind += segment.duration
    if not playlist.ended and playlist.hint is None:
        yield "no PRELOAD-HINT"


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
