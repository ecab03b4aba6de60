"""Rules for the frames of one play, whatever container carried them."""

from dataclasses import replace

import sample
from sample import AUDIO, VIDEO

# Milliseconds that nobody notices between picture and sound.
LIP_SYNC = 40
# Milliseconds that a change of clock (1 kHz to 90 kHz and back) may move a time.
ROUNDING = 1.1


def faults(samples):
    """The rules of every play: it starts at a key frame, and never goes back."""
    if not samples:
        return ["no frame at all"]
    return [*_starts_at_a_key_frame(samples), *_never_goes_back(samples)]


def _starts_at_a_key_frame(samples):
    video = sample.of(samples, VIDEO)
    if video and not video[0].key:
        yield f"the first video frame is no key frame: {video[0]}"


def _never_goes_back(samples):
    last = {}
    for one in samples:
        before = last.get(one.track)
        if before and one.dts < before.dts:
            yield f"{one.track} goes back: {before} then {one}"
        last[one.track] = one


def differences(source, played):
    """The places where `played` is not an unbroken stretch of `source` at one constant offset.

    Every frame must be there, unchanged and in order, and one and the same
    offset must lead from the published times to the played ones.
    """
    found, offset = [], None
    for track in (VIDEO, AUDIO):
        stretch = sample.of(played, track)
        if stretch:
            faults, offset = _differences(sample.of(source, track), stretch, offset)
            found += faults
    return found


def differences_by_rtp(source, played, shift=LIP_SYNC):
    """The same for a source that was published by RTP.

    That carries no decoding times, so that they need only be possible, and each
    track has a clock of its own, so that sound may shift a little against picture.
    """
    found, offsets = [], []
    for track in (VIDEO, AUDIO):
        stretch = sample.of(played, track)
        found += [f"decoded after it is shown: {one}" for one in stretch if one.dts > one.pts]
        if stretch:
            faults, offset = _differences(
                _as_presented(sample.of(source, track)), _as_presented(stretch), None
            )
            found += faults
            offsets.append(offset)
    if None not in offsets and len(offsets) == 2 and abs(offsets[1] - offsets[0]) > shift:
        found.append(f"sound shifts by {offsets[1] - offsets[0]:.1f} ms against the picture")
    return found


def _as_presented(samples):
    return [replace(one, dts=one.pts) for one in samples]


def _differences(source, played, offset):
    """Also returns the offset, so that audio is held to that of the video."""
    # Bytes are compared and not frames: MPEG-TS puts several audio frames into one packet.
    published = b"".join(one.payload for one in source)
    starts = _start_positions(source)
    at = _where(published, starts, played, offset)
    if at < 0:
        return [f"not what was published: {played[0]}"], offset
    found = []
    for one in played:
        if not published.startswith(one.payload, at):
            found.append(f"not what was published next: {one}")
            break
        original = starts.get(at)
        if original is None:
            found.append(f"starts inside a published frame: {one}")
            break
        if offset is None:
            offset = one.dts - original.dts
        found += _moved(original, one, offset)
        at += len(one.payload)
    return found, offset


def _where(published, starts, played, offset):
    """The place of the first of `played`; of several places the one whose time fits best."""
    first = b"".join(one.payload for one in played[:3])
    places = [at for at in starts if published.startswith(first, at)]
    if offset is not None:
        places.sort(key=lambda at: abs(played[0].dts - starts[at].dts - offset))
    return places[0] if places else published.find(first)


def _start_positions(samples):
    starts, at = {}, 0
    for one in samples:
        starts[at] = one
        at += len(one.payload)
    return starts


def _moved(original, one, offset):
    for name in ("dts", "pts"):
        seen = getattr(one, name) - getattr(original, name)
        if abs(seen - offset) > ROUNDING:
            yield f"{name} moved by {seen - offset:.2f} ms: {original} became {one}"


def duration(samples):
    """Milliseconds between the first and the last frame."""
    return samples[-1].dts - samples[0].dts if samples else 0
