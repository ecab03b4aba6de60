"""RTP packets and RTCP reports, as far as the tests look into them. RFC 3550."""

from dataclasses import dataclass

from sample import Broken

SENDER_REPORT, RECEIVER_REPORT, DESCRIPTION, GOODBYE = 200, 201, 202, 203
# The type of a NAL unit of H.264 that is a part of one, and of the pictures that are keys.
FRAGMENT, KEY_PICTURE, PARAMETER_SETS = 28, 5, (7, 8)


@dataclass(frozen=True)
class Packet:
    kind: int
    marker: bool
    sequence: int
    time: int
    ssrc: int
    payload: bytes


@dataclass(frozen=True)
class Report:
    kind: int
    ssrc: int
    # Of a sender: seconds since 1900 and the same moment in the track's clock.
    wall: float | None = None
    time: int | None = None
    # The sender of the packets that it reports on.
    about: tuple = ()


def packet(data):
    if len(data) < 12 or data[0] >> 6 != 2:
        raise Broken(f"not RTP: {data[:12].hex()}")
    at = 12 + 4 * (data[0] & 0x0F)
    if data[0] & 0x30:
        raise Broken(f"padding or an extension, which nobody asked for: {data[:12].hex()}")
    return Packet(
        kind=data[1] & 0x7F,
        marker=bool(data[1] & 0x80),
        sequence=int.from_bytes(data[2:4], "big"),
        time=int.from_bytes(data[4:8], "big"),
        ssrc=int.from_bytes(data[8:12], "big"),
        payload=data[at:],
    )


def write(kind, sequence, time, ssrc, payload):
    head = bytes([0x80, kind]) + sequence.to_bytes(2, "big")
    return head + time.to_bytes(4, "big") + ssrc.to_bytes(4, "big") + payload


def reports(data):
    """The sender's and receiver's reports of a compound packet. Section 6.1."""
    found = []
    while data:
        length = 4 * (int.from_bytes(data[2:4], "big") + 1)
        if data[0] >> 6 != 2 or length > len(data):
            raise Broken(f"not RTCP: {data[:8].hex()}")
        if data[1] in (SENDER_REPORT, RECEIVER_REPORT):
            found.append(_report(data[:length]))
        data = data[length:]
    return found


def _report(data):
    kind, count, ssrc = data[1], data[0] & 0x1F, int.from_bytes(data[4:8], "big")
    at, wall, time = 8, None, None
    if kind == SENDER_REPORT:
        wall = int.from_bytes(data[8:16], "big") / (1 << 32)
        time = int.from_bytes(data[16:20], "big")
        at = 28
    about = tuple(
        int.from_bytes(data[at + 24 * block : at + 24 * block + 4], "big") for block in range(count)
    )
    return Report(kind, ssrc, wall, time, about)


def starts_key_picture(payload):
    """Whether a packet of H.264 begins a key picture or what stands before one."""
    kind = payload[0] & 0x1F
    if kind == FRAGMENT:
        return bool(payload[1] & 0x80) and payload[1] & 0x1F == KEY_PICTURE
    if kind == 24:  # several units in one: look at the first
        kind = payload[3] & 0x1F
    return kind == KEY_PICTURE or kind in PARAMETER_SETS
