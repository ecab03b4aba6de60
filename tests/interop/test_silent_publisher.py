"""A publisher that sends nothing is dropped in time, and no sooner."""

import signal
import time

from case import Case
from recording import until_all_more

STREAM = "cam"
SILENCE = 2
# The sweep that notices runs once a second.
NOTICED_WITHIN = SILENCE + 1.5


class SilentPublisher(Case):
    # Time is measured here.
    alone = True

    def test_is_dropped_and_another_may_take_its_place(self):
        self.serve(publish={"silence": f"{SILENCE}s"})
        publisher = self.publish_live(STREAM)
        capture = self.capture(self.server.flv(STREAM))
        capture.until_frames()
        publisher.signal(signal.SIGSTOP)
        silent_since = time.monotonic()

        early = self.publish(STREAM, media="bframes")
        self.assertNotEqual(early.wait(SILENCE), 0, early.describe())
        self.assertLess(time.monotonic() - silent_since, SILENCE, "the test itself was too slow")

        self.until_log_counts(f"stops publishing {STREAM}", 1, timeout=NOTICED_WITHIN)
        self.assertGreaterEqual(time.monotonic() - silent_since, SILENCE - 0.1)

        self.publish(STREAM)
        until_all_more([capture], 2000)
        self.assertIsNone(capture.ended)

        publisher.signal(signal.SIGCONT)
        self.assertNotEqual(publisher.wait(10), 0, publisher.describe())
