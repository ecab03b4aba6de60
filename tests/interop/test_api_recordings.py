"""Recordings and snapshots by /api/v1, as a page and scripts use it."""

import json
import os
import subprocess
import urllib.request

import paths
import waiting
from case import Case

STREAM = "cam"
WITHIN = 20


class ByApi(Case):
    def curl(self, path, *options):
        """The status of an answer, its head, and its body."""
        url = f"http://127.0.0.1:{self.server.api_port}{path}"
        body = self.directory / "body"
        command = ["curl", "-sS", "--path-as-is", "-o", body, "-D", "-", *options, url]
        head = subprocess.run(command, capture_output=True, check=True, text=True).stdout
        return int(head.split()[1]), head, body.read_bytes() if body.exists() else b""

    def ask(self, path, *options, status=200):
        got, _, body = self.curl(path, *options)
        self.assertEqual(got, status, body)
        return json.loads(body)

    def probe(self, path, *options):
        """Decodes a file, and gives what its first video stream is."""
        decode = [paths.FFMPEG_CURRENT, "-v", "error", "-i", path, "-f", "null", "-"]
        done = subprocess.run(decode, capture_output=True, text=True, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""), path)
        probe = [paths.FFPROBE_DEBIAN, "-v", "error", "-of", "json", "-show_streams", "-count_packets"]
        done = subprocess.run([*probe, *options, path], capture_output=True, text=True, check=True)
        return json.loads(done.stdout)["streams"]


class Recordings(ByApi):
    def serve_rule(self, **rule):
        self.folder = self.directory / "recorded"
        self.folder.mkdir()
        rule = {"streams": "c*", "path": self.folder, "length": "1s", **rule}
        self.serve(record=[rule])

    def stream(self):
        items = self.ask("/api/v1/recordings")["items"]
        return next((one for one in items if one["name"] == STREAM), None)

    def files(self, query=""):
        return self.ask(f"/api/v1/recordings/{STREAM}{query}")

    def until(self, fits, what):
        waiting.until(lambda: fits(self.files()), WITHIN, lambda: f"{what}: {self.files()}")
        return self.files()

    def test_a_stream_is_recorded_from_start_to_stop(self):
        self.serve_rule(start="api", format="fmp4")
        self.publish_live(STREAM)
        self.assertIsNone(self.stream())
        self.assertEqual(list(self.folder.iterdir()), [])
        started = self.ask(f"/api/v1/recordings/{STREAM}/start", "-X", "POST")
        self.assertEqual((started["name"], started["wanted"]), (STREAM, True))
        self.until(lambda files: files["recording"] and files["total"] >= 3, "three files")
        told = self.stream()
        self.assertTrue(told["recording"] and told["wanted"] and told["files"] >= 3, told)
        self.assertGreater(told["bytes"], 0)
        self.ask(f"/api/v1/recordings/{STREAM}/stop", "-X", "POST")
        done = lambda files: not files["recording"] and not any(one["open"] for one in files["items"])
        files = self.until(done, "no file is open")
        self.assertEqual(len(files["ranges"]), 1, files)
        for one in files["items"]:
            self.assertEqual((self.folder / one["file"]).stat().st_size, one["bytes"])
        first = files["items"][0]
        self.assertTrue(0 < first["duration_s"] < 10, first)
        self.probe(self.folder / first["file"])
        with urllib.request.urlopen(f"http://127.0.0.1:{self.server.http_port}{first['url']}") as answer:
            self.assertEqual(answer.read(), (self.folder / first["file"]).read_bytes())
        # names of files have whole seconds
        starts = [one["start"] for one in files["items"]]
        later = next(start for start in starts if start != starts[0])
        self.assertEqual(self.files(f"?from={later}")["items"], files["items"][starts.index(later) :])
        self.assertEqual(self.files(f"?to={later}")["items"], files["items"][: starts.index(later)])
        self.ask(f"/api/v1/recordings/{STREAM}?from=yesterday", status=400)

    def test_a_stop_holds_for_the_next_publisher_until_the_start(self):
        self.serve_rule()
        publisher = self.publish_live(STREAM)
        self.until(lambda files: files["recording"], "it is recorded")
        self.assertFalse(self.ask(f"/api/v1/recordings/{STREAM}/stop", "-X", "POST")["wanted"])
        self.until(lambda files: not files["recording"], "it is no longer recorded")
        publisher.stop()
        self.publish_live(STREAM)
        self.publish_live("car")
        waiting.until(lambda: len(list(self.folder.glob("car-*"))) > 0, WITHIN, "the other is recorded")
        self.assertFalse(self.files()["recording"])
        self.ask(f"/api/v1/recordings/{STREAM}/start", "-X", "POST")
        self.until(lambda files: files["recording"], "it is recorded again")
        self.assertIn("409", str(self.curl("/api/v1/recordings/other/start", "-X", "POST")[0]))

    def test_what_is_deleted_is_listed_nowhere_and_what_is_written_stays(self):
        self.serve_rule(format="hls")
        publisher = self.publish_live(STREAM)
        files = self.until(lambda files: files["total"] >= 4, "four segments")
        listed = lambda: (self.folder / STREAM / "record.m3u8").read_text()
        first = files["items"][0]["file"]
        waiting.until(lambda: first in listed(), WITHIN, "the first is listed")
        self.assertEqual(self.ask(self.item(first), "-X", "DELETE"), {"deleted": 1, "more": False})
        self.assertNotIn(first, listed())
        self.assertFalse((self.folder / STREAM / first).exists())
        self.ask(self.item(first), "-X", "DELETE", status=404)
        self.assertNotIn(first, [one["file"] for one in self.files()["items"]])
        # the newest is being written, unless a file ends just then
        busy = lambda: self.curl(self.item(self.files()["items"][-1]["file"]), "-X", "DELETE")[0] == 409
        waiting.until(busy, WITHIN, "what is written is refused")
        for name in ["..%2f..%2fetc%2fpasswd", "record.m3u8", ".runnel-index", "%00", "a%2fb", "%zz", ".."]:
            status, _, body = self.curl(self.item(name), "-X", "DELETE")
            self.assertIn(status, (400, 404), (name, body))
        self.ask(f"/api/v1/recordings/{STREAM}", "-X", "DELETE", status=400)
        self.ask("/api/v1/recordings/..%2f..", "-X", "DELETE", status=404)
        self.assertIn("#EXTM3U", listed())
        publisher.stop()
        self.until(lambda files: not files["recording"], "the last is closed")
        later = "4102444800000"
        self.ask(f"/api/v1/recordings/{STREAM}?before={later}", "-X", "DELETE")
        self.assertEqual(self.files()["total"], 0)
        self.assertEqual(list(self.folder.rglob("*.ts")), [])
        self.assertNotIn(".ts", listed())
        self.assertIn("deleted by the API", self.server.log)

    def test_a_folder_that_cannot_be_written_is_said(self):
        self.folder = self.directory / "recorded"
        self.folder.mkdir()
        file = self.folder / f"{STREAM}-1700000000.flv"
        file.write_bytes(b"FLV")
        self.folder.chmod(0o555)
        self.directory.chmod(0o755)
        nobody = ("setpriv", "--reuid=65534", "--clear-groups") if os.geteuid() == 0 else ()
        rule = {"streams": "c*", "path": self.folder, "start": "api"}
        self.serve(launcher=nobody, record=[rule])
        (told,) = self.files()["items"]
        self.assertEqual((told["file"], told["bytes"], told["start"]), (file.name, 3, "2023-11-14T22:13:20.000Z"))
        said = self.ask(self.item(file.name), "-X", "DELETE", status=500)
        self.assertIn("Permission denied", said["error"])
        self.assertTrue(file.exists())
        self.folder.chmod(0o755)

    def item(self, name):
        return f"/api/v1/recordings/{STREAM}/{name}"


class Snapshots(ByApi):
    def snapshot(self, *options, end="mp4"):
        return self.curl(f"/api/v1/snapshot/{STREAM}.{end}", *options)

    def check(self, media, codec):
        self.serve()
        self.assertEqual(self.snapshot()[0], 404)
        self.publish_live(STREAM, media=media)
        status, head, body = self.snapshot()
        self.assertEqual(status, 200, body)
        self.assertIn("Content-Type: video/mp4", head)
        path = self.directory / "snapshot.mp4"
        path.write_bytes(body)
        (video,) = self.probe(path)
        self.assertEqual((video["codec_name"], video["nb_read_packets"], video["start_pts"]), (codec, "1", 0))
        tag = next(line.split(": ")[1] for line in head.splitlines() if line.startswith("ETag"))
        # the same until the next key frame
        again = lambda: self.snapshot("-H", f"If-None-Match: {self.tag()}")[0] == 304
        waiting.until(again, WITHIN, "the same picture")
        waiting.until(lambda: self.tag() != tag, WITHIN, "another picture")
        self.assertEqual(self.snapshot(end="jpg")[0], 404)

    def tag(self):
        head = self.snapshot()[1]
        return next(line.split(": ")[1] for line in head.splitlines() if line.startswith("ETag"))

    def test_h264(self):
        self.check("demo", "h264")

    def test_hevc(self):
        self.check("hevc", "hevc")

    def test_av1(self):
        self.check("av1", "av1")

    def test_sound_alone_has_none(self):
        self.serve()
        self.publish_live(STREAM, media="audio-only")
        status, _, body = self.snapshot()
        self.assertEqual((status, json.loads(body)), (404, {"error": "the stream has no pictures"}))

    def test_jpeg(self):
        self.serve()
        source = "testsrc=size=320x240:rate=10"
        command = [paths.FFMPEG_CURRENT, "-v", "error", "-re", "-f", "lavfi", "-i", source]
        command += ["-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-huffman", "default", "-f", "rtsp"]
        self.start("publisher", [*command, "-rtsp_transport", "tcp", self.server.rtsp(STREAM)])
        waiting.until(lambda: self.snapshot(end="jpg")[0] == 200, WITHIN, "a picture")
        _, head, body = self.snapshot(end="jpg")
        self.assertIn("Content-Type: image/jpeg", head)
        path = self.directory / "snapshot.jpg"
        path.write_bytes(body)
        (picture,) = self.probe(path)
        self.assertEqual((picture["codec_name"], picture["width"], picture["height"]), ("mjpeg", 320, 240))
        self.assertEqual(self.snapshot()[0], 404)

    def test_who_may_not_play_gets_none(self):
        self.serve(access=[{"action": ["play"], "user": "u", "password": "p"}])
        self.publish(STREAM)
        self.assertEqual(self.snapshot()[0], 401)
        waiting.until(lambda: self.snapshot("-u", "u:p")[0] == 200, WITHIN, "who may play gets one")
        for name in ["%2e%2e.mp4", ".mp4", "cam.txt", "cam", "a%2fb.mp4", "%zz.mp4"]:
            self.assertEqual(self.curl(f"/api/v1/snapshot/{name}")[0], 404, name)
