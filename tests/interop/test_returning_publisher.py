"""A publisher goes and comes back; its players stay and notice nothing worse."""

import flv
import mp4
import sample
import timeline
import ts
import ts_rules
from case import Case
from recording import until_all_more
from sample import VIDEO

STREAM = "cam"
SECONDS = 2


class ReturningPublisher(Case):
    def setUp(self):
        super().setUp()
        self.serve()

    def play_while(self, leave, media):
        """Plays a publisher, and then the one that takes its place after `leave`."""
        publisher = self.publish_live(STREAM)
        self.captures = self.capture_everything(STREAM)
        for capture in self.captures:
            capture.until_span(SECONDS * 1000)
        leave(publisher)
        # Its end is known before the next one comes, which is refused otherwise.
        self.until_log_counts(f"stops publishing {STREAM}", 1)
        self.publish(STREAM, media=media)
        until_all_more(self.captures, SECONDS * 1000 + 1000)
        for capture in self.captures:
            self.assertIsNone(capture.ended, capture.url)

    def check_time(self, capture, data):
        """Time goes on, and after the gap the picture starts at a key frame."""
        samples = capture.reader.samples(data)
        self.assert_none(timeline.faults(samples), capture.url)
        self.assert_none(gap_faults(sample.of(samples, VIDEO)), capture.url)

    def check_same_codec(self):
        for capture in self.captures:
            data = capture.stop()
            self.check_time(capture, data)
            if capture.reader is ts:
                self.assert_none(ts_rules.faults(data, expect_discontinuity=True), capture.url)
            if capture.reader is mp4 and len(mp4.files(data)) > 1:
                # Programs take the first head of a file for the only one.
                for part in mp4.files(data):
                    self.assert_decodes(part, SECONDS)
            else:
                self.assert_decodes(data, 2 * SECONDS)

    def test_it_leaves_as_it_should(self):
        self.play_while(lambda publisher: publisher.stop(), media="demo")
        self.check_same_codec()

    def test_it_is_killed(self):
        self.play_while(lambda publisher: publisher.kill(), media="demo")
        self.check_same_codec()

    def test_it_comes_back_with_b_frames(self):
        self.play_while(lambda publisher: publisher.stop(), media="bframes")
        self.check_same_codec()

    def test_it_comes_back_with_hevc(self):
        self.play_while(lambda publisher: publisher.stop(), media="hevc")
        for capture in self.captures:
            data = capture.stop()
            self.check_time(capture, data)
            samples = sample.of(capture.reader.samples(data), VIDEO)
            # All of the one and then all of the other.
            codecs = [one.codec for one in samples]
            self.assertEqual(sorted(set(codecs)), ["h264", "hevc"], capture.url)
            self.assertEqual(codecs, sorted(codecs), capture.url)
            if capture.reader is ts:
                self.assert_none(ts_rules.faults(data, expect_discontinuity=True), capture.url)
                self.assert_decodes(ts_from_codec(data, "hevc"), SECONDS)
            elif capture.reader is mp4:
                self.assert_decodes(mp4.files(data)[-1], SECONDS)
            else:
                self.assert_decodes(flv_from_codec(data, "hevc"), SECONDS)


def gap_faults(video):
    """Judges the longest gap, which is where the one publisher left."""
    pairs = list(zip(video, video[1:]))
    before, after = max(pairs, key=lambda pair: pair[1].dts - pair[0].dts)
    if not after.key:
        yield f"after the gap comes no key frame: {before}, then {after}"


def flv_from_codec(data, codec):
    """The same FLV, less all that came before this codec was announced."""
    announced = next(end for name, _, end in flv.sequence_headers(data) if name == codec)
    tags = flv.tags(data)
    first = next(i for i, tag in enumerate(tags) if tag.end == announced)
    return data[: flv.HEADER_LENGTH] + b"\0\0\0\0" + data[tags[first - 1].end + 4 :]


def ts_from_codec(data, codec):
    """The same, from the PAT before the table that announces the codec."""
    tables = ts.read(data).tables
    announced = next(i for i, one in enumerate(tables) if codec in (one.streams or {}).values())
    return data[tables[announced - 1].at :]
