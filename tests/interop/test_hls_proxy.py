"""HLS behind a proxy that serves the server below a folder, and what caches are told."""

import http.client
import urllib.request
from urllib.parse import urljoin

import hls
import paths
import players
from case import Case
from chromium import Chromium
from hls_capture import get
from nginx import Folder

STREAM = "cam"


class Behind(Case):
    def test_players_that_are_told_apart_find_their_way(self):
        self.serve(hls={"segment": "1s", "sessions": True})
        self.publish_live(STREAM)
        proxy = Folder(self, self.server.http_port)
        url = f"{proxy.url}/hls/{STREAM}.m3u8"
        with urllib.request.urlopen(url, timeout=10) as answer:
            self.assertIn("/tv/hls/", answer.url)
            self.assertIn("session_id=", answer.url)
            self.assertTrue(hls.read(answer.read().decode()).segments)
        program = self.start("ffmpeg", players.ffmpeg_decode(paths.FFMPEG_DEBIAN, url, 3))
        chromium = Chromium(self, [{"name": "hls.js", "kind": "hls.js", "url": url}])
        chromium.until(lambda _, player: player["frames"] > 50, "50 frames")
        program.wait(20)
        self.assert_none(players.ffmpeg_faults(program, 3), url)

    def test_a_folder_of_files_is_found(self):
        (self.directory / "root" / "a:b").mkdir(parents=True)
        (self.directory / "root" / "a:b" / "index.html").write_text("inside")
        self.serve(http={"root": self.directory / "root"})
        proxy = Folder(self, self.server.http_port)
        with urllib.request.urlopen(f"{proxy.url}/a:b", timeout=10) as answer:
            self.assertEqual((answer.url, answer.read()), (f"{proxy.url}/a:b/", b"inside"))


class Caches(Case):
    def check(self, **keys):
        self.serve(hls={"segment": "1s", "segments": 7, "format": "fmp4", **keys})
        self.publish_live(STREAM)
        self.until_hls(STREAM)
        url = self.server.hls(STREAM)
        _, headers, body = get(url)
        self.assertEqual(headers["Cache-Control"], "no-cache")
        playlist = hls.read(body.decode())
        last = playlist.segments[-1]
        names = [last.uri, last.map, *[part.uri for part in last.parts]]
        for name in names:
            status, headers, _ = get(urljoin(url, name))
            self.assertEqual((status, headers["Cache-Control"]), (200, "public, max-age=7"), name)
            self.assertIn("Content-Length", headers["Access-Control-Expose-Headers"])
        status, headers, _ = get(urljoin(url, last.uri.replace("-", "-9", 1)))
        self.assertEqual((status, headers["Cache-Control"]), (404, "no-cache"))

    def test_segments_and_parts_may_be_kept_and_playlists_not(self):
        self.check(part="200ms", segment="1s")

    def test_so_may_those_on_a_disk(self):
        folder = self.directory / "store"
        folder.mkdir()
        self.check(store=folder)

    def test_scripts_of_other_origins_may_send_what_they_need(self):
        self.serve()
        wanted = "authorization, range, content-type, if-none-match, cache-control, x-requested-with"
        fields = {
            "Origin": "http://other",
            "Access-Control-Request-Method": "GET",
            "Access-Control-Request-Headers": wanted,
        }
        connection = http.client.HTTPConnection("127.0.0.1", self.server.http_port, timeout=15)
        self.addCleanup(connection.close)
        connection.request("OPTIONS", f"/hls/{STREAM}.m3u8", headers=fields)
        answer = connection.getresponse()
        answer.read()
        self.assertEqual(answer.status, 204)
        allowed = answer.headers["Access-Control-Allow-Headers"].lower().split(", ")
        self.assertEqual(set(wanted.split(", ")) - set(allowed), set())
        self.assertGreaterEqual(int(answer.headers["Access-Control-Max-Age"]), 600)
