"""Files over HTTP: a folder, and what was recorded."""

import email.utils
import http.client
import json
import os
import random
import subprocess
import time
import urllib.error
import urllib.request

import paths
import players
import waiting
import websocket
from case import Case
from chromium import Chromium
from raw_http import RawHttp

STREAM = "cam"


class Root(Case):
    def setUp(self):
        super().setUp()
        self.root = self.directory / "root"
        self.root.mkdir()
        (self.directory / "secret.txt").write_text("secret")
        self.content = random.Random(3).randbytes(3_000_001)
        (self.root / "film.mp4").write_bytes(self.content)
        (self.root / "index.html").write_text("<p>hello")
        (self.root / "folder").mkdir()
        (self.root / "folder" / "index.html").write_text("<p>inside")
        (self.root / "empty.txt").write_text("")
        (self.root / ".hidden").write_text("hidden")
        (self.root / "out.txt").symlink_to(self.directory / "secret.txt")
        (self.root / "up").symlink_to("..")
        (self.root / "in.html").symlink_to("folder/index.html")
        os.mkfifo(self.root / "pipe")
        self.serve(http={"root": self.root})

    def get(self, path, method="GET", **fields):
        """The answer to one request, whatever its path."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.http_port, timeout=10)
        self.addCleanup(connection.close)
        fields = {name.replace("_", "-"): value for name, value in fields.items()}
        connection.request(method, path, headers=fields)
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def test_files_are_what_they_are(self):
        for path, content, kind in (
            ("/film.mp4", self.content, "video/mp4"),
            ("/empty.txt", b"", "text/plain; charset=utf-8"),
            ("/", b"<p>hello", "text/html; charset=utf-8"),
            ("/folder/", b"<p>inside", "text/html; charset=utf-8"),
            ("/in.html", b"<p>inside", "text/html; charset=utf-8"),
        ):
            status, headers, body = self.get(path)
            self.assertEqual((status, headers["Content-Type"]), (200, kind), path)
            self.assertTrue(body == content, path)
            self.assertEqual(headers["Access-Control-Allow-Origin"], "*")
        status, headers, body = self.get("/film.mp4", "HEAD")
        self.assertEqual((status, headers["Content-Length"], body), (200, "3000001", b""))
        status, headers, _ = self.get("/folder")
        self.assertEqual((status, headers["Location"]), (301, "./folder/"))
        self.assertEqual(self.get("/nothing")[0], 404)
        self.assertEqual(self.get("/healthz")[2], b"ok\n")

    def test_a_stream_that_is_no_file_is_waited_for_over_websocket_too(self):
        client = websocket.WebSocket(self.server.ws_flv("cam"), timeout=15)
        self.addCleanup(client.close)
        self.publish("cam")
        kind, payload = next(client.messages())
        self.assertEqual((kind, payload[:3]), (websocket.BINARY, b"FLV"))

    def test_one_connection_has_many(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.http_port, timeout=10)
        self.addCleanup(connection.close)
        for path in ("/film.mp4", "/nothing", "/film.mp4", "/folder", "/"):
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
            self.assertTrue(body == self.content or path != "/film.mp4")

    def test_parts(self):
        whole = self.content
        for asked, first, last in (
            ("bytes=0-0", 0, 0),
            ("bytes=100-99999", 100, 99_999),
            ("bytes=2999000-", 2_999_000, 3_000_000),
            ("bytes=-5", 2_999_996, 3_000_000),
            ("bytes=0-99999999", 0, 3_000_000),
        ):
            status, headers, body = self.get("/film.mp4", Range=asked)
            self.assertEqual(status, 206, asked)
            self.assertEqual(headers["Content-Range"], f"bytes {first}-{last}/3000001")
            self.assertTrue(body == whole[first : last + 1], asked)
        status, headers, body = self.get("/film.mp4", Range="bytes=3000001-")
        self.assertEqual((status, headers["Content-Range"], body), (416, "bytes */3000001", b""))
        for ignored in ("bytes=5-2", "bytes=0-1,3-4", "lines=1-2", "bytes=x-"):
            self.assertEqual(self.get("/film.mp4", Range=ignored)[0], 200, ignored)

    def test_what_one_has_is_not_sent_again(self):
        _, headers, _ = self.get("/film.mp4", "HEAD")
        tag, date = headers["ETag"], headers["Last-Modified"]
        for known in (
            {"If_None_Match": tag},
            {"If_None_Match": f'"x", W/{tag}'},
            {"If_None_Match": "*"},
            {"If_Modified_Since": date},
        ):
            status, again, body = self.get("/film.mp4", **known)
            self.assertEqual((status, body, again["ETag"]), (304, b"", tag), known)
        later = email.utils.formatdate(time.time() - 1e6, usegmt=True)
        for unknown in (
            {"If_None_Match": '"x"'},
            {"If_Modified_Since": later},
            {"If_Modified_Since": "never"},
            {"If_None_Match": '"x"', "If_Modified_Since": date},
        ):
            self.assertEqual(self.get("/film.mp4", **unknown)[0], 200, unknown)
        self.assertEqual(self.get("/film.mp4", Range="bytes=0-9", If_Range=tag)[0], 206)
        self.assertEqual(self.get("/film.mp4", Range="bytes=0-9", If_Range='"x"')[0], 200)
        os.utime(self.root / "film.mp4", (1, 1))
        self.assertEqual(self.get("/film.mp4", If_None_Match=tag)[0], 200)

    def test_no_path_leads_out(self):
        ways = [
            "/../secret.txt",
            "/folder/../../secret.txt",
            "/%2e%2e/secret.txt",
            "/..%2fsecret.txt",
            "/%2e%2e%2fsecret.txt",
            "/folder/..%2f..%2fsecret.txt",
            "/.%2e/secret.txt",
            "/..\\secret.txt",
            "/..%5csecret.txt",
            "/%252e%252e/secret.txt",
            "//secret.txt",
            "/./../secret.txt",
            "/up/secret.txt",
            "/out.txt",
            "/film.mp4%00.txt",
            "/.hidden",
            "/folder/./../.hidden",
            "/%c0%ae%c0%ae/secret.txt",
            "/..;/secret.txt",
            "/pipe",
            "/record/..%2fsecret.txt",
            f"/{self.directory}/secret.txt",
        ]
        for way in ways:
            raw = RawHttp(self.server.http_port)
            self.addCleanup(raw.close)
            answer = raw.request("GET", way)
            self.assertIn(answer.status, (400, 403, 404), way)
            self.assertNotIn(b"secret", answer.body.replace(b"secret.txt", b""), way)

    def resident(self):
        return self.server.metric("process_resident_memory_bytes")

    def test_one_who_reads_slowly_costs_little(self):
        raw = RawHttp(self.server.http_port)
        self.addCleanup(raw.close)
        raw.send(b"GET /film.mp4 HTTP/1.1\r\nHost: x\r\n\r\n")
        before = self.resident()
        time.sleep(1)
        self.assertLess(self.resident() - before, 1 << 20)
        self.assertEqual(self.get("/folder/")[0], 200)


class Off(Case):
    def test_there_are_none_unless_asked_for(self):
        self.serve()
        for path in ("/", "/index.html", "/etc/passwd", "/record/x.txt", "/api/record/list"):
            with self.assertRaises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(self.server.http + path, timeout=15)
            self.assertEqual(refused.exception.code, 404, path)


class Recorded(Case):
    def setUp(self):
        super().setUp()
        folder = self.directory / "recorded"
        folder.mkdir()
        formats = ("flv", "ts", "fmp4", "hls")
        rules = [{"streams": "*", "path": folder, "format": one, "length": "2s"} for one in formats]
        self.serve(record=rules, recording={"memory": "4MiB"})
        publisher = self.publish_live(STREAM)
        self.until_live(STREAM, milliseconds=7000)
        publisher.stop()
        self.until_log_counts("is no longer recorded", len(formats))
        waiting.until(lambda: self.records()[0]["size"] > 0, 5, "the last bytes")

    def records(self, query=""):
        with urllib.request.urlopen(
            f"{self.server.http}/api/record/list{query}", timeout=15
        ) as answer:
            return json.load(answer)["data"]["records"]

    def url(self, extension, nth=-1):
        """The oldest of a format, or another."""
        return (
            self.server.http
            + [one["file"] for one in self.records() if one["file"].endswith(extension)][nth]
        )

    def test_all_are_listed_the_newest_first(self):
        records = self.records()
        begun = [one["begin_unix_ms"] for one in records]
        self.assertEqual(begun, sorted(begun, reverse=True))
        self.assertLess(abs(begun[0] / 1000 - time.time()), 60)
        self.assertEqual({one["stream_name"] for one in records}, {STREAM})
        extensions = {one["file"].rsplit(".", 1)[1] for one in records}
        self.assertEqual(extensions, {"flv", "ts", "mp4", "m3u8"})
        self.assertEqual(self.records("?stream=door"), [])
        self.assertEqual(
            self.records(f"?before={begun[0]}"),
            [one for one in records if one["begin_unix_ms"] < begun[0]],
        )

    def test_the_list_looks_at_no_more_files_than_it_tells_of(self):
        folder = self.directory / "many"
        folder.mkdir()
        for second in range(2000):
            (folder / f"{STREAM}-{1_700_000_000 + second}.ts").write_bytes(b"x")
        calls = self.directory / "calls"
        tracer = ["strace", "-D", "-f", "-e", "trace=%%stat,%file", "-o", calls]
        rule = {"streams": "*", "path": folder, "format": "ts"}
        self.serve(launcher=tracer, record=[rule])
        waiting.until((folder / ".runnel-index").exists, 20, "the index")

        def looks():
            return calls.read_text().count(f"{folder}/{STREAM}-")

        before = waiting.until(lambda: self.records() and looks(), 10, "a list")
        self.assertEqual(len(self.records()), 100)
        self.assertLess(looks() - before, 200)

    def test_programs_play_them(self):
        for extension in (".flv", ".ts", ".mp4", ".m3u8"):
            program = self.start(
                "ffmpeg", players.ffmpeg_decode(paths.FFMPEG_DEBIAN, self.url(extension), 2)
            )
            program.wait(20)
            self.assert_none(players.ffmpeg_faults(program, 1.8), extension)
        players.Vlc(self, self.url(".m3u8")).until_decoded()

    def test_browsers_play_them(self):
        plays = [("native", ".mp4"), ("hls.js", ".m3u8"), ("flv", ".flv")]
        chromium = Chromium(
            self, [{"name": kind, "kind": kind, "url": self.url(end)} for kind, end in plays]
        )
        report = chromium.until(
            lambda _, player: player["frames"] > 30 and player["time"] > 1, "a second of each"
        )
        for name, player in report.items():
            self.assertEqual(player["width"], 640, name)

    def test_curl_goes_on_where_it_was_cut(self):
        url = self.url(".ts")
        path = self.directory / "copy.ts"
        subprocess.run(["curl", "-sS", "-r", "0-9999", "-o", path, url], check=True)
        subprocess.run(["curl", "-sS", "-C", "-", "-o", path, url], check=True)
        with urllib.request.urlopen(url, timeout=15) as whole:
            self.assertTrue(path.read_bytes() == whole.read())

    def status(self, path, server=None):
        try:
            with urllib.request.urlopen((server or self.server).http + path, timeout=15) as answer:
                return answer.status
        except urllib.error.HTTPError as refused:
            return refused.code

    def test_what_else_is_in_the_folder_is_nobody_s(self):
        folder = self.directory / "recorded"
        (folder / "mine.ts").write_text("secret")
        (folder / "index.html").write_text("secret")
        (folder / STREAM / "notes.txt").write_text("secret")
        (folder / f"{STREAM}-1700000000.flv").symlink_to("/etc/hostname")
        for path in ("mine.ts", "mine%2ets", "", "index.html", f"{STREAM}/", f"{STREAM}/notes.txt",
                     f"{STREAM}%2frecord.m3u8", f"{STREAM}/../mine.ts"):  # fmt: skip
            self.assertIn(self.status(f"/record/{path}"), (400, 404), path)
        self.assertEqual(self.status(f"/record/{STREAM}-1700000000.flv"), 403)

    def test_it_can_be_turned_off(self):
        path = self.url(".ts").removeprefix(self.server.http)
        self.assertEqual(self.status(path), 200)
        rule = {"streams": "*", "path": self.directory / "recorded", "format": "hls"}
        other = self.serve_another("other", record=[rule], recording={"http": False})
        # The first is somebody's stream then, which is waited for.
        for path in ("/api/record/list", f"/record/{STREAM}/record.m3u8"):
            self.assertEqual(self.status(path), 200, path)
            self.assertEqual(self.status(path, other), 404, path)
