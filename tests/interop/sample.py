"""One frame as a reader saw it, the same for every container."""

from dataclasses import dataclass

VIDEO, AUDIO = "video", "audio"


class Broken(AssertionError):
    """The bytes are not what the container's specification says."""


@dataclass(frozen=True)
class Sample:
    track: str
    codec: str
    dts: float  # milliseconds
    pts: float  # milliseconds
    key: bool
    # The bytes that every container carries alike: no start codes, lengths, parameter
    # sets or ADTS headers.
    payload: bytes
    # The end of the frame in the captured bytes.
    end: int

    def __str__(self):
        mark = " key" if self.key else ""
        return (
            f"{self.codec} dts {self.dts:.1f} pts {self.pts:.1f}{mark}, "
            f"{len(self.payload)} bytes, ends at byte {self.end}"
        )


def of(samples, track):
    return [sample for sample in samples if sample.track == track]


def codecs(samples):
    return {sample.codec for sample in samples}
