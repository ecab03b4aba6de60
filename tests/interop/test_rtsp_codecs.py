"""Each codec goes in by RTSP and comes out everywhere, and from RTMP to RTSP."""

from dataclasses import replace

import flv
import packets
import paths
import players
import sample
import timeline
import ts
import ts_rules
from case import Case

STREAM = "cam"
SECONDS = 3
PLAYS_WITHIN = 20
VIDEO_CODECS = {"h264", "hevc", "av1"}
# The codecs that MPEG-TS cannot carry.
NOT_IN_TS = {"av1", "alaw", "ulaw"}
# ffmpeg cuts G.711 into packets of its own length: only the bytes can be compared.
BYTES = {"alaw", "ulaw"}
DELIMITER = b"\x12\x00"


class Codecs(Case):
    def setUp(self):
        super().setUp()
        self.serve()

    def into_rtsp(self, media, codecs):
        """Published by RTSP, it comes out of FLV and MPEG-TS as it was."""
        source = [bare(one) for one in flv.samples(paths.media(media).read_bytes())]
        captures = [self.capture(self.server.flv(STREAM)), self.capture(self.server.ts(STREAM))]
        self.publish_rtsp(STREAM, "tcp", media=media, loop=False)
        for capture in captures:
            capture.until_span(SECONDS * 1000 + 1000)
        for capture in captures:
            expected = codecs - NOT_IN_TS if capture.reader is ts else codecs
            self.check_capture(capture, capture.stop(), source, expected)

    def check_capture(self, capture, data, source, codecs):
        samples = capture.reader.samples(data)
        self.assertEqual(sample.codecs(samples), codecs, capture.url)
        self.assert_none(timeline.faults(samples), capture.url)
        whole = [one for one in samples if one.codec not in BYTES]
        self.assert_none(timeline.differences_by_rtp(source, whole), capture.url)
        for codec in codecs & BYTES:
            published, played = bytes_of(source, codec), bytes_of(samples, codec)
            self.assertIn(played, published, f"{codec} of {capture.url}")
        if capture.reader is ts:
            self.assert_none(ts_rules.faults(data), capture.url)
        self.assert_decodes(data, SECONDS, video=codecs & VIDEO_CODECS)

    def out_of_rtsp(self, media, video="h264"):
        """Published by RTMP, ffmpeg gets by RTSP the packets that were published."""
        self.publish_live(STREAM, media=media, loop=False)
        url, file = self.server.rtsp(STREAM), paths.media(media)
        how = ["-rtsp_transport", "tcp"]
        playing = self.start("play", packets.copying(url, video, *how, seconds=SECONDS))
        decoding = self.start(
            "decode", players.ffmpeg_decode_rtsp(paths.FFMPEG_CURRENT, url, SECONDS, "tcp")
        )
        reading = self.start("file", packets.copying(file, video))
        played, source = self.ended(playing), self.ended(reading)
        if media in BYTES:
            played = [one for one in played if one.track == 0]
        faults = packets.differences(source, played, timeline.ROUNDING, timeline.LIP_SYNC)
        self.assert_none(faults, playing.describe())
        decoding.wait(PLAYS_WITHIN)
        self.assert_none(players.ffmpeg_faults(decoding, SECONDS, video is not None), "decoding")

    def ended(self, program):
        self.assertEqual(program.wait(PLAYS_WITHIN), 0, program.describe())
        return packets.read(program.stdout.decode())

    def test_hevc_in(self):
        self.into_rtsp("hevc", {"hevc", "aac"})

    def test_hevc_out(self):
        self.out_of_rtsp("hevc-bframes", "hevc")

    def test_av1_in(self):
        self.into_rtsp("av1", {"av1", "aac"})

    def test_av1_out(self):
        self.out_of_rtsp("av1", "av1")

    def test_opus_in(self):
        self.into_rtsp("opus", {"h264", "opus"})

    def test_opus_out(self):
        self.out_of_rtsp("opus")

    def test_mp3_in(self):
        self.into_rtsp("mp3", {"h264", "mp3"})

    def test_mp3_out(self):
        self.out_of_rtsp("mp3")

    def test_g711_a_law_in(self):
        self.into_rtsp("alaw", {"h264", "alaw"})

    def test_g711_a_law_out(self):
        self.out_of_rtsp("alaw")

    def test_g711_mu_law_in(self):
        self.into_rtsp("ulaw", {"h264", "ulaw"})

    def test_g711_mu_law_out(self):
        self.out_of_rtsp("ulaw")

    def test_sound_alone_in(self):
        self.into_rtsp("audio-only", {"aac"})

    def test_sound_alone_out(self):
        self.out_of_rtsp("audio-only", None)

    def test_picture_alone_in(self):
        self.into_rtsp("video-only", {"h264"})

    def test_picture_alone_out(self):
        self.out_of_rtsp("video-only")


def bare(one):
    """Without the temporal delimiter of AV1, which RTP leaves out."""
    return replace(one, payload=one.payload.removeprefix(DELIMITER)) if one.codec == "av1" else one


def bytes_of(samples, codec):
    return b"".join(one.payload for one in samples if one.codec == codec)
