"""Players of HLS take segments and parts of both forms."""

import players
from case import Case
from chromium import Chromium

STREAM = "cam"
BROWSER = ("hls.js", "shaka", "shaka5", "xgplayer", "native")
# Of parts of MPEG-TS Shaka Player 5 shows the first picture after a minute.
OTHERS = tuple(kind for kind in BROWSER if kind != "shaka5")
# More than two segments, so that nobody has played all that it was given at first.
SECONDS = 8
# A busy machine may drop most of them where a player is close to live.
FRAMES = 5 * SECONDS
PLAYS_WITHIN = 90


class InPlayers(Case):
    def check(self, form, part, browser=BROWSER):
        self.serve(hls={"format": form, "segment": "2s", "part": part})
        self.publish_live(STREAM)
        url = self.server.hls(STREAM)
        # GStreamer wants a whole playlist to begin with.
        capture = self.capture_hls(url)
        capture.until(lambda one: len(one.segments) >= 4, 30, "4 segments")
        capture.stop()
        gstreamer = players.GstreamerHls(self, url)
        chromium = Chromium(self, [{"name": kind, "kind": kind, "url": url} for kind in browser])
        first = chromium.until(lambda _, player: player["frames"] > 0, "a frame", PLAYS_WITHIN)

        def has_gone_on(name, player):
            frames = player["frames"] - first[name]["frames"]
            seconds = player["time"] - first[name]["time"]
            return faults(player) or (frames >= FRAMES and seconds >= SECONDS)

        report = chromium.until(has_gone_on, f"{SECONDS} s more", PLAYS_WITHIN)
        for name, player in report.items():
            self.assertEqual((faults(player), player["width"]), ([], 640), name)
        gstreamer.until_decoded()


class Players(InPlayers):
    """Six players decode at once."""

    alone = True

    def test_mpeg_ts(self):
        self.check("ts", "0s")

    def test_fmp4(self):
        self.check("fmp4", "0s")

    def test_parts_of_mpeg_ts(self):
        self.check("ts", "200ms", OTHERS)

    def test_parts_of_fmp4(self):
        self.check("fmp4", "200ms")


class TakesAMinute(InPlayers):
    takes_minutes = True

    def test_parts_of_mpeg_ts_in_shaka_5(self):
        self.check("ts", "200ms", ["shaka5"])


def faults(player):
    """A player that has too little on a slow machine may step back a little, which is no fault."""
    return [error for error in player["errors"] if not error.startswith("picture of")]
