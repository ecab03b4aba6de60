"""An MPEG-TS reader: packets, tables, PES packets and the frames in them.

It reads what it can and collects what is wrong in `faults`; ts_rules.py judges
the rest. ISO/IEC 13818-1.
"""

from dataclasses import dataclass, field

import nal
from sample import AUDIO, VIDEO, Broken, Sample

PACKET = 188
CLOCK = 90  # ticks of PTS, DTS and PCR base in a millisecond
PAT_PID = 0
NULL_PID = 0x1FFF
# CAT, SDT, EIT and the like: allowed, and of no interest here.
RESERVED_PIDS = range(0x01, 0x20)

STREAM_TYPES = {0x1B: "h264", 0x24: "hevc", 0x0F: "aac", 0x03: "mp3", 0x04: "mp3"}
PRIVATE_STREAM = 0x06
REGISTRATIONS = {b"Opus": "opus", b"AV01": "av1", b"HEVC": "hevc"}
REGISTRATION_DESCRIPTOR = 5
VIDEO_CODECS = ("h264", "hevc", "av1")


@dataclass
class Pes:
    pid: int
    codec: str
    pts: float
    dts: float
    # Set on the packet that starts it: a decoder can start here.
    random_access: bool
    payload: bytes
    start: int
    end: int


@dataclass
class Clock:
    at: int
    milliseconds: float
    discontinuity: bool


@dataclass
class Table:
    at: int
    pid: int
    version: int
    # Of a PMT: {pid: codec}, with None for what the reader does not know.
    streams: dict | None = None


@dataclass
class Reader:
    """The result of `read`."""

    faults: list = field(default_factory=list)
    tables: list = field(default_factory=list)
    clocks: list = field(default_factory=list)
    packets: list = field(default_factory=list)  # Pes, in the order of their starts
    _pmt_pids: set = field(default_factory=set)
    _codecs: dict = field(default_factory=dict)
    _continuity: dict = field(default_factory=dict)
    _open: dict = field(default_factory=dict)  # pid -> (start, end, random_access, bytes)
    _sections: dict = field(default_factory=dict)

    def codecs(self):
        """Of the last PMT."""
        return {codec for codec in self._codecs.values() if codec}

    def samples(self):
        return [_sample(pes) for pes in self.packets]

    def fault(self, at, what):
        self.faults.append(f"byte {at}: {what}")


def read(data):
    """Reads whole packets; a packet cut off at the end is left out."""
    reader = Reader()
    for at in range(0, len(data) - PACKET + 1, PACKET):
        if data[at] != 0x47:
            reader.fault(at, f"sync byte is {data[at]:#x}")
            return reader
        _packet(reader, at, data[at : at + PACKET])
    # A packet that is still open at the end was cut off, unless its length says otherwise.
    for pid in list(reader._open):
        _close_pes(reader, pid, cut_off=True)
    reader.packets.sort(key=lambda pes: pes.start)
    return reader


def samples(data):
    return read(data).samples()


def begins_with_key(data):
    """Whether decoding can begin with the first frame behind the tables."""
    for at in range(2 * PACKET, len(data), PACKET):
        if data[at + 1] & 0x40:
            return bool(data[at + 3] & 0x20 and data[at + 4] and data[at + 5] & 0x40)
    return False


def _packet(reader, at, packet):
    pid = int.from_bytes(packet[1:3], "big") & 0x1FFF
    if packet[1] & 0x80:
        reader.fault(at, "transport error")
    if pid == NULL_PID or pid in RESERVED_PIDS:
        return
    has_field, has_payload = packet[3] & 0x20, packet[3] & 0x10
    flags, start = 0, 4
    if has_field:
        length = packet[4]
        start = 5 + length
        if start > PACKET or (has_payload and start == PACKET):
            reader.fault(at, f"adaptation field of {length} bytes")
            return
        if length:
            flags = packet[5]
        if flags & 0x10:
            _clock(reader, at, packet[6:12], discontinuity=bool(flags & 0x80))
    _check_continuity(reader, at, pid, packet, discontinuity=bool(flags & 0x80))
    if not has_payload:
        return
    unit_start = bool(packet[1] & 0x40)
    if pid == PAT_PID or pid in reader._pmt_pids:
        _section(reader, at, pid, unit_start, packet[start:])
    else:
        _pes_part(reader, at, pid, unit_start, bool(flags & 0x40), packet[start:])


def _clock(reader, at, raw, discontinuity):
    base = int.from_bytes(raw[:4], "big") << 1 | raw[4] >> 7
    extension = (raw[4] & 1) << 8 | raw[5]
    reader.clocks.append(Clock(at, base / CLOCK + extension / 27000, discontinuity))


def _check_continuity(reader, at, pid, packet, discontinuity):
    counter, has_payload = packet[3] & 0x0F, packet[3] & 0x10
    last = reader._continuity.get(pid)
    reader._continuity[pid] = counter
    if last is None or discontinuity:
        return
    expected = (last + 1) & 0x0F if has_payload else last
    if counter != expected:
        reader.fault(at, f"continuity counter of pid {pid:#x} is {counter}, not {expected}")


def _section(reader, at, pid, unit_start, payload):
    if unit_start:
        reader._sections[pid] = payload[1 + payload[0] :]
    elif pid in reader._sections:
        reader._sections[pid] += payload
    section = reader._sections.get(pid, b"")
    if len(section) < 3:
        return
    end = 3 + (int.from_bytes(section[1:3], "big") & 0x0FFF)
    if len(section) < end:
        return
    del reader._sections[pid]
    section = section[:end]
    if crc32(section) != 0:
        reader.fault(at, f"CRC of the table on pid {pid:#x}")
        return
    version = (section[5] >> 1) & 0x1F
    if pid == PAT_PID:
        entries = [section[i : i + 4] for i in range(8, end - 4, 4)]
        # Program 0 is not a program but the network's own table.
        pids = {int.from_bytes(e[2:], "big") & 0x1FFF for e in entries if e[:2] != b"\0\0"}
        reader._pmt_pids = pids
        reader.tables.append(Table(at, pid, version))
    else:
        streams = _pmt_streams(section)
        # A packet that is still open was sent under the table before this one.
        for pid_before, codec in reader._codecs.items():
            if streams.get(pid_before) != codec:
                _close_pes(reader, pid_before)
        reader._codecs = streams
        reader.tables.append(Table(at, pid, version, streams))


def _pmt_streams(section):
    streams = {}
    i = 12 + (int.from_bytes(section[10:12], "big") & 0x0FFF)
    while i < len(section) - 4:
        kind = section[i]
        pid = int.from_bytes(section[i + 1 : i + 3], "big") & 0x1FFF
        length = int.from_bytes(section[i + 3 : i + 5], "big") & 0x0FFF
        codec = STREAM_TYPES.get(kind)
        if kind == PRIVATE_STREAM:
            codec = _registered(section[i + 5 : i + 5 + length])
        streams[pid] = codec
        i += 5 + length
    return streams


def _registered(descriptors):
    while len(descriptors) >= 2:
        tag, length = descriptors[0], descriptors[1]
        if tag == REGISTRATION_DESCRIPTOR:
            return REGISTRATIONS.get(descriptors[2:6])
        descriptors = descriptors[2 + length :]
    return None


def _pes_part(reader, at, pid, unit_start, random_access, payload):
    if pid not in reader._codecs:
        reader.fault(at, f"pid {pid:#x} is in no PMT")
        return
    if unit_start:
        _close_pes(reader, pid)
        reader._open[pid] = (at, at + PACKET, random_access, payload)
    elif pid in reader._open:
        start, _, first, so_far = reader._open[pid]
        reader._open[pid] = (start, at + PACKET, first, so_far + payload)
    else:
        reader.fault(at, f"pid {pid:#x} starts inside a PES packet")


def _close_pes(reader, pid, cut_off=False):
    if pid not in reader._open:
        return
    start, end, random_access, data = reader._open.pop(pid)
    codec = reader._codecs.get(pid)
    if codec is None:
        return
    length = int.from_bytes(data[4:6], "big")
    if cut_off and (length == 0 or len(data) < 6 + length):
        return
    if data[:3] != b"\0\0\1" or data[6] >> 6 != 2:
        reader.fault(start, f"PES header {data[:9].hex()}")
        return
    if length and len(data) != 6 + length:
        reader.fault(start, f"PES packet of {len(data)} bytes says {6 + length}")
        return
    if not data[7] & 0x80:
        reader.fault(start, f"PES packet of {codec} without PTS")
        return
    pts = _timestamp(data[9:14])
    dts = _timestamp(data[14:19]) if data[7] & 0x40 else pts
    payload = data[9 + data[8] :]
    reader.packets.append(Pes(pid, codec, pts, dts, random_access, payload, start, end))


def _timestamp(raw):
    value = (raw[0] >> 1 & 7) << 30 | (raw[1] << 7 | raw[2] >> 1) << 15 | raw[3] << 7 | raw[4] >> 1
    return value / CLOCK


def _sample(pes):
    key, payload = True, pes.payload
    if pes.codec in ("h264", "hevc"):
        units = nal.split_start_codes(payload)
        key = any(nal.is_key(pes.codec, unit) for unit in units)
        payload = nal.slices(pes.codec, units)
    elif pes.codec == "aac":
        payload = b"".join(_adts_frames(payload))
    elif pes.codec == "opus":
        payload = b"".join(_opus_packets(payload))
    elif pes.codec == "av1":
        key = pes.random_access
    track = VIDEO if pes.codec in VIDEO_CODECS else AUDIO
    return Sample(track, pes.codec, pes.dts, pes.pts, key, payload, pes.end)


def _adts_frames(data):
    at = 0
    while at < len(data):
        if data[at] != 0xFF or data[at + 1] & 0xF6 != 0xF0:
            raise Broken(f"no ADTS frame at {data[at : at + 7].hex()}")
        header = 7 if data[at + 1] & 1 else 9
        length = (data[at + 3] & 3) << 11 | data[at + 4] << 3 | data[at + 5] >> 5
        if length <= header or at + length > len(data):
            raise Broken(f"ADTS frame of {length} bytes where {len(data) - at} are left")
        yield data[at + header : at + length]
        at += length


def _opus_packets(data):
    """Opus in MPEG-TS: a control header with a size before each packet."""
    at = 0
    while at < len(data):
        if data[at] != 0x7F or data[at + 1] & 0xE0 != 0xE0:
            raise Broken(f"no Opus control header at {data[at : at + 4].hex()}")
        flags = data[at + 1]
        at += 2
        size = 0
        while data[at] == 255:
            size += 255
            at += 1
        size += data[at]
        at += 1
        at += 2 * bool(flags & 0x10) + 2 * bool(flags & 0x08)
        if flags & 0x04:
            at += 1 + data[at]
        if at + size > len(data):
            raise Broken(f"Opus packet of {size} bytes where {len(data) - at} are left")
        yield data[at : at + size]
        at += size


def crc32(data):
    """CRC-32/MPEG-2; 0 over a section that ends with its own."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte << 24
        for _ in range(8):
            crc = (crc << 1 ^ 0x04C11DB7 if crc & 0x80000000 else crc << 1) & 0xFFFFFFFF
    return crc
