"""The FLV header says which tracks there are: players wait for what it promises."""

import flv
from case import Case

STREAM = "cam"


class FlvHeader(Case):
    def check(self, media, flags, **config):
        self.serve(**config)
        # Both a player that comes first and one that comes later.
        captures = {"early": self.capture(self.server.flv(STREAM))}
        self.publish_live(STREAM, media=media)
        captures["late"] = self.capture(self.server.flv(STREAM))
        captures["late over WebSocket"] = self.capture(self.server.ws_flv(STREAM))
        for name, capture in captures.items():
            capture.until_frames()
            self.assertEqual(flv.flags(capture.stop()), flags, name)

    def test_video_and_audio(self):
        self.check("demo", flv.FLAG_VIDEO | flv.FLAG_AUDIO)

    def test_video_alone(self):
        self.check("video-only", flv.FLAG_VIDEO)

    def test_audio_alone(self):
        self.check("audio-only", flv.FLAG_AUDIO)

    def test_video_with_silence_added(self):
        self.check("video-only", flv.FLAG_VIDEO | flv.FLAG_AUDIO, publish={"silent_audio": True})
