"""Browsers play from a page on another origin, by libraries and by what they have themselves."""

import json
import subprocess
import time
import unittest

from case import Case
from chromium import FILES, Chromium

STREAM = "cam"
SECONDS = 4
# A busy machine may drop a few.
FRAMES = 20 * SECONDS
# Seconds: longer than a browser closes a hole by itself.
AWAY = 3


class Order(unittest.TestCase):
    """Pictures out of order are errors of the server, unless the player has gone back."""

    def check(self, *steps, errors=0):
        command = ["node", FILES / "order.js", FILES / "page.html", json.dumps(steps)]
        said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        self.assertEqual(len(json.loads(said.stdout)), errors, said.stdout)

    def test_without_a_seek(self):
        self.check(1, 2, 2, 3)
        self.check(1, 3, 2, errors=1)

    def test_behind_a_nudge_over_a_hole(self):
        self.check(1, 3, "to 3.1", "seeked", 4)
        self.check(1, 3, "to 3.1", "seeked", 2, errors=1)
        # It goes back a little if earlier pictures were on their way.
        self.check(0, "to 0.02", 0.08, "seeked", 0, 0.04)

    def test_behind_a_seek_back(self):
        # One that was on its way may be shown yet.
        self.check(1, 3, "to 2", 3, "seeked", 2, 3)
        self.check(1, 3, "to 2", "seeked", 2, 3, 2, errors=1)

    def test_behind_another_source(self):
        self.check(1, 3, "emptied", 1, 2)


class InChromium(Case):
    def plays(self, media):
        self.serve()
        self.publish_live(STREAM, media=media)
        server = self.server
        self.until_hls(STREAM)
        self.chromium = Chromium(
            self,
            [
                {"name": "hls.js", "kind": "hls.js", "url": self.url(server.hls(STREAM))},
                {
                    "name": "hls.js folder",
                    "kind": "hls.js",
                    "url": self.url(server.hls_in_folder(STREAM)),
                },
                {"name": "http-flv", "kind": "flv", "url": self.url(server.flv(STREAM))},
                {"name": "http-ts", "kind": "mpegts", "url": self.url(server.ts(STREAM))},
                {"name": "ws-flv", "kind": "flv", "url": self.url(server.ws_flv(STREAM))},
                {"name": "ws-ts", "kind": "mpegts", "url": self.url(server.ws_ts(STREAM))},
                {"name": "http-mp4", "kind": "native", "url": self.url(server.mp4(STREAM))},
                {"name": "ws-mp4", "kind": "mse", "url": self.url(server.ws_mp4(STREAM))},
            ],
        )

    def url(self, url):
        return url

    def check(self):
        first = self.chromium.until(lambda name, player: player["frames"] > 0, "a frame on each")

        def has_gone_on(name, player):
            frames = player["frames"] - first[name]["frames"]
            seconds = player["time"] - first[name]["time"]
            return player["errors"] or (frames >= FRAMES and seconds >= SECONDS)

        report = self.chromium.until(has_gone_on, f"{SECONDS} more seconds on each")
        for name, player in report.items():
            self.assertEqual(player["errors"], [], name)
            self.assertEqual(player["width"], 640, name)

    def test_every_url_is_played(self):
        self.plays("demo")
        self.check()

    def test_a_page_may_ask_for_subprotocols(self):
        self.serve()
        self.publish_live(STREAM)
        url = self.url(self.server.ws_mp4(STREAM))
        asking = {"name": "ws-mp4", "kind": "mse of a subprotocol", "url": url}
        self.chromium = Chromium(self, [asking])
        self.check()

    def test_b_frames_are_shown_in_order(self):
        self.plays("bframes")
        self.check()

    def test_a_publisher_goes_and_comes_back_and_each_plays_on(self):
        self.serve()
        publisher = self.publish_live(STREAM)
        server = self.server
        self.chromium = Chromium(
            self,
            [
                {"name": "mpegts.js flv", "kind": "flv", "url": server.flv(STREAM)},
                {"name": "mpegts.js ts", "kind": "mpegts", "url": server.ts(STREAM)},
                {"name": "flv.js", "kind": "flv.js", "url": server.flv(STREAM)},
                {"name": "ws-mp4", "kind": "mse", "url": server.ws_mp4(STREAM)},
            ],
        )
        self.chromium.until(lambda _, player: player["frames"] > FRAMES, "play before")
        publisher.stop()
        self.until_log_counts(f"stops publishing {STREAM}", 1)
        gone = time.monotonic()
        before = self.chromium.until(
            lambda *_: time.monotonic() - gone > AWAY, "the time that it is away"
        )
        self.publish(STREAM)

        # Less than half of it can have been buffered before.
        def goes_on(name, player):
            return player["errors"] or player["frames"] > before[name]["frames"] + 2 * FRAMES

        report = self.chromium.until(goes_on, "more frames on each")
        for name, player in report.items():
            self.assertEqual(player["errors"], [], name)

    def test_older_and_other_players_play(self):
        self.serve(hls={"format": "ts", "segment": "1s"})
        self.publish_live(STREAM)
        self.until_hls(STREAM)
        server = self.server
        kinds = ("shaka", "shaka5", "xgplayer")
        plays = [{"name": kind, "kind": kind, "url": server.hls(STREAM)} for kind in kinds]
        plays += [
            {"name": "flv.js", "kind": "flv.js", "url": server.flv(STREAM)},
            {"name": "flv.js ws", "kind": "flv.js", "url": server.ws_flv(STREAM)},
        ]
        self.chromium = Chromium(self, plays)
        self.check()
