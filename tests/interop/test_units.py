"""Extra units that encoders put around their pictures: FLV files with changed tags are played."""

import subprocess

import flv
import mp4
import nal
import paths
from chromium import Chromium
from sample import VIDEO, of
from test_replay import Replay

STREAM = "film"
SECONDS = 6
SEI = bytes([6, 5, 20]) + b"7" * 16 + b"abcd" + b"\x80"


def framed(*units):
    return b"".join(len(unit).to_bytes(4, "big") + unit for unit in units)


def is_picture(tag):
    return tag.kind == flv.VIDEO_TAG and tag.body[1] == flv.FRAMES


class Units(Replay):
    def changed(self, tags):
        """A file of these (kind, time, body)."""
        out = b"FLV\x01\x05" + (9).to_bytes(4, "big")
        previous = 0
        for kind, time, body in tags:
            head = bytes([kind]) + len(body).to_bytes(3, "big")
            head += (time & 0xFFFFFF).to_bytes(3, "big") + bytes([time >> 24 & 0xFF, 0, 0, 0])
            out += previous.to_bytes(4, "big") + head + body
            previous = len(head) + len(body)
        path = self.directory / "changed.flv"
        path.write_bytes(out + previous.to_bytes(4, "big"))
        return path

    def source(self, media="demo"):
        return flv.tags(paths.media(media).read_bytes())

    def encoded(self, seconds, *params):
        """Tags of pictures with these parameters of x264."""
        path = self.directory / f"{len(params)}-{params[0].replace('=', '')}.flv"
        command = [paths.FFMPEG_CURRENT, "-nostdin", "-v", "error", "-f", "lavfi"]
        command += ["-i", "testsrc2=size=640x360:rate=25", "-t", str(seconds)]
        command += ["-c:v", "libx264", "-preset", "veryfast", "-b:v", "200k"]
        command += ["-pix_fmt", "yuv420p", "-x264-params", ":".join(params), path]
        subprocess.run(command, check=True)
        return flv.tags(path.read_bytes())

    def play(self, tags):
        """Plays them and gives what came as FLV, which a decoder finds nothing wrong with."""
        self.serve(pull=[self.pull(self.changed(tags))])
        captures = [self.capture(url(STREAM)) for url in (self.server.flv, self.server.mp4)]
        for capture in captures:
            capture.until_span(SECONDS * 1000)
        as_flv, as_mp4 = [capture.stop() for capture in captures]
        for data in (as_flv, as_mp4):
            self.assert_decodes(data, SECONDS - 1)
        return as_flv, as_mp4

    def pictures(self, as_flv):
        """(flagged as a key frame, units) of each."""
        tags = [tag for tag in flv.tags(as_flv) if is_picture(tag)]
        return [(tag.body[0] >> 4 == flv.KEY_FRAME, nal.split_lengths(tag.body[5:])) for tag in tags]


class Messages(Units):
    def with_sei(self):
        for tag in self.source():
            yield tag.kind, tag.timestamp, tag.body
            if is_picture(tag):
                yield tag.kind, tag.timestamp, b"\x27\x01\0\0\0" + framed(SEI)

    def test_sei_in_messages_of_its_own_makes_no_pictures(self):
        as_flv, as_mp4 = self.play(self.with_sei())
        for pictures in (of(flv.samples(as_flv), VIDEO), of(mp4.samples(as_mp4), VIDEO)):
            times = [one.dts for one in pictures]
            steps = [after - before for before, after in zip(times, times[1:], strict=False)]
            self.assertGreater(min(steps), 30)
        for _, units in self.pictures(as_flv)[1:]:
            self.assertIn(SEI, units)

    def test_browsers_play_it(self):
        self.serve(pull=[self.pull(self.changed(self.with_sei()))])
        self.until_live(STREAM)
        server = self.server
        chromium = Chromium(
            self,
            [
                {"name": "http-flv", "kind": "flv", "url": server.flv(STREAM)},
                {"name": "http-mp4", "kind": "native", "url": server.mp4(STREAM)},
                {"name": "ws-mp4", "kind": "mse", "url": server.ws_mp4(STREAM)},
            ],
        )
        report = chromium.until(
            lambda name, player: player["errors"] or player["frames"] > 75, "75 frames on each"
        )
        for name, player in report.items():
            self.assertEqual(player["errors"], [], name)


class ParameterSets(Units):
    def test_groups_of_pictures_with_sets_of_their_own(self):
        gop = ["keyint=25:min-keyint=25:scenecut=0:bframes=0"]
        both = [self.encoded(8, f"sps-id={id}", *gop) for id in range(2)]
        headers = [tag.body for tags in both for tag in tags if tag.body[:2] == b"\x17\0"]
        sets = nal_sets(headers[1])
        pictures = [[tag for tag in tags if is_picture(tag)] for tags in both]
        tags = [(flv.VIDEO_TAG, 0, headers[0])]
        for at, pair in enumerate(zip(*pictures, strict=True)):
            picture = pair[at // 25 % 2]
            body = picture.body
            if at == 0:
                body = body[:5] + framed(*sets) + body[5:]
            tags.append((flv.VIDEO_TAG, picture.timestamp, body))
        as_flv, _ = self.play(tags)
        self.assertLessEqual(len(flv.sequence_headers(as_flv)), 2)


def nal_sets(header):
    """The sets of a tag with a record that has one of each kind."""
    at = 5 + 6
    found = []
    for _ in range(2):
        length = int.from_bytes(header[at : at + 2], "big")
        found.append(header[at + 2 : at + 2 + length])
        at += 2 + length + 1
    return found


class KeyFrames(Units):
    def flagged(self, tags, key):
        """The same with the flag of a key frame on all pictures, or on none."""
        for tag in tags:
            body = bytes([0x17 if key else 0x27]) + tag.body[1:] if is_picture(tag) else tag.body
            yield tag.kind, tag.timestamp, body

    def test_flags_are_not_believed(self):
        for key in (False, True):
            with self.subTest(key):
                as_flv, _ = self.play(self.flagged(self.source(), key))
                pictures = self.pictures(as_flv)
                self.assertTrue(pictures[0][0])
                for is_key, units in pictures:
                    self.assertEqual(is_key, any(nal.is_key("h264", unit) for unit in units))

    def joins_late(self, *params):
        """A stream whose only IDR picture is its first, and whose flags say nothing: gives the
        pictures of one who comes when it is over."""
        tags = self.encoded(20, "keyint=50:min-keyint=50:scenecut=0", *params)
        self.serve(pull=[self.pull(self.changed(self.flagged(tags, False)))])
        self.until_live(STREAM, milliseconds=11000)
        capture = self.capture(self.server.flv(STREAM))
        capture.until_span(3000)
        pictures = self.pictures(capture.stop())
        self.assertTrue(pictures[0][0])
        for _, units in pictures:
            self.assertFalse(any(nal.is_key("h264", unit) for unit in units))
        return pictures

    def test_open_groups_of_pictures_go_on(self):
        pictures = self.joins_late("open-gop=1:bframes=2")
        keys = [at for at, (is_key, _) in enumerate(pictures) if is_key]
        self.assertEqual(keys[:2], [0, 50])

    def test_gradual_refresh_begins_at_recovery_points(self):
        pictures = self.joins_late("intra-refresh=1:bframes=0")
        self.assertTrue(any(unit[:2] == b"\x06\x06" for unit in pictures[0][1]))
