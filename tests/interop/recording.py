"""The common part of all captures of a live play: bytes so far, and their reader."""

import timeline
import waiting


class Recording:
    """A subclass gives `url`, `reader` (the module flv or ts), `data` and `ended`."""

    def samples(self):
        return self.reader.samples(self.data)

    def until(self, condition, timeout, what):
        """Waits until `condition(samples)` is true of what has come so far.

        Fails at once when the server has ended it, for then nothing more comes.
        """

        def met():
            ended = self.ended
            value = condition(self.samples())
            assert value or not ended, f"ended before {self._progress(what)}"
            return value

        return waiting.until(met, timeout, lambda: self._progress(what))

    def _progress(self, what):
        last = [str(one) for one in self.samples()[-1:]]
        return f"{what} on {self.url}: {len(self.data)} bytes, ended: {self.ended}, last: {last}"

    def until_frames(self, timeout=10):
        """Waits for the first frame."""
        return self.until(bool, timeout, "the first frame")

    def until_span(self, milliseconds, timeout=None):
        """Waits for frames that span this time."""
        return self.until(
            lambda samples: samples and timeline.duration(samples) >= milliseconds,
            timeout or 10 + milliseconds / 1000,
            f"{milliseconds} ms of frames",
        )


def until_all_more(recordings, milliseconds):
    """Waits until each has frames that span this time from its last one so far."""
    wanted = [timeline.duration(one.samples()) + milliseconds for one in recordings]
    for one, span in zip(recordings, wanted):
        one.until_span(span, timeout=20 + milliseconds / 1000)
