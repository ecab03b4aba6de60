"""A publisher goes and comes back; its players stay and notice nothing worse."""

import flv
import mp4
import paths
import sample
import timeline
import ts
import ts_rules
import waiting
from case import Case
from recording import until_all_more
from sample import VIDEO

STREAM = "cam"
SECONDS = 2
ENDS_WITHIN = 20
# Milliseconds between two pictures where the one publisher left and the other came.
HOLE = 100


class ReturningPublisher(Case):
    def setUp(self):
        super().setUp()
        self.serve()

    def play_while(self, leave, media, ends=()):
        """Plays a publisher, and then the one that takes its place after `leave`.

        Forms in `ends` have no word for what comes then.
        """
        self.media = media
        publisher = self.publish_live(STREAM)
        self.captures = self.capture_everything(STREAM)
        for capture in self.captures:
            capture.until_span(SECONDS * 1000)
        leave(publisher)
        # Its end is known before the next one comes, which is refused otherwise.
        self.until_log_counts(f"stops publishing {STREAM}", 1)
        self.publish(STREAM, media=media)
        over = [one for one in self.captures if one.url.rsplit(".", 1)[1] in ends]
        self.captures = [one for one in self.captures if one not in over]
        until_all_more(self.captures, SECONDS * 1000 + 1000)
        for capture in self.captures:
            self.assertIsNone(capture.ended, capture.url)
        for capture in over:
            self.check_end(capture)

    def check_end(self, capture):
        """All of the first came, and nothing else; who asks again gets the second."""
        waiting.until(lambda: capture.ended, ENDS_WITHIN, f"the end of {capture.url}")
        self.assertEqual(capture.ended, "the server closed it", capture.url)
        self.assert_none(timeline.faults(capture.samples()), capture.url)
        self.assert_none(timeline.differences(published("demo"), capture.samples()), capture.url)
        self.assert_decodes(capture.data, SECONDS)
        again = self.capture(capture.url)
        again.until_span(SECONDS * 1000 + 1000)
        data = again.stop()
        new = sample.codecs(published(self.media))
        self.assertEqual(sample.codecs(again.reader.samples(data)), new, capture.url)
        self.assert_decodes(data, SECONDS)

    def check_time(self, capture, data):
        """Time goes on without a hole, and the second picture starts at a key frame."""
        samples = capture.reader.samples(data)
        self.assert_none(timeline.faults(samples), capture.url)
        video = sample.of(samples, VIDEO)
        before, after = the_return(video, self.media)
        self.assertTrue(after.key, after)
        self.assertLess(after.dts - before.dts, HOLE, capture.url)

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
        self.play_while(lambda publisher: publisher.stop(), media="bframes", ends=["mp4"])
        self.check_same_codec()

    def test_it_comes_back_with_hevc(self):
        self.play_while(lambda publisher: publisher.stop(), media="hevc", ends=["mp4", "flv"])
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
            else:
                self.assert_decodes(flv_from_codec(data, "hevc"), SECONDS)


def the_return(video, media):
    """The last picture of the one publisher and the first of the other: no file that is
    played over and over has these two in a row."""
    known = set()
    for name in ("demo", media):
        payloads = [one.payload for one in sample.of(published(name), VIDEO)]
        known |= set(zip(payloads, [*payloads[1:], payloads[0]]))
    pairs = zip(video, video[1:])
    [found] = [(a, b) for a, b in pairs if (a.payload, b.payload) not in known]
    return found


def published(media):
    return flv.samples(paths.media(media).read_bytes())


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
