"""A reader of fragmented MP4: boxes, the head, and the frames in fragments."""

import struct
from dataclasses import dataclass, field

import nal
from sample import AUDIO, VIDEO, Broken, Sample

# Sample entries, and what is in the box of the decoder's configuration.
ENTRIES = {
    b"avc1": (VIDEO, "h264", b"avcC"),
    b"hvc1": (VIDEO, "hevc", b"hvcC"),
    b"av01": (VIDEO, "av1", b"av1C"),
    b"vp09": (VIDEO, "vp9", b"vpcC"),
    b"mp4a": (AUDIO, "aac", b"esds"),
    b"Opus": (AUDIO, "opus", b"dOps"),
    b"fLaC": (AUDIO, "flac", b"dfLa"),
    b"ac-3": (AUDIO, "ac3", b"dac3"),
    b"ec-3": (AUDIO, "eac3", b"dec3"),
}
# Bytes of a sample entry before the boxes in it.
ENTRY_HEADS = {VIDEO: 78, AUDIO: 28}
OBJECT_TYPES = {0x40: "aac", 0x6B: "mp3", 0x69: "mp3"}
DEPENDS = 0x10000
BASE_IS_MOOF = 0x20000
OFFSET, FIRST_FLAGS, DURATION, SIZE, FLAGS, SHIFT = 0x1, 0x4, 0x100, 0x200, 0x400, 0x800
KNOWN_RUN_FLAGS = OFFSET | FIRST_FLAGS | DURATION | SIZE | FLAGS | SHIFT


@dataclass
class Track:
    kind: str
    codec: str
    timescale: int
    flags: int = 0


@dataclass
class Movie:
    """The content that was read so far."""

    heads: list = field(default_factory=list)  # the tracks of each, by their ids
    samples: list = field(default_factory=list)
    sequence: list = field(default_factory=list)
    # The time at which each fragment should end by its durations, of each track.
    ends: dict = field(default_factory=dict)
    # Fragments that begin elsewhere.
    gaps: list = field(default_factory=list)


def boxes(data, start=0, end=None):
    """(type, start of the content, end); the last may be cut off, and is left out."""
    at, end = start, len(data) if end is None else end
    while at + 8 <= end:
        size = int.from_bytes(data[at : at + 4], "big")
        if size < 8:
            raise Broken(f"a box of {size} bytes at byte {at}")
        if at + size > end:
            return
        yield bytes(data[at + 4 : at + 8]), at + 8, at + size
        at += size


def children(data, start, end):
    found = {}
    for name, begins, ends in boxes(data, start, end):
        found.setdefault(name, []).append((begins, ends))
    return found


def inside(data, start, end, *path):
    """The one box at a path."""
    for name in path:
        found = children(data, start, end).get(name, [])
        if len(found) != 1:
            raise Broken(f"{len(found)} boxes {name!r} in {path}")
        start, end = found[0]
    return start, end


def read(data):
    movie, moof = Movie(), None
    for name, start, end in boxes(data):
        if name == b"moov":
            movie.heads.append(_tracks(data, start, end))
        elif name == b"moof":
            moof = (start, end)
        elif name == b"mdat":
            if moof is None or moof[1] != start - 8:
                raise Broken(f"mdat at byte {start} is not behind its moof")
            _fragment(movie, data, *moof, end)
        elif name != b"ftyp":
            raise Broken(f"{name!r} at byte {start}")
    return movie


def samples(data):
    return read(data).samples


def fragment_faults(files):
    """The rules of HLS: each file is one fragment, and continues where the last one ended."""
    for at, data in enumerate(files):
        count = len(read(data).sequence)
        if count != 1:
            yield f"file {at} is {count} fragments"
    movie = read(b"".join(files))
    yield from movie.gaps
    for before, after in zip(movie.sequence, movie.sequence[1:]):
        if after != before + 1:
            yield f"fragment {after} behind {before}"


def files(data):
    """The parts that begin with a head, each a file of its own."""
    starts = [start - 8 for name, start, _ in boxes(data) if name == b"ftyp"]
    return [data[start:end] for start, end in zip(starts, [*starts[1:], len(data)])]


def u32(data, at):
    return int.from_bytes(data[at : at + 4], "big")


def _tracks(data, start, end):
    found = {}
    for begins, ends in children(data, start, end)[b"trak"]:
        number = u32(data, inside(data, begins, ends, b"tkhd")[0] + 12)
        timescale = u32(data, inside(data, begins, ends, b"mdia", b"mdhd")[0] + 12)
        stsd, stsd_end = inside(data, begins, ends, b"mdia", b"minf", b"stbl", b"stsd")
        ((entry, entry_start, entry_end),) = boxes(data, stsd + 8, stsd_end)
        kind, codec, config = ENTRIES[entry]
        config_start, config_end = inside(data, entry_start + ENTRY_HEADS[kind], entry_end, config)
        if config == b"esds":
            codec = _object_type(data[config_start:config_end])
        found[number] = Track(kind, codec, timescale)
    mvex = inside(data, start, end, b"mvex")
    for begins, _ in children(data, *mvex)[b"trex"]:
        found[u32(data, begins + 4)].flags = u32(data, begins + 20)
    return found


def _object_type(esds):
    at = esds.index(b"\x04\x80\x80\x80") + 5
    return OBJECT_TYPES[esds[at]]


def _fragment(movie, data, start, end, mdat_end):
    if not movie.heads:
        raise Broken(f"a fragment at byte {start} before any head")
    movie.sequence.append(u32(data, inside(data, start, end, b"mfhd")[0] + 4))
    for begins, ends in children(data, start, end)[b"traf"]:
        tfhd, _ = inside(data, begins, ends, b"tfhd")
        if u32(data, tfhd) != BASE_IS_MOOF:
            raise Broken(f"tfhd flags {u32(data, tfhd):x}")
        number = u32(data, tfhd + 4)
        track = movie.heads[-1][number]
        tfdt, _ = inside(data, begins, ends, b"tfdt")
        time = int.from_bytes(data[tfdt + 4 : tfdt + 12], "big")
        due = movie.ends.get(number, time)
        if time != due:
            movie.gaps.append(f"track {number} begins at {time} and not at {due}")
        for run, run_end in children(data, begins, ends)[b"trun"]:
            time = _run(movie, data, number, track, time, start - 8, (run, run_end), mdat_end)
        movie.ends[number] = time


def _run(movie, data, number, track, time, moof, run, mdat_end):
    flags = u32(data, run[0]) & 0xFFFFFF
    if flags & ~KNOWN_RUN_FLAGS or not flags & OFFSET:
        raise Broken(f"trun flags {flags:x}")
    count, at = u32(data, run[0] + 4), run[0] + 12
    position = moof + u32(data, run[0] + 8)
    for _ in range(count):
        values = {}
        for flag in (DURATION, SIZE, FLAGS, SHIFT):
            if flags & flag:
                values[flag] = struct.unpack_from(">i" if flag == SHIFT else ">I", data, at)[0]
                at += 4
        end = position + values[SIZE]
        if end > mdat_end:
            raise Broken(f"a sample of {values[SIZE]} bytes at byte {position} leaves its mdat")
        movie.samples.append(_sample(track, time, values, bytes(data[position:end]), mdat_end))
        time += values[DURATION]
        position = end
    if at != run[1]:
        raise Broken(f"trun at byte {run[0]} has {run[1] - at} bytes too many")
    return time


def _sample(track, time, values, payload, end):
    ms = 1000 / track.timescale
    if track.codec in ("h264", "hevc"):
        units = nal.split_lengths(payload)
        payload = nal.slices(track.codec, units)
    key = not values.get(FLAGS, track.flags) & DEPENDS
    shown = time + values.get(SHIFT, 0)
    return Sample(track.kind, track.codec, time * ms, shown * ms, key, payload, end)
