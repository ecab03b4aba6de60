"""The rules of a good MPEG-TS stream, besides being readable.

Each rule yields what it found wrong, in words with the place.
"""

import nal
import ts

CLOCK_GAP = 100  # milliseconds
TABLE_GAP = 500  # milliseconds
ROUNDING = 0.1  # milliseconds


def faults(data, expect_discontinuity=False):
    """All that is wrong with a stream that starts where a player joined."""
    reader = ts.read(data)
    if not reader.packets:
        return reader.faults + ["no PES packet at all"]
    found = list(reader.faults)
    found += _starts_with_tables(reader)
    found += _clock_runs(reader, expect_discontinuity)
    found += _timestamps_are_ordered(reader)
    found += _access_units_are_complete(reader)
    found += _tables_are_repeated(reader)
    return found


def _starts_with_tables(reader):
    first = [table.pid == ts.PAT_PID for table in reader.tables[:2]]
    if first != [True, False] or reader.tables[1].at > reader.packets[0].start:
        yield "the stream does not start with a PAT and a PMT"


def _clock_runs(reader, expect_discontinuity):
    if not reader.clocks:
        yield "no PCR"
        return
    for before, after in zip(reader.clocks, reader.clocks[1:]):
        gap = after.milliseconds - before.milliseconds
        if after.discontinuity and expect_discontinuity:
            continue
        if not 0 < gap <= CLOCK_GAP + ROUNDING:
            yield f"byte {after.at}: PCR {gap:.2f} ms after the one before"


def _timestamps_are_ordered(reader):
    last, clocks = {}, iter(reader.clocks)
    clock, upcoming = None, next(clocks, None)
    for pes in reader.packets:
        while upcoming and upcoming.at <= pes.start:
            clock, upcoming = upcoming, next(clocks, None)
        name = f"byte {pes.start}: {pes.codec}"
        if pes.pts < pes.dts:
            yield f"{name} PTS {pes.pts:.2f} before DTS {pes.dts:.2f}"
        if pes.pid in last and pes.dts <= last[pes.pid]:
            yield f"{name} DTS {pes.dts:.2f} after {last[pes.pid]:.2f}"
        if clock and pes.dts < clock.milliseconds - ROUNDING:
            yield f"{name} DTS {pes.dts:.2f} is past at PCR {clock.milliseconds:.2f}"
        last[pes.pid] = pes.dts


def _access_units_are_complete(reader):
    for pes in reader.packets:
        if pes.codec not in ("h264", "hevc"):
            continue
        units = nal.split_start_codes(pes.payload)
        name = f"byte {pes.start}: {pes.codec} access unit"
        auds = [nal.is_aud(pes.codec, unit) for unit in units]
        if not auds[0] or any(auds[1:]):
            yield f"{name} without exactly one AUD at its start"
        kinds = [nal.kind(pes.codec, unit) for unit in units]
        key = [i for i, unit in enumerate(units) if nal.is_key(pes.codec, unit)]
        if key and not nal.parameter_set_kinds(pes.codec) <= set(kinds[: key[0]]):
            yield f"{name} is a key frame without its parameter sets: NAL units {kinds}"
        if key and not pes.random_access:
            yield f"{name} is a key frame without random_access_indicator"


def _tables_are_repeated(reader):
    """A PAT and a PMT twice a second, or at each key frame."""
    for pid in {table.pid for table in reader.tables}:
        places = [table.at for table in reader.tables if table.pid == pid]
        at_keys = _before_each_key_frame(reader, places)
        gap = _longest_gap(reader, places)
        if not at_keys and gap > TABLE_GAP:
            yield f"table on pid {pid:#x}: {gap:.0f} ms without it, and not at each key frame"


def _before_each_key_frame(reader, places):
    video = [pes for pes in reader.packets if pes.codec in ts.VIDEO_CODECS]
    previous = -1
    for pes in video:
        if pes.random_access and not any(previous < at < pes.start for at in places):
            return False
        previous = pes.start
    return bool(video)


def _longest_gap(reader, places):
    longest, last = 0, reader.packets[0].dts
    remaining = iter(places)
    upcoming = next(remaining, None)
    for pes in reader.packets:
        while upcoming is not None and upcoming < pes.start:
            last, upcoming = pes.dts, next(remaining, None)
        longest = max(longest, pes.dts - last)
    return longest
