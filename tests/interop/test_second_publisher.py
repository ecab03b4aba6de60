"""Two publishers of one stream: the second is refused, or replaces the first."""

import flv
import paths
import sample
import timeline
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
