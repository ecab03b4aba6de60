"""The readers of these tests: they pass what ffmpeg writes, and see each kind of damage."""

import dataclasses
import subprocess
import unittest

import flv
import hls
import paths
import timeline
import ts
import ts_rules
from sample import VIDEO, Broken

PLAYLIST = """#EXTM3U
#EXT-X-VERSION:6
#EXT-X-INDEPENDENT-SEGMENTS
#EXT-X-TARGETDURATION:2
#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-PROGRAM-DATE-TIME:2024-05-01T10:00:00.000Z
#EXTINF:2.000,
a-7.ts
#EXT-X-PROGRAM-DATE-TIME:2024-05-01T10:00:02.000Z
#EXTINF:1.500,
a-8.ts
"""


def written_as_ts(media):
    command = [paths.FFMPEG_CURRENT, "-v", "error", "-i", paths.media(media), "-c", "copy"]
    return subprocess.run(
        [*command, "-f", "mpegts", "-"], stdout=subprocess.PIPE, check=True
    ).stdout


class TsReader(unittest.TestCase):
    def setUp(self):
        self.good = written_as_ts("bframes")

    def found_in(self, data):
        return "\n".join(ts_rules.faults(data))

    def without(self, is_unwanted):
        packets = [self.good[i : i + ts.PACKET] for i in range(0, len(self.good), ts.PACKET)]
        return b"".join(packet for packet in packets if not is_unwanted(packet))

    def test_what_ffmpeg_writes_is_good(self):
        for media in ("demo", "bframes", "hevc", "hevc-bframes", "mp3", "opus"):
            self.assertEqual(ts_rules.faults(written_as_ts(media)), [], media)

    def test_it_gives_back_what_was_written(self):
        for media in ("demo", "bframes", "hevc-bframes", "mp3", "opus", "audio-only"):
            source = flv.samples(paths.media(media).read_bytes())
            self.assertEqual(
                timeline.differences(source, ts.samples(written_as_ts(media))), [], media
            )

    def test_lost_sync(self):
        self.assertIn("sync byte", self.found_in(self.good[:1880] + self.good[1881:]))

    def test_a_lost_packet(self):
        packets = [self.good[at : at + ts.PACKET] for at in range(0, len(self.good), ts.PACKET)]
        # In the middle of a picture: tables may come once more, or not.
        lost = next(n for n in range(100, len(packets)) if packets[n][1:3] == packets[n - 1][1:3])
        self.assertIn("continuity counter", self.found_in(b"".join(packets[:lost] + packets[lost + 1 :])))

    def test_a_damaged_table(self):
        at = ts.read(self.good).tables[1].at + 12
        damaged = self.good[:at] + bytes([self.good[at] ^ 1]) + self.good[at + 1 :]
        self.assertIn("CRC", self.found_in(damaged))

    def test_tables_that_come_only_once(self):
        def is_later_table(packet):
            pid = int.from_bytes(packet[1:3], "big") & 0x1FFF
            return pid in (0, 0x1000) and packet[3] & 0x0F != 0

        self.assertIn("ms without it", self.found_in(self.without(is_later_table)))

    def test_a_clock_that_is_seldom_told(self):
        # ffmpeg tells it seldom where there is no video.
        self.assertIn("PCR", self.found_in(written_as_ts("audio-only")))

    def test_missing_delimiters(self):
        damaged = self.good.replace(b"\0\0\0\1\x09\xf0", b"\0\0\0\1\x0c\xff")
        self.assertIn("AUD", self.found_in(damaged))

    def test_missing_parameter_sets(self):
        damaged = self.good.replace(b"\0\0\1\x67", b"\0\0\1\x6c").replace(
            b"\0\0\1\x68", b"\0\0\1\x6c"
        )
        self.assertIn("without its parameter sets", self.found_in(damaged))


class FlvReader(unittest.TestCase):
    def setUp(self):
        self.good = paths.media("bframes").read_bytes()

    def test_a_wrong_previous_tag_size(self):
        at = flv.tags(self.good)[3].end
        with self.assertRaisesRegex(Broken, "PreviousTagSize"):
            flv.tags(self.good[:at] + b"\0\0\0\1" + self.good[at + 4 :])

    def test_a_wrong_length(self):
        at = flv.tags(self.good)[3].end + 4
        with self.assertRaises(Broken):
            flv.tags(self.good[: at + 1] + b"\0\0\7" + self.good[at + 4 :])

    def test_another_format(self):
        with self.assertRaises(Broken):
            flv.tags(b"HTTP/1.1 200 OK")

    def test_a_timestamp_of_32_bits(self):
        tag = bytes([8, 0, 0, 3, 0x34, 0x56, 0x78, 0x12, 0, 0, 0, 0xAF, 1, 0x21])
        data = b"FLV\1\4\0\0\0\x09\0\0\0\0" + tag
        self.assertEqual(flv.tags(data)[0].timestamp, 0x12345678)


class Timeline(unittest.TestCase):
    def setUp(self):
        self.source = flv.samples(paths.media("bframes").read_bytes())

    def differences(self, played):
        return "\n".join(timeline.differences(self.source, played))

    def moved(self, index, **times):
        played = list(self.source)
        played[index] = dataclasses.replace(played[index], **times)
        return played

    def first_video(self, after):
        return next(i for i, s in enumerate(self.source) if i > after and s.track == VIDEO)

    def test_the_source_itself_and_any_stretch_of_it(self):
        self.assertEqual(timeline.differences(self.source, self.source), [])
        self.assertEqual(timeline.differences(self.source, self.source[200:400]), [])

    def test_one_offset_for_all_is_no_difference(self):
        played = [dataclasses.replace(s, dts=s.dts + 700, pts=s.pts + 700) for s in self.source]
        self.assertEqual(timeline.differences(self.source, played), [])

    def test_one_offset_for_each_track_is_a_difference(self):
        late = [
            dataclasses.replace(s, dts=s.dts + 40, pts=s.pts + 40) if s.track == VIDEO else s
            for s in self.source
        ]
        self.assertIn("moved by -40", self.differences(late))

    def test_a_lost_frame(self):
        at = self.first_video(after=100)
        self.assertIn(
            "not what was published", self.differences(self.source[:at] + self.source[at + 1 :])
        )

    def test_a_lost_presentation_time(self):
        at = self.first_video(after=100)
        self.assertIn("pts moved", self.differences(self.moved(at, pts=self.source[at].dts)))

    def test_time_that_goes_back(self):
        at = self.first_video(after=100)
        self.assertIn("goes back", "\n".join(timeline.faults(self.moved(at, dts=0))))

    def test_a_start_between_key_frames(self):
        at = self.first_video(after=self.first_video(after=10))
        self.assertIn("no key frame", "\n".join(timeline.faults(self.source[at:])))


class PlaylistReader(unittest.TestCase):
    def found_in(self, text):
        return "\n".join(hls.read(text).faults)

    def test_a_good_one(self):
        playlist = hls.read(PLAYLIST)
        self.assertEqual(playlist.faults, [])
        self.assertEqual([s.number for s in playlist.segments], [7, 8])

    def test_each_fault(self):
        for old, new, said in [
            ("#EXTM3U", "#EXTM4U", "does not start"),
            ("#EXTINF:2.000", "#EXTINF:2.600", "TARGETDURATION"),
            ("#EXT-X-TARGETDURATION:2\n", "", "no TARGETDURATION"),
            ("#EXTINF:1.500,\n", "", "without EXTINF"),
            ("#EXT-X-INDEPENDENT-SEGMENTS\n", "", "INDEPENDENT"),
            ("T10:00:02.000Z", "T10:00:03.000Z", "off by 1.000 s"),
            ("VERSION:6", "VERSION:2", "fractional"),
        ]:
            self.assertIn(said, self.found_in(PLAYLIST.replace(old, new)), new)

    def test_each_fault_of_a_change(self):
        before = hls.read(PLAYLIST)
        for old, new, said in [
            ("SEQUENCE:7", "SEQUENCE:6", "went back"),
            ("SEQUENCE:7", "SEQUENCE:10", "skipped"),
            ("SEQUENCE:7", "SEQUENCE:8", "number 8 was"),
            ("TARGETDURATION:2", "TARGETDURATION:3", "TARGETDURATION went"),
        ]:
            after = hls.read(PLAYLIST.replace(old, new))
            self.assertIn(said, "\n".join(hls.changes(before, after)), new)

    def test_a_discontinuity_that_goes_out_is_counted(self):
        marked = PLAYLIST.replace("#EXTINF:2.000", "#EXT-X-DISCONTINUITY\n#EXTINF:2.000")
        before = hls.read(marked)
        after = (
            PLAYLIST.replace("SEQUENCE:7", "SEQUENCE:8").replace("a-8", "a-9").replace("a-7", "a-8")
        )
        after = after.replace("#EXTINF:2.000", "#EXTINF:1.500")
        self.assertIn("DISCONTINUITY-SEQUENCE", "\n".join(hls.changes(before, hls.read(after))))
        counted = "#EXT-X-DISCONTINUITY-SEQUENCE:1\n#EXTINF:1.500"
        after = after.replace("#EXTINF:1.500", counted, 1)
        self.assertEqual(list(hls.changes(before, hls.read(after))), [])
