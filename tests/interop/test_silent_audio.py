"""Silence is added to pictures without sound, if so configured."""

import sample
import timeline
import ts
import ts_rules
from case import Case
from sample import AUDIO, VIDEO

STREAM = "cam"
SECONDS = 3
# Milliseconds that sound and picture may be apart at the end.
APART = 200


class SilentAudio(Case):
    def test_is_there_in_every_form_and_keeps_up(self):
        self.serve(publish={"silent_audio": True})
        self.publish_live(STREAM, media="video-only")
        for capture in self.capture_everything(STREAM):
            capture.until_span(SECONDS * 1000 + 1000)
            data = capture.stop()
            samples = capture.reader.samples(data)
            self.assertEqual(sample.codecs(samples), {"h264", "aac"}, capture.url)
            self.assert_none(timeline.faults(samples), capture.url)
            apart = sample.of(samples, VIDEO)[-1].dts - sample.of(samples, AUDIO)[-1].dts
            self.assertLess(abs(apart), APART, capture.url)
            if capture.reader is ts:
                self.assert_none(ts_rules.faults(data), capture.url)
            self.assert_decodes(data, SECONDS)

    def test_is_not_added_to_sound(self):
        self.serve(publish={"silent_audio": True})
        self.publish_live(STREAM, media="mp3")
        capture = self.capture(self.server.flv(STREAM))
        capture.until_span(SECONDS * 1000)
        self.assertEqual(sample.codecs(capture.samples()), {"h264", "mp3"})
