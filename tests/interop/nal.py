"""NAL units of H.264 and HEVC: how they are framed and what kind they are."""

from sample import Broken

# (codec, type) of the kinds that the tests look for.
_AUD = {"h264": {9}, "hevc": {35}}
_PARAMETER_SETS = {"h264": {7, 8}, "hevc": {32, 33, 34}}
_KEY = {"h264": {5}, "hevc": set(range(16, 24))}
_SLICES = {"h264": {1, 2, 3, 4, 5}, "hevc": set(range(0, 32))}


def kind(codec, unit):
    return unit[0] & 0x1F if codec == "h264" else (unit[0] >> 1) & 0x3F


def is_aud(codec, unit):
    return kind(codec, unit) in _AUD[codec]


def is_parameter_set(codec, unit):
    return kind(codec, unit) in _PARAMETER_SETS[codec]


def is_key(codec, unit):
    return kind(codec, unit) in _KEY[codec]


def parameter_set_kinds(codec):
    return _PARAMETER_SETS[codec]


def slices(codec, units):
    """The picture itself, which no container may change."""
    return b"".join(unit for unit in units if kind(codec, unit) in _SLICES[codec])


def split_lengths(data):
    """Units behind 4-byte lengths, as in FLV."""
    units, at = [], 0
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        at += 4
        if length == 0 or at + length > len(data):
            raise Broken(f"NAL unit of {length} bytes where {len(data) - at} are left")
        units.append(data[at : at + length])
        at += length
    return units


def split_start_codes(data):
    """Units behind start codes (Annex B), as in MPEG-TS."""
    if not data.startswith((b"\0\0\1", b"\0\0\0\1")):
        raise Broken(f"no start code at {data[:8].hex()}")
    # A zero before a start code or at the end is padding, never part of a unit.
    return [unit.rstrip(b"\0") for unit in data.split(b"\0\0\1")[1:]]
