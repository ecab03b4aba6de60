"""The server ends and begins again, and players of HLS go on."""

import hls
import waiting
from case import Case
from chromium import Chromium
from hls_capture import get

STREAM = "cam"
# Seconds of segments that a playlist is ahead of one that would begin at 0. Discontinuities
# are counted by the minute.
AHEAD = 62
GOES_ON_WITHIN = 20


class Restart(Case):
    takes_minutes = True

    def playlist(self):
        return hls.read(get(self.server.hls(STREAM))[2].decode())

    def test_players_go_on_soon_after_a_power_cut(self):
        self.serve(hls={"segment": "1s"})
        self.publish_live(STREAM)
        url = self.server.hls(STREAM)
        self.until_hls(STREAM)
        first = self.playlist().first
        chromium = Chromium(self, [{"name": "hls.js", "kind": "hls.js recovers", "url": url}])
        chromium.until(lambda _, player: player["frames"] > 50, "50 frames")
        waiting.until(lambda: self.playlist().first >= first + AHEAD, AHEAD + 20, "some time")
        before = self.playlist()
        self.server.kill()
        # hls.js asks no more by itself for what was refused: the page has it ask.
        chromium.until(lambda _, player: player["refused"] > 0, "a refusal", GOES_ON_WITHIN)
        self.server.start_again()
        self.publish_live(STREAM)
        shown = chromium.report()["hls.js"]["frames"]
        report = chromium.until(
            lambda _, player: player["frames"] > shown + 150, "6 s more", GOES_ON_WITHIN
        )
        self.assertEqual(report["hls.js"]["errors"], [])
        after = self.playlist()
        self.assertGreater(after.first, before.segments[-1].number)
        self.assertGreater(after.discontinuities_gone, before.discontinuities_gone)
