"""An FLV reader: header, tags, and the frames in them, enhanced RTMP included."""

from dataclasses import dataclass

import nal
from sample import AUDIO, VIDEO, Broken, Sample

HEADER_LENGTH = 9
AUDIO_TAG, VIDEO_TAG, SCRIPT_TAG = 8, 9, 18
FLAG_VIDEO, FLAG_AUDIO = 1, 4

LEGACY_VIDEO = {7: "h264", 12: "hevc"}
LEGACY_AUDIO = {2: "mp3", 7: "alaw", 8: "ulaw", 10: "aac"}
FOURCC = {
    b"avc1": "h264",
    b"hvc1": "hevc",
    b"av01": "av1",
    b"mp4a": "aac",
    b"Opus": "opus",
    b".mp3": "mp3",
    b"vp09": "vp9",
    b"fLaC": "flac",
    b"ac-3": "ac3",
    b"ec-3": "eac3",
}
ENHANCED_AUDIO = 9
SEQUENCE_START, FRAMES, SEQUENCE_END, FRAMES_WITHOUT_OFFSET = 0, 1, 2, 3
KEY_FRAME = 1


@dataclass(frozen=True)
class Tag:
    kind: int
    timestamp: int
    body: bytes
    end: int


def flags(data):
    """The header's flags, once the header is here."""
    if data[:3] != b"FLV"[: len(data)]:
        raise Broken(f"FLV starts with {data[:9].hex()}")
    if len(data) < HEADER_LENGTH:
        return None
    version, seen, length = data[3], data[4], int.from_bytes(data[5:9], "big")
    if version != 1 or length != HEADER_LENGTH:
        raise Broken(f"FLV header {data[:9].hex()}")
    return seen


def tags(data):
    """All complete tags; the last may be cut off."""
    flags(data)
    found, at = [], HEADER_LENGTH
    previous = 0
    while at + 4 + 11 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if size != previous:
            raise Broken(f"PreviousTagSize at byte {at} is {size}, not {previous}")
        head = data[at + 4 : at + 15]
        if head[0] not in (AUDIO_TAG, VIDEO_TAG, SCRIPT_TAG):
            raise Broken(f"tag type {head[0]} at byte {at + 4}")
        if head[8:11] != b"\0\0\0":
            raise Broken(f"stream id {head[8:11].hex()} at byte {at + 4}")
        length = int.from_bytes(head[1:4], "big")
        timestamp = int.from_bytes(head[7:8] + head[4:7], "big", signed=True)
        start = at + 15
        if start + length > len(data):
            break
        found.append(Tag(head[0], timestamp, data[start : start + length], start + length))
        previous = 11 + length
        at = start + length
    return found


def samples(data):
    """The frames of all complete tags."""
    read = (_sample(tag) for tag in tags(data))
    return [sample for sample in read if sample]


def sequence_headers(data):
    """(codec, timestamp, position) of each decoder configuration."""
    found = []
    for tag in tags(data):
        described = _describe(tag)
        if described and described[1] == SEQUENCE_START:
            found.append((described[0], tag.timestamp, tag.end))
    return found


def _describe(tag):
    """(codec, packet type, composition time, key, payload), or None for a script."""
    if tag.kind == VIDEO_TAG:
        return _video(tag)
    if tag.kind == AUDIO_TAG:
        return _audio(tag)
    return None


def _video(tag):
    body = tag.body
    if len(body) < 5:
        raise Broken(f"video tag of {len(body)} bytes")
    key = (body[0] >> 4) & 7 == KEY_FRAME
    if not body[0] & 0x80:
        codec = LEGACY_VIDEO.get(body[0] & 0x0F)
        if codec is None:
            raise Broken(f"video codec {body[0] & 0x0F}")
        return codec, body[1], _signed24(body[2:5]), key, body[5:]
    packet, fourcc = body[0] & 0x0F, body[1:5]
    if fourcc not in FOURCC:
        raise Broken(f"video FourCC {fourcc!r}")
    codec = FOURCC[fourcc]
    # Only H.264 and HEVC carry a composition time, and only in this packet type.
    if packet == FRAMES and codec in ("h264", "hevc"):
        return codec, packet, _signed24(body[5:8]), key, body[8:]
    return codec, FRAMES if packet == FRAMES_WITHOUT_OFFSET else packet, 0, key, body[5:]


def _audio(tag):
    body = tag.body
    if not body:
        raise Broken("empty audio tag")
    sound_format = body[0] >> 4
    if sound_format == ENHANCED_AUDIO:
        if body[1:5] not in FOURCC:
            raise Broken(f"audio FourCC {body[1:5]!r}")
        return FOURCC[body[1:5]], body[0] & 0x0F, 0, True, body[5:]
    codec = LEGACY_AUDIO.get(sound_format)
    if codec is None:
        raise Broken(f"audio format {sound_format}")
    if codec == "aac":
        return codec, body[1], 0, True, body[2:]
    return codec, FRAMES, 0, True, body[1:]


def _sample(tag):
    described = _describe(tag)
    if described is None or described[1] != FRAMES:
        return None
    codec, _, offset, key, payload = described
    if codec in ("h264", "hevc"):
        payload = nal.slices(codec, nal.split_lengths(payload))
    track = VIDEO if tag.kind == VIDEO_TAG else AUDIO
    return Sample(track, codec, tag.timestamp, tag.timestamp + offset, key, payload, tag.end)


def _signed24(data):
    return int.from_bytes(data, "big", signed=True)
