"""Places of hls.streams: who has one, and who gives way."""

import re
from concurrent.futures import ThreadPoolExecutor

import waiting
from case import Case
from hls_capture import get

GIVES_WAY_WITHIN = 20


class Places(Case):
    def ask(self, stream):
        return get(self.server.hls(stream), 20)

    def serve_one(self, resume, **keys):
        """There is one place."""
        keys = {"streams": 1, "segment": "1s", "idle": "10m", **keys}
        self.serve(hls=keys, streams={"resume": resume})

    def until_served(self, stream):
        waiting.until(lambda: self.ask(stream)[0] == 200, 20, lambda: self.ask(stream))


class GivesWay(Places):
    def test_a_stream_that_is_over_gives_way_to_one_that_lives(self):
        folder = self.directory / "store"
        folder.mkdir()
        self.serve_one("1s", store=folder, delete="never")
        publisher = self.publish_live("over")
        self.until_served("over")
        self.publish_live("live")
        self.assertEqual(self.ask("live")[0], 503)
        publisher.stop()
        waiting.until(lambda: b"ENDLIST" in self.ask("over")[2], GIVES_WAY_WITHIN, "that it is over")
        # Nobody publishes that, so what is there to be played stays.
        self.assertEqual(self.ask("absent")[0], 503)
        self.assertEqual(self.ask("over")[0], 200)
        self.until_served("live")
        self.assertEqual(self.ask("over")[0], 503)
        self.until_log_counts("stream=over HLS ends", 1)
        playlist = folder / "over" / "playlist.m3u8"
        ended = lambda: playlist.read_text().endswith("#EXT-X-ENDLIST\n")
        waiting.until(ended, GIVES_WAY_WITHIN, playlist.read_text)

    def test_so_does_one_whose_publisher_is_away(self):
        self.serve_one("10m")
        publisher = self.publish_live("away")
        self.until_served("away")
        publisher.stop()
        waiting.until(
            lambda: self.server.metric("runnel_publishers") == 0, GIVES_WAY_WITHIN, "that it is away"
        )
        self.assertNotIn(b"ENDLIST", self.ask("away")[2])
        self.publish_live("live")
        self.until_served("live")
        # It has come back, and there is no place.
        self.publish_live("away")
        self.assertEqual(self.ask("away")[0], 503)
        self.assertEqual(self.ask("live")[0], 200)

class Told(Places):
    """A request that waited in vain is logged and counted."""

    def refused(self, reason):
        return self.server.metric(f'runnel_refusals_total{{reason="{reason}"}}')

    def test_who_waits_for_what_nobody_publishes(self):
        self.serve()
        with ThreadPoolExecutor(20) as pool:
            answers = list(pool.map(self.ask, ["absent"] * 20))
        self.assertEqual({status for status, _, _ in answers}, {404})
        self.assertEqual(self.refused("absent"), 20)
        left_out = re.compile(r" (\d+) more lines are left out \(absent\)")

        def all_left_out():
            return sum(map(int, left_out.findall(self.server.log)))

        waiting.until(lambda: all_left_out() == 15, 30, "15 of them are left out")
        words = "waited in vain for absent: nothing is published under that name"
        self.assertEqual(self.server.log.count(words), 5)

    def test_a_stream_that_has_no_place_is_told_of_once(self):
        self.serve_one("1s", on_demand=False)
        self.publish_live("first")
        self.until_served("first")
        words = "is refused HLS: no more streams have segments: hls.streams is reached"
        for count, name in enumerate(("second", "third"), 1):
            publisher = self.publish_live(name)
            self.until_log_counts(f"stream={name} {words}", 1)
            self.assertEqual(self.server.log.count(words), count)
        self.assertEqual(self.refused("streams"), 2)
        publisher.stop()
        waiting.until(lambda: self.server.metric("runnel_streams") == 2, 20, "that it is gone")
        self.publish_live("third")
        self.until_log_counts(f"stream=third {words}", 2)
        self.assertEqual(self.server.log.count(f"stream=second {words}"), 1)
