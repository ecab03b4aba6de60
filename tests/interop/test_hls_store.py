"""HLS whose segments are on a disk: live and afterwards, what stays, and what a disk may do."""

import re
import shutil
import signal
import subprocess
from urllib.parse import urljoin

import flv
import hls
import mp4
import paths
import players
import timeline
import ts
import waiting
from case import Case
from hls_capture import get as ask
from raw_http import RawHttp

STREAM = "cam"
SESSION = "session_id="
FAST = {"segment": "1s", "segments": 3}
GONE_WITHIN = 20


def get(url):
    status, _, body = ask(url)
    assert status == 200, f"{url} answered {status}"
    return body


class HlsStore(Case):
    def store(self, name="store"):
        self.folder = self.directory / name
        self.folder.mkdir(exist_ok=True)
        return self.folder

    def serve_stored(self, folder=None, **keys):
        self.serve(hls={**FAST, "store": folder or self.store(), **keys}, streams={"resume": "1s"})

    def files(self, extension="ts"):
        found = (self.folder / STREAM).glob(f"{STREAM}-*.{extension}")
        return sorted(found, key=lambda path: int(path.stem.rsplit("-", 1)[1]))

    def until_stored(self, count, extension="ts"):
        waiting.until(
            lambda: len(self.files(extension)) >= count, 30, lambda: f"{count} of {self.files()}"
        )

    def leave_stored(self, count, extension="ts", **keys):
        """So many segments are there, and a loss of power ends the server."""
        self.serve_stored(delete="never", **keys)
        self.publish_live(STREAM)
        self.capture_hls(self.server.hls(STREAM))
        self.until_stored(count, extension)
        self.server.kill()
        return self.files(extension)

    def held(self):
        """Bytes of segments in memory."""
        page = get(f"{self.server.http}/metrics").decode()
        return int(re.search(r'account_used_bytes\{account="hls"\} (\d+)', page)[1])

    def check_complete(self, segments, media="demo"):
        samples = [one for data in segments for one in ts.samples(data)]
        source = flv.samples(paths.media(media).read_bytes())
        self.assert_none(timeline.faults(samples), "all segments together")
        self.assert_none(timeline.differences(source, samples), "all segments together")


class Live(HlsStore):
    def test_players_get_from_the_disk_what_has_left_memory(self):
        self.serve_stored(segments=12, delete="never")
        self.publish_live(STREAM, loop=False)
        capture = self.capture_hls(self.server.hls(STREAM))
        capture.until(lambda one: len(one.segments) >= 12, 40, "12 segments")
        held, listed = self.held(), sum(len(data) for _, data in capture.segments)
        # The segment that is being filled, and perhaps one on its way to the disk.
        self.assertLess(held, listed / 2)
        playlist = get(self.server.hls(STREAM)).decode()
        uris = re.findall(r"^\S+\.ts$", playlist, re.M)
        self.assertGreater(len(uris), 9)
        fetched = [get(f"{self.server.http}/hls/{uri}") for uri in uris]
        for uri, data in zip(uris, fetched, strict=True):
            path = self.folder / STREAM / uri
            if path.exists():
                self.assertEqual(path.read_bytes(), data, uri)
        capture.stop()
        self.assert_none(capture.faults, "the playlist")
        self.check_complete(fetched)
        self.check_complete([data for _, data in capture.segments])

    def test_others_serve_the_folder_as_it_is(self):
        self.serve_stored(segments=5, delete="never")
        self.publish_live(STREAM)
        self.capture_hls(self.server.hls(STREAM))
        self.until_stored(4)
        for name in ("playlist.m3u8", "record.m3u8"):
            path = self.folder / STREAM / name
            waiting.until(path.exists, 5, name)
            program = self.start(
                f"ffmpeg-{name}", players.ffmpeg_decode(paths.FFMPEG_CURRENT, path, 2)
            )
            program.wait(30)
            self.assert_none(players.ffmpeg_faults(program, 2), name)

    def test_parts_and_fragments(self):
        self.serve_stored(segments=6, format="fmp4", part="200ms", segment="2s", delete="never")
        self.publish_live(STREAM, loop=False)
        capture = self.capture_hls(self.server.hls(STREAM))
        capture.until(lambda one: len(one.segments) >= 6, 40, "6 segments")
        capture.stop()
        self.assert_none(capture.faults, "the playlist")
        self.until_stored(4, "m4s")
        (head,) = self.files("mp4")
        source = flv.samples(paths.media("demo").read_bytes())
        together = head.read_bytes() + b"".join(path.read_bytes() for path in self.files("m4s"))
        samples = mp4.samples(together)
        self.assert_none(timeline.faults(samples), "the files together")
        self.assert_none(timeline.differences(source, samples), "the files together")
        path = self.folder / STREAM / "record.m3u8"
        program = self.start("ffmpeg", players.ffmpeg_decode(paths.FFMPEG_CURRENT, path, 2))
        program.wait(30)
        self.assert_none(players.ffmpeg_faults(program, 2), "record.m3u8")

    def test_a_player_that_is_told_apart_is_known_at_the_disk_too(self):
        self.serve_stored(segments=8, delete="never", sessions=True, session_timeout="3s")
        self.publish_live(STREAM)
        status, headers, _ = ask(self.server.hls(STREAM))
        self.assertEqual(status, 302)
        place = urljoin(self.server.hls(STREAM), headers["Location"])
        get(place)
        self.until_stored(4)
        # Asking for it keeps it there.
        uris = re.findall(r"^\S+\.ts\S*$", get(place).decode(), re.M)
        self.assertTrue(all(SESSION in uri for uri in uris), uris)
        segment = f"{self.server.http}/hls/{uris[0]}"
        path = self.folder / STREAM / uris[0].split("?")[0]
        self.assertEqual(get(segment), path.read_bytes())
        self.until_log_counts(f"stops playing {STREAM}: idle ({path.stat().st_size} bytes", 1, 10)
        self.assertEqual(ask(segment)[0], 404)
        self.assertEqual(ask(segment.replace(SESSION, "other="))[0], 403)

    def test_a_folder_that_is_deleted_is_made_anew(self):
        self.serve_stored(delete="never", format="fmp4", segments=6)
        self.publish_live(STREAM)
        self.capture_hls(self.server.hls(STREAM)).until(lambda one: one.segments, 20, "a segment")
        self.until_stored(4, "m4s")
        shutil.rmtree(self.folder / STREAM)
        self.until_log_counts("was deleted, or its disk removed: it is created again", 1, 15)
        self.until_stored(2, "m4s")
        self.assertEqual(len(self.files("mp4")), 1)
        url = self.server.hls(STREAM)
        for uri in re.findall(r"^\S+\.m4s", get(url).decode(), re.M):
            self.assertEqual(ask(urljoin(url, uri))[0], 200, uri)
        path = self.folder / STREAM / "record.m3u8"
        program = self.start("ffmpeg", players.ffmpeg_decode(paths.FFMPEG_CURRENT, path, 2))
        program.wait(30)
        self.assert_none(players.ffmpeg_faults(program, 2), "record.m3u8")

    def test_who_plays_the_list_of_all_is_told_apart_too(self):
        self.serve_stored(delete="never", sessions=True, session_timeout="3s", format="fmp4")
        self.publish_live(STREAM, loop=False)
        place = f"{self.server.http}/hls/{STREAM}/record.m3u8"
        status, headers, _ = ask(place + "?key=x")
        self.assertEqual(status, 302)
        self.assertRegex(headers["Location"], r"^\./session_id=[0-9a-f]{16}/record\.m3u8\?key=x$")
        mine = urljoin(place, headers["Location"])
        self.assertEqual(self.server.metric("runnel_hls_viewers"), 1)
        # A player that has a session from a playlist keeps it.
        number = mine.split("/")[-2]
        status, headers, _ = ask(f"{place}?{number}")
        self.assertEqual(urljoin(place, headers["Location"]).split("?")[0], mine.split("?")[0])
        self.assertEqual(ask(mine.replace(number, f"{SESSION}0123456789abcdef"))[0], 404)
        waiting.until(lambda: ask(mine)[0] == 200, 20, "a list")
        self.until_stored(4, "m4s")
        # Segments that have left memory, and others; a player shows its session with each.
        program = self.start("ffmpeg", players.ffmpeg_decode(paths.FFMPEG_CURRENT, mine, 2))
        program.wait(30)
        self.assert_none(players.ffmpeg_faults(program, 2), mine)
        first = self.files("m4s")[0]
        self.assertEqual(get(urljoin(mine, first.name)), first.read_bytes())
        self.assertEqual(ask(urljoin(place, first.name))[0], 403)
        ended = rf"id=HLSSUB1 .*stops playing {STREAM}: idle \((\d+) bytes"
        waiting.until(lambda: re.search(ended, self.server.log), 20, "its end")
        self.assertGreater(int(re.search(ended, self.server.log)[1]), first.stat().st_size)
        self.assertEqual(ask(mine)[0], 404)


class Deletion(HlsStore):
    def test_soon_there_is_no_more_than_the_playlist_has(self):
        self.serve_stored(delete="soon", format="fmp4")
        self.publish_live(STREAM)
        capture = self.capture_hls(self.server.hls(STREAM))
        capture.until(lambda one: len(one.segments) >= 10, 40, "10 segments")
        # Those of the playlist, two for players that are late, and one that is being written.
        self.assertLessEqual(len(self.files("m4s")), 6)
        self.assertGreaterEqual(len(self.files("m4s")), 3)
        self.assertEqual(len(self.files("mp4")), 1)
        self.assertFalse((self.folder / STREAM / "record.m3u8").exists())
        capture.stop()
        self.assert_none(capture.faults, "the playlist")

    def test_at_the_end_all_goes_but_what_is_not_ours(self):
        self.serve_stored(delete="end", idle="2s")
        publisher = self.publish_live(STREAM)
        capture = self.capture_hls(self.server.hls(STREAM))
        capture.until(lambda one: len(one.segments) >= 8, 30, "8 segments")
        capture.stop()
        self.assertGreaterEqual(len(self.files()), 7, "nothing goes before")
        listed = get(f"{self.server.http}/hls/{STREAM}/record.m3u8").decode()
        self.assertGreaterEqual(listed.count("#EXTINF"), 7)
        (self.folder / STREAM / "mine.txt").write_text("mine")
        (self.folder / "other").mkdir()
        publisher.stop()
        waiting.until(lambda: not self.files(), GONE_WITHIN, "that they are gone")
        left = sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*"))
        waiting.until(lambda: not (self.folder / STREAM / "playlist.m3u8").exists(), 5, "the list")
        self.assertEqual(left[0], STREAM)
        self.assertIn(f"{STREAM}/mine.txt", left)
        (self.folder / STREAM / "mine.txt").unlink()
        # The next time the folder goes as well.
        publisher = self.publish_live(STREAM)
        self.until_hls(STREAM)
        self.until_stored(2)
        publisher.stop()
        waiting.until(lambda: not (self.folder / STREAM).exists(), GONE_WITHIN, "the folder")
        self.assertTrue((self.folder / "other").exists())

    def test_what_cannot_be_deleted_keeps_nothing_else(self):
        self.serve_stored(delete="end", idle="2s")
        publisher = self.publish_live(STREAM)
        self.until_hls(STREAM)
        self.until_stored(3)
        stuck = [self.folder / STREAM / f"{STREAM}-{number}-{number}.ts" for number in range(40)]
        for folder in stuck:
            folder.mkdir()
        publisher.stop()
        gone = lambda: not [path for path in self.files() if path.is_file()]
        waiting.until(gone, GONE_WITHIN, "that all others are gone")
        self.until_log_counts("some of its files are left", 1)

    def test_nothing_is_said_of_what_nobody_publishes(self):
        self.serve_stored(delete="end")
        # It is held for so long that the stream is over before.
        self.assertEqual(ask(self.server.hls(STREAM), 20)[0], 404)
        waiting.until(lambda: not self.server.metric("runnel_hls_streams"), 30, "that it is forgotten")
        self.assertEqual(self.server.log.count("segments stay in memory"), 0, self.server.log)

    def test_what_a_loss_of_power_has_left_goes_with_the_next_stream(self):
        self.serve_stored(delete="soon")
        self.publish_live(STREAM)
        self.capture_hls(self.server.hls(STREAM))
        self.until_stored(3)
        self.server.kill()
        left = set(self.files())
        self.assertTrue(left)
        self.server.start_again()
        self.publish_live(STREAM)
        self.until_hls(STREAM)
        waiting.until(lambda: not left & set(self.files()), 10, "that the old ones are gone")
        self.until_stored(2)

    def test_never_all_is_there_afterwards_and_the_next_stream_is_added(self):
        self.serve_stored(delete="never", idle="1s")
        for round_number in (1, 2):
            publisher = self.publish_live(STREAM)
            capture = self.capture_hls(self.server.hls(STREAM))
            capture.until(lambda one: len(one.segments) >= 4, 30, "4 segments")
            capture.stop()
            publisher.stop()
            self.until_log_counts(f"stream={STREAM} HLS ends", round_number, GONE_WITHIN)
        text = get(f"{self.server.http}/hls/{STREAM}/record.m3u8").decode()
        playlist = hls.read(text)
        self.assertEqual(len(playlist.segments), len(self.files()))
        self.assertGreaterEqual(len(playlist.segments), 8)
        marks = [segment.discontinuity for segment in playlist.segments]
        self.assertEqual(marks.count(True), 1)
        for segment in playlist.segments:
            data = get(f"{self.server.http}/hls/{STREAM}/{segment.uri}")
            self.assert_none(timeline.faults(ts.samples(data)), segment.uri)
        # By parts, as players fetch what does not change.
        connection = RawHttp(self.server.http_port)
        self.addCleanup(connection.close)
        first = playlist.segments[0].uri
        connection.send(
            f"GET /hls/{STREAM}/{first} HTTP/1.1\r\nHost: x\r\nRange: bytes=0-187\r\n\r\n".encode()
        )
        self.assertIn(b"206 Partial Content", connection.socket.recv(4096))


    def until_listed(self, files):
        def listed():
            text = (self.folder / STREAM / "record.m3u8").read_text()
            return set(re.findall(r"^cam-.*$", text, re.M))

        waiting.until(lambda: listed() == {path.name for path in files}, GONE_WITHIN, listed)

    def test_what_was_kept_stays_when_others_no_longer_do(self):
        """A changed hls.delete applies to streams that begin after the signal."""
        self.serve_stored(delete="never", idle="1s", on_demand=False)
        publisher = self.publish_live(STREAM)
        self.until_hls(STREAM)
        self.until_stored(3)
        keys = {**FAST, "store": self.folder, "delete": "end", "idle": "1s", "on_demand": False}
        self.server.configure({"hls": keys, "streams": {"resume": "1s"}})
        self.server.program.signal(signal.SIGHUP)
        self.until_log_counts("now in effect: hls.delete", 1)
        publisher.stop()
        self.until_log_counts(f"stream={STREAM} HLS ends", 1, GONE_WITHIN)
        kept = set(self.files())
        self.until_listed(kept)
        self.assertGreaterEqual(len(kept), 3)
        for again in (False, True):
            if again:
                self.server.stop()
                self.server.start_again()
            publisher = self.publish_live(STREAM)
            self.until_hls(STREAM)
            self.until_stored(len(kept) + 2)
            publisher.stop()
            self.until_log_counts(f"stream={STREAM} HLS ends", 1 if again else 2, GONE_WITHIN)
            waiting.until(
                lambda: set(self.files()) == kept, GONE_WITHIN, lambda: f"{kept}, not {self.files()}"
            )
        self.until_listed(kept)

    def keep_three(self):
        """Segments that are kept, and a configuration by which later ones are not."""
        keys = {"idle": "1s", "on_demand": False}
        self.serve_stored(delete="never", **keys)
        self.publish_live(STREAM)
        self.until_stored(3)
        self.server.stop()
        keys = {**FAST, "store": self.folder, "delete": "end", **keys}
        self.server.configure({"hls": keys, "streams": {"resume": "1s"}})
        self.server.start_again()
        return set(self.files())

    def until_only(self, kept):
        waiting.until(
            lambda: set(self.files()) == kept, GONE_WITHIN, lambda: f"{kept}, not {self.files()}"
        )
        self.until_listed(kept)

    def test_what_is_not_to_stay_goes_though_the_program_ended_before(self):
        kept = self.keep_three()
        for end in (self.server.stop, self.server.kill):
            self.publish_live(STREAM)
            self.until_stored(len(kept) + 3)
            end()
            left = set(self.files()) - kept
            self.assertTrue(left)
            self.server.start_again()
            publisher = self.publish_live(STREAM)
            waiting.until(
                lambda left=left: not left & set(self.files()), GONE_WITHIN, "the old ones are gone"
            )
            self.until_stored(len(kept) + 1)
            publisher.stop()
            self.until_only(kept)

    def test_what_is_not_to_stay_goes_though_the_clock_was_set_back(self):
        kept, later = self.keep_three(), []
        playlist = self.folder / STREAM / "record.m3u8"
        text = playlist.read_text()
        for path in kept:
            stream, time, number = path.name.split("-")
            later.append(path.rename(path.with_name(f"{stream}-{int(time) + 10**11}-{number}")))
            text = text.replace(path.name, later[-1].name)
        playlist.write_text(text)
        publisher = self.publish_live(STREAM)
        self.until_stored(len(kept) + 2)
        publisher.stop()
        self.until_log_counts(f"stream={STREAM} HLS ends", 1, GONE_WITHIN)
        self.until_only(set(later))


class Ends(HlsStore):
    def test_the_playlist_in_the_folder_ends_with_the_program(self):
        for format_name, extension in (("ts", "ts"), ("fmp4", "m4s")):
            with self.subTest(format_name):
                folder = self.store(format_name)
                self.serve_stored(folder, delete="end", format=format_name)
                self.publish_live(STREAM)
                self.until_hls(STREAM)
                self.until_stored(3, extension)
                last = hls.read(get(self.server.hls(STREAM)).decode()).segments[-1].number
                self.server.stop()
                text = (folder / STREAM / "playlist.m3u8").read_text()
                self.assertTrue(text.endswith("#EXT-X-ENDLIST\n"), text)
                playlist = hls.read(text)
                self.assertGreater(playlist.segments[-1].number, last, "what was being filled")
                self.assertTrue((folder / STREAM / playlist.segments[-1].uri).stat().st_size)


class Power(HlsStore):
    def listed(self, name="record.m3u8"):
        path = self.folder / STREAM / name
        text = path.read_bytes().decode(errors="replace") if path.exists() else ""
        return re.findall(r"^[^#\n].*$", text, re.M)

    def test_segments_that_are_empty_are_not_listed_after_a_start(self):
        files = self.leave_stored(6)
        for path in files[1:3]:
            path.write_bytes(b"")
        self.server.start_again()
        waiting.until(lambda: not files[1].exists(), 20, "that empty ones are gone")
        left = [path.name for path in files if path not in files[1:3]]
        waiting.until(lambda: self.listed() == left, 10, lambda: f"{self.listed()} and {left}")
        waiting.until(
            lambda: set(self.listed("playlist.m3u8")) <= set(left), 10, "the live playlist"
        )
        # The playlist is zeros, and the stream comes again.
        playlist = self.folder / STREAM / "record.m3u8"
        self.server.kill()
        playlist.write_bytes(bytes(playlist.stat().st_size))
        self.server.start_again()
        waiting.until(lambda: self.listed() == left, 10, lambda: f"{self.listed()} and {left}")
        self.publish_live(STREAM)
        self.until_hls(STREAM)
        self.until_stored(len(left) + 2)
        waiting.until(lambda: len(self.listed()) > len(left), 10, "more in the list")
        self.assertEqual(self.listed()[: len(left)], left)

    def test_what_is_named_is_on_the_disk_before(self):
        calls = self.directory / "calls"
        traced = "trace=fsync,fdatasync,rename,renameat,renameat2"
        tracer = ["strace", "-D", "-f", "-y", "-e", traced, "-o", calls]
        self.serve(
            launcher=tracer,
            hls={**FAST, "store": self.store(), "delete": "never"},
            streams={"resume": "1s"},
        )
        self.publish_live(STREAM)
        self.capture_hls(self.server.hls(STREAM))
        self.until_stored(3)
        waiting.until(lambda: len(self.listed("playlist.m3u8")) > 1, 10, "two in the playlist")
        listed = self.listed("playlist.m3u8")
        text = calls.read_text()
        folder = str(self.folder / STREAM)
        renamed = [found.start() for found in re.finditer(r"playlist\.m3u8\.new\", ", text)]
        self.assertTrue(renamed, text)
        for name in listed:
            self.assertIn(f"<{folder}/{name}>", text[: renamed[-1]])
        for path in ("/playlist.m3u8.new", "/record.m3u8", ""):
            self.assertIn(f"<{folder}{path}>", text)


class Left(HlsStore):
    """Files of a program that ended, whose stream nobody publishes again."""

    def leave(self, **keys):
        """Segments, and the program is killed."""
        extension = "m4s" if keys.get("format") == "fmp4" else "ts"
        self.serve_stored(self.store(keys["delete"]), **keys)
        publisher = self.publish_live(STREAM)
        capture = self.capture_hls(self.server.hls(STREAM))
        self.until_stored(len(self.files(extension)) + 4, extension)
        capture.stop()
        self.server.kill()
        publisher.stop()
        return self.files(extension)

    def listed(self):
        path = self.folder / STREAM / "record.m3u8"
        return re.findall(r"^cam-.*$", path.read_text(), re.M) if path.exists() else None

    def until_all_listed(self, extension="ts", but=()):
        def wanted():
            names = [path.name for path in self.files(extension) if path not in but]
            return sorted(names, key=lambda name: int(name.split("-")[1]))

        waiting.until(
            lambda: self.listed() == wanted(), 60, lambda: f"{wanted()}, not {self.listed()}"
        )

    def test_what_was_to_go_goes_by_itself(self):
        for delete in ("end", "soon"):
            with self.subTest(delete):
                self.leave(delete=delete)
                (self.folder / "cam2").mkdir()
                (self.folder / "mine").mkdir()
                (self.folder / "mine" / "playlist.m3u8").write_text("mine")
                self.server.start_again()
                waiting.until(
                    lambda: not (self.folder / STREAM).exists(), 60, "that what was left is gone"
                )
                self.assertTrue((self.folder / "mine" / "playlist.m3u8").exists())
                self.assertTrue((self.folder / "cam2").exists())
                self.server.stop()

    def until_ended(self):
        path = self.folder / STREAM / "playlist.m3u8"
        waiting.until(
            lambda: path.exists() and path.read_text().endswith("\n#EXT-X-ENDLIST\n"), 20, path.read_text
        )
        return path.read_text()

    def test_a_live_playlist_that_stays_has_its_end_after_a_kill(self):
        for form, extension in (("ts", "ts"), ("fmp4", "m4s")):
            with self.subTest(form):
                self.leave(delete="never", format=form)
                self.files(extension)[-1].write_bytes(b"cut off")
                before = (self.folder / STREAM / "playlist.m3u8").read_text()
                self.assertNotIn("ENDLIST", before)
                self.server.start_again()
                self.assertEqual(self.until_ended(), before + "#EXT-X-ENDLIST\n")
                # The stream comes again.
                publisher = self.publish_live(STREAM)
                self.until_hls(STREAM)
                path = self.folder / STREAM / "playlist.m3u8"
                waiting.until(lambda path=path: "ENDLIST" not in path.read_text(), 20, "a new one")
                publisher.stop()
                self.until_ended()
                self.server.stop()
                shutil.rmtree(self.folder)

    def test_a_live_playlist_has_its_end_when_nobody_asks_any_more(self):
        self.serve_stored(delete="never", idle="2s")
        self.publish_live(STREAM)
        for round_number in (1, 2):
            capture = self.capture_hls(self.server.hls(STREAM))
            self.until_stored(3 * round_number)
            path = self.folder / STREAM / "playlist.m3u8"
            waiting.until(lambda path=path: "ENDLIST" not in path.read_text(), 20, "a new one")
            capture.stop()
            self.until_log_counts(f"stream={STREAM} HLS ends", round_number, GONE_WITHIN)
            self.until_ended()

    def leave_without_card(self, stream, delete):
        """The card with what is left comes once a stream has begun without it."""
        left, card = self.leave(delete=delete), self.folder
        (card / STREAM / "record.m3u8").unlink()
        away = card.rename(self.directory / "away")
        self.server.start_again()
        self.publish_live(stream)
        self.capture_hls(self.server.hls(stream))
        self.until_log_counts("segments stay in memory", 1)
        away.rename(card)
        return left, card

    def test_a_card_that_comes_later_is_looked_at(self):
        for delete in ("never", "end"):
            with self.subTest(delete):
                left, card = self.leave_without_card("door", delete)
                if delete == "never":
                    self.until_all_listed()
                    self.assertEqual(self.listed(), [path.name for path in left])
                else:
                    waiting.until(lambda: not (card / STREAM).exists(), 60, "that it is gone")
                self.server.stop()

    def test_a_card_that_comes_while_its_stream_runs_is_looked_at(self):
        for delete in ("never", "end"):
            with self.subTest(delete):
                left, card = self.leave_without_card(STREAM, delete)
                if delete == "never":
                    self.until_stored(len(left) + 3)
                else:
                    waiting.until(
                        lambda left=left: not set(left) & set(self.files()), 60, "they are gone"
                    )
                    self.until_stored(3)
                self.until_all_listed()
                self.server.stop()

    def test_fragments_that_play_are_listed_again(self):
        """Two sessions, each with a head of its own, of which neither is listed to its end."""
        for round_number in (1, 2):
            left = self.leave(delete="never", format="fmp4", part="200ms", segment="1s")
            self.assertEqual(len(self.files("mp4")), round_number)
        whole = self.folder / STREAM / "record.m3u8"
        before = hls.read(whole.read_text())
        length = sum(segment.duration for segment in before.segments)
        # The last is cut off, as a kill leaves it, and half of the list is lost.
        torn = max(left, key=lambda path: int(path.stem.split("-")[1]))
        torn.write_bytes(torn.read_bytes()[:-1])
        text = whole.read_text()
        whole.write_text(text[: text.index("#EXT-X-DISCONTINUITY")].rsplit("#EXTINF", 1)[0])
        self.server.start_again()
        self.until_all_listed("m4s", but=[torn])
        after = hls.read(whole.read_text())
        self.assertEqual([one.discontinuity for one in after.segments].count(True), 1)
        listed = {segment.uri: segment.duration for segment in before.segments}
        for segment in after.segments:
            if segment.uri in listed:
                self.assertAlmostEqual(segment.duration, listed[segment.uri], delta=0.1)
        self.assertGreater(length, 5)
        self.assertEqual(whole.read_text().count("#EXT-X-MAP:"), 2)
        program = self.start("ffmpeg", players.ffmpeg_decode(paths.FFMPEG_CURRENT, whole, 2))
        program.wait(30)
        self.assert_none(players.ffmpeg_faults(program, 2), "record.m3u8")

    def test_a_stream_does_not_wait_until_others_folders_are_in_order(self):
        self.leave(delete="never")
        other = (self.folder / STREAM).rename(self.folder / "other")
        for path in other.glob("cam-*"):
            path.rename(path.with_name(path.name.replace("cam-", "other-")))
        (other / "record.m3u8").unlink()
        calls = self.directory / "calls"
        fault = "inject=getdents64:delay_enter=3600000000"
        tracer = ["strace", "-D", "-f", "-e", "trace=openat,getdents64", "-e", fault]
        self.serve(
            launcher=[*tracer, "-P", other, "-o", calls],
            hls={**FAST, "store": self.folder, "delete": "never"},
            streams={"resume": "1s"},
        )
        waiting.until(lambda: "O_DIRECTORY" in calls.read_text(), 60, "that it is looked at")
        self.publish_live(STREAM)
        self.until_hls(STREAM)
        self.until_stored(3)
        self.assertFalse((other / "record.m3u8").exists())
        self.server.kill()


class Disk(HlsStore):
    def test_a_list_that_a_card_does_not_give_stays(self):
        self.leave_stored(3, "m4s", format="fmp4")
        playlist = self.folder / STREAM / "record.m3u8"
        text = playlist.read_bytes()
        calls = self.directory / "calls"
        fault = "inject=openat:error=EIO"
        tracer = ["strace", "-D", "-f", "-e", "trace=openat", "-e", fault, "-P", playlist]
        self.serve(
            launcher=[*tracer, "-o", calls],
            hls={**FAST, "store": self.folder, "delete": "never", "format": "fmp4"},
        )
        waiting.until(lambda: "(INJECTED)" in calls.read_text(), 20, "the fault")
        self.until_log_counts("the folder may be listed wrongly", 1)
        self.assertEqual(playlist.read_bytes(), text)

    def test_folders_behind_one_that_a_card_does_not_give_are_looked_at_later(self):
        files = self.leave_stored(3)
        playlist = self.folder / STREAM / "record.m3u8"
        playlist.unlink()
        calls = self.directory / "calls"
        fault = "inject=getdents64:error=EIO:when=1"
        tracer = ["strace", "-D", "-f", "-e", "trace=getdents64", "-e", fault, "-P", self.folder]
        self.serve(
            launcher=[*tracer, "-o", calls],
            hls={**FAST, "store": self.folder, "delete": "never"},
        )
        waiting.until(lambda: "(INJECTED)" in calls.read_text(), 20, "the fault")
        waiting.until(playlist.exists, 60, "that it is listed")
        listed = re.findall(r"^cam-.*$", playlist.read_text(), re.M)
        self.assertEqual(listed, [path.name for path in files])

    def test_what_is_listed_and_cannot_be_read_is_to_be_asked_for_again(self):
        self.serve_stored(segments=8, delete="never")
        self.publish_live(STREAM)
        self.until_hls(STREAM)
        self.until_stored(4)
        absent, broken = self.files()[1:3]
        kept = absent.rename(absent.with_suffix(".kept"))
        broken.unlink()
        broken.symlink_to(broken.name)  # It leads to itself for ever.
        for path in (absent, broken):
            status, headers, _ = ask(f"{self.server.http}/hls/{path.name}")
            self.assertEqual((status, headers["Retry-After"]), (503, "2"), path.name)
        kept.rename(absent)
        self.assertEqual(get(f"{self.server.http}/hls/{absent.name}"), absent.read_bytes())
        unknown = absent.name.replace(f"{STREAM}-", f"{STREAM}-9")
        self.assertEqual(ask(f"{self.server.http}/hls/{unknown}")[0], 404)

    def test_without_its_folder_segments_stay_in_memory_until_it_is_there(self):
        folder = self.directory / "store"
        self.serve_stored(folder)
        self.folder = folder
        self.publish_live(STREAM)
        capture = self.capture_hls(self.server.hls(STREAM))
        capture.until(lambda one: len(one.segments) >= 4, 30, "4 segments")
        self.until_log_counts("No such file or directory (os error 2): segments stay in memory", 1)
        folder.mkdir()
        self.until_log_counts("HLS goes on at", 1)
        self.until_stored(3)
        known = len(capture.segments)
        capture.until(lambda one: len(one.segments) >= known + 3, 30, "3 segments more")
        capture.stop()
        self.assert_none(capture.faults, "the playlist")

    def test_a_folder_that_is_a_link_is_not_followed_and_segments_stay_in_memory(self):
        elsewhere = self.directory / "elsewhere"
        elsewhere.mkdir()
        self.store()
        (self.folder / STREAM).symlink_to(elsewhere)
        self.serve_stored(delete="never")
        self.publish_live(STREAM)
        capture = self.capture_hls(self.server.hls(STREAM))
        capture.until(lambda one: len(one.segments) >= 6, 30, "6 segments")
        capture.stop()
        self.assert_none(capture.faults, "the playlist")
        self.assertEqual(self.server.log.count("or not a folder: segments stay in memory"), 1)
        self.assertEqual(list(elsewhere.iterdir()), [])

    def test_one_folder_that_cannot_be_mended_leaves_others_to_be(self):
        files = self.leave_stored(6)
        files[1].write_bytes(b"")
        for name in ("a", "b", "zz"):
            (self.folder / name / "record.m3u8").mkdir(parents=True)
        self.server.start_again()
        waiting.until(lambda: not files[1].exists(), 20, "that the empty one is gone")
        self.until_log_counts("the folder may be listed wrongly", 3)

    def card(self, size):
        card = self.store("card")
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "card", card],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            self.skipTest(f"nothing can be mounted here: {done.stderr}")
        self.addCleanup(subprocess.run, ["umount", "--lazy", card], check=False)
        return card

    def test_a_card_that_was_full_goes_on_where_segments_are_deleted_soon(self):
        card = self.card("512k")
        filler = card / "filler"
        filler.write_bytes(bytes(448 << 10))
        self.serve_stored(card, delete="soon")
        self.publish_live(STREAM)
        capture = self.capture_hls(self.server.hls(STREAM))
        self.until_log_counts("No space left on device (os error 28)", 1, 30)
        # Those that leave the playlist make room, though none could be added.
        self.until_log_counts("HLS goes on at", 1, 20)
        filler.unlink()
        known = len(capture.segments)
        capture.until(lambda one: len(one.segments) >= known + 8, 30, "8 segments more")
        self.assertLessEqual(len(self.files()), 6)
        capture.stop()
        self.assert_none(capture.faults, "the playlist")

    def test_a_full_card_costs_nobody_anything(self):
        card = self.card("128k")
        self.serve_stored(card, delete="never")
        self.publish_live(STREAM)
        live = self.capture(self.server.flv(STREAM))
        capture = self.capture_hls(self.server.hls(STREAM))
        self.until_log_counts("No space left on device (os error 28)", 1, 30)
        known = len(capture.segments)
        capture.until(lambda one: len(one.segments) >= known + 4, 30, "4 segments more")
        capture.stop()
        self.assert_none(capture.faults, "the playlist")
        self.assertIsNone(live.ended)
        self.assert_none(timeline.faults(flv.samples(live.stop())), "the stream")
