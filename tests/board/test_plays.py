"""One publisher, and the real players."""

from guestcase import STREAM, GuestCase

SECONDS = 4


class Plays(GuestCase):
    def test_each_form_brings_what_was_published(self):
        self.publish_live(STREAM)
        captures = self.capture_everything(STREAM)
        for capture in captures:
            capture.until_span(SECONDS * 1000)
        for capture in captures:
            self.check_unbroken(capture)

    def test_ffmpeg_plays_all_at_once(self):
        self.publish_live(STREAM)
        self.check_decoding(self.urls(), SECONDS)
