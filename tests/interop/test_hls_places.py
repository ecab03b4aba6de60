"""Places of hls.streams: who has one, and who gives way."""

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
        text = (folder / "over" / "playlist.m3u8").read_text()
        self.assertTrue(text.endswith("#EXT-X-ENDLIST\n"), text)

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
