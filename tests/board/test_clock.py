"""A device without a clock chip learns the time while it is at work."""

import time

from guestcase import STREAM, GuestCase
from recording import until_all_more

MILLISECONDS = 3000
# A connection that a playlist came by ends as it should; these are other ends.
CUT = 'runnel_closed_total{reason="(idle|io|kicked|shutdown|slow)"}'


class Clock(GuestCase):
    def test_it_is_set_from_1970_to_now_in_mid_stream(self):
        self.publish_live(STREAM)
        self.until_hls(STREAM)
        captures = self.capture_everything(STREAM)
        playlist = self.capture_hls(self.server.hls(STREAM))
        until_all_more(captures, MILLISECONDS)
        cut = self.metric(CUT)
        self.assertTrue(self.machine.shell("date +%Y").startswith("1970"))

        self.machine.shell(f"date -s @{int(time.time())}")
        known = len(playlist.segments)
        until_all_more(captures, MILLISECONDS)
        playlist.until(lambda one: len(one.segments) > known + 2, 20, "further segments")
        self.assertEqual(self.metric(CUT), cut)
        for capture in captures:
            self.check_unbroken(capture)
        # The dates jump with the clock, and with nothing else.
        faults = [fault for fault in playlist.faults if "PROGRAM-DATE-TIME" not in fault]
        self.assert_none(faults, "the playlist")
        last = playlist.segments[-1][0].date
        self.assertLess(abs(last.timestamp() - time.time()), 60, last)
