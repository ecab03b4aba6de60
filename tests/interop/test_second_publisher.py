"""Two publishers of one stream: the second is refused, or replaces the first."""

import flv
import paths
import sample
import timeline
import waiting
from case import Case
from recording import until_all_more
from sample import VIDEO

STREAM = "cam"
ENDS_WITHIN = 5


class SecondPublisher(Case):
    def test_is_refused_and_the_first_plays_on_undisturbed(self):
        self.serve(publish={"conflict": "refuse"})
        first = self.publish_live(STREAM, loop=False)
        captures = self.capture_everything(STREAM)
        for capture in captures:
            capture.until_span(1000)
        second = self.publish(STREAM, media="bframes")
        self.assertNotEqual(second.wait(ENDS_WITHIN), 0, second.describe())
        # It was told, and not just cut off.
        self.assertIn("Server error", second.stderr)
        source = flv.samples(paths.media("demo").read_bytes())
        until_all_more(captures, 2000)
        for capture in captures:
            samples = capture.reader.samples(capture.stop())
            self.assert_none(timeline.differences(source, samples), capture.url)
        self.assertIsNone(first.exit_code, first.describe())

    def test_replaces_the_first_if_so_configured(self):
        self.serve(publish={"conflict": "replace"})
        first = self.publish_live(STREAM)
        captures = self.capture_everything(STREAM)
        for capture in captures:
            capture.until_span(1000)
        second = self.publish(STREAM, media="hevc")
        self.assertNotEqual(first.wait(ENDS_WITHIN), 0, first.describe())
        # FLV and MP4 have no word for another codec: who asks again gets it.
        over = [one for one in captures if one.url.endswith((".flv", ".mp4"))]
        for capture in over:
            waiting.until(lambda: capture.ended, 10, f"the end of {capture.url}")
            self.assertEqual(capture.ended, "the server closed it", capture.url)
        captures = [one for one in captures if one not in over]
        captures += [self.capture(one.url) for one in over]
        for capture in captures:
            capture.until(lambda samples: "hevc" in sample.codecs(samples), 10, "HEVC")
        until_all_more(captures, 2000)
        for capture in captures:
            self.assertIsNone(capture.ended, capture.url)
            samples = capture.reader.samples(capture.stop())
            self.assert_none(timeline.faults(samples), capture.url)
            hevc = [one for one in sample.of(samples, VIDEO) if one.codec == "hevc"]
            self.assertTrue(hevc[0].key, f"{capture.url}: {hevc[0]}")
        self.assertIsNone(second.exit_code, second.describe())
