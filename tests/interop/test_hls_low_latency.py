"""HLS with parts: the rules of the draft, a player by hand, and players of browsers."""

import time
from urllib.parse import urljoin

import hls
import mp4
import sample
import ts
import waiting
from case import Case
from chromium import Chromium
from hls_capture import get
from hls_low_latency import LowLatencyCapture

STREAM = "cam"
PART = 0.2
LOW = {"hls": {"format": "fmp4", "segment": "2s", "segments": 10, "part": "200ms"}}
# Seconds of live: a minute, as players are told that they may trust it.
LIVE = 60
# Players begin anywhere and find their place with time.
SETTLES_WITHIN = 30
FILLS_WITHIN = 30
# Milliseconds from when a player has the playlist until it shows the first picture.
BEGINS_WITHIN = 2000
LATENCY = 2000


class Parts(Case):
    takes_minutes = True

    def play(self, **how):
        self.serve(**LOW)
        publisher = self.publish_live(STREAM, **how)
        self.until_hls(STREAM)
        return publisher

    def follow(self):
        capture = LowLatencyCapture(self.server.hls(STREAM))
        self.addCleanup(capture.stop)
        return capture

    def check(self, capture):
        capture.stop()
        self.assert_none(capture.faults, "low latency")
        for before, after in zip(capture.playlists, capture.playlists[1:]):
            self.assert_none(hls.changes(before, after), "changes")
        self.assertGreater(len(capture.wholes), 2)
        for number, (count, whole) in capture.wholes.items():
            parts = [capture.parts[number, at] for at in range(count)]
            self.assertEqual(b"".join(parts), whole, f"segment {number}")
        self.check_parts(capture)

    def check_parts(self, capture):
        """Each can be read alone, and those are independent that begin with a key frame."""
        head = {}
        for segment in seen(capture).values():
            for at, part in enumerate(segment.parts):
                data = capture.parts[segment.number, at]
                if segment.map is None:
                    places = [(table.at, table.pid == ts.PAT_PID) for table in ts.read(data).tables]
                    self.assertEqual(places[:2], [(0, True), (ts.PACKET, False)], part.uri)
                    key = ts.begins_with_key(data)
                else:
                    if segment.map not in head:
                        head[segment.map] = get(urljoin(capture.url, segment.map))[2]
                    movie = mp4.read(head[segment.map] + data)
                    self.assertEqual(len(movie.sequence), 1, part.uri)
                    pictures = sample.of(movie.samples, sample.VIDEO)
                    key = bool(pictures) and pictures[0].key
                self.assertEqual(part.independent, key, part.uri)

    def test_a_minute_of_live_and_a_publisher_s_return(self):
        publisher = self.play()
        capture = self.follow()
        waiting.until(lambda: span(capture) > LIVE, LIVE + 20, "a minute")
        publisher.stop()
        self.until_log_counts(f"stops publishing {STREAM}", 1)
        self.publish(STREAM, media="bframes")
        waiting.until(lambda: discontinuities(capture), 20, "a discontinuity")
        ended = span(capture)
        waiting.until(lambda: span(capture) > ended + 5, 20, "5 seconds more")
        self.check(capture)
        # A reload is answered when there is news, and news come with each part.
        waits = sorted(capture.waits)
        self.assertLess(waits[len(waits) // 2], 2 * PART)

    def test_mpeg_ts_has_parts_as_well(self):
        self.serve(hls={**LOW["hls"], "format": "ts"})
        self.publish_live(STREAM)
        self.until_hls(STREAM)
        capture = self.follow()
        waiting.until(lambda: span(capture) > 6, 20, "6 seconds")
        self.check(capture)
        self.assert_none(
            ts.read(b"".join(whole for _, whole in capture.wholes.values())).faults, "packets"
        )
        self.assert_decodes(b"".join(whole for _, whole in capture.wholes.values()), 3)

    def test_a_hint_is_waited_for_and_becomes_the_next_part(self):
        self.play()
        url = self.server.hls(STREAM)
        _, _, body = get(url)
        hint = hls.read(body.decode()).hint
        status, _, part = get(urljoin(url, hint))
        # The last part of a segment is known by the next segment's first.
        if status == 404:
            hint = hls.read(get(url)[2].decode()).hint
            status, _, part = get(urljoin(url, hint))
        self.assertEqual(status, 200, hint)
        playlist = hls.read(get(url)[2].decode())
        told = [
            part.uri for one in [*playlist.segments, playlist.open] if one for part in one.parts
        ]
        self.assertIn(hint, told)
        self.assertEqual(get(urljoin(url, hint))[2], part)

    def test_a_delta_update_leaves_out_what_is_old(self):
        self.play()
        url = self.server.hls(STREAM)
        self.follow_until(url, lambda playlist: len(playlist.segments) >= 10)
        whole = hls.read(get(url)[2].decode())
        delta = hls.read(get(url + "?_HLS_skip=YES")[2].decode())
        self.assertGreater(delta.skipped, 0)
        self.assertEqual(delta.version, 9)
        known = {segment.number: segment.uri for segment in whole.segments}
        for segment in delta.segments:
            self.assertIsNotNone(segment.map, "Shaka Player takes none from the playlist before")
            self.assertEqual(known.get(segment.number, segment.uri), segment.uri)
        skipped_from_end = sum(segment.duration for segment in delta.segments)
        self.assertGreater(skipped_from_end, 5 * delta.target)

    def follow_until(self, url, condition):
        def looked():
            return condition(hls.read(get(url)[2].decode()))

        waiting.until(looked, 30, "the playlist")

    def test_what_makes_no_sense_is_refused_at_once(self):
        self.play()
        url = self.server.hls(STREAM)
        for ask in ("?_HLS_msn=9999999999", "?_HLS_msn=1&_HLS_part=x", "?_HLS_msn=x"):
            started = time.monotonic()
            self.assertEqual(get(url + ask)[0], 400, ask)
            self.assertLess(time.monotonic() - started, 1)

    def test_what_players_show_with_the_playlist_they_show_with_the_parts(self):
        self.play()
        playlist = hls.read(get(self.server.hls(STREAM) + "?key=x&_HLS_skip=YES")[2].decode())
        uris = [segment.uri for segment in playlist.segments]
        uris += [part.uri for segment in playlist.segments for part in segment.parts]
        uris += [playlist.hint, playlist.segments[0].map]
        self.assertEqual([uri for uri in uris if not uri.endswith("?key=x")], [])


class InBrowsers(Case):
    """Time is measured here."""

    alone = True

    def check(self, section, latency, kinds=("hls.js", "shaka")):
        """Players stay less than that behind, though more is listed than they begin behind."""
        self.serve(hls=section)
        self.publish_live(STREAM, media="bframes")
        url = self.server.hls(STREAM)
        self.until_hls(STREAM)
        waiting.until(
            lambda: len(hls.read(get(url)[2].decode()).segments) > 4, FILLS_WITHIN, "a longer list"
        )
        chromium = Chromium(self, [{"name": kind, "kind": kind, "url": url} for kind in kinds])
        report = chromium.until(
            lambda _, player: player["frames"] > 100 and 0 < (player["age"] or 0) < latency,
            f"less than {latency} ms behind",
            SETTLES_WITHIN,
        )
        first = {name: player["frames"] for name, player in report.items()}
        # And it stays there.
        report = chromium.until(
            lambda name, player: player["frames"] > first[name] + 150, "6 s more"
        )
        for name, player in report.items():
            self.assertEqual((player["errors"], player["width"]), ([], 640), name)
            self.assertLess(player["age"], latency, name)
            print(f"{name}: {player['age']} ms behind, of {latency}", flush=True)

    def test_low_latency_is_below_two_seconds(self):
        # hls.js stays where it began if it is not told to catch up, as Shaka Player is.
        self.check(LOW["hls"], LATENCY, ("hls.js catches up", "shaka"))

    def check_whole(self, form, start):
        """The playlist's end is up to a segment old when players see it first."""
        section = {"format": form, "segment": "2s", "start": start}
        self.check(section, (start + 1) * 2000 + BEGINS_WITHIN)

    def test_fmp4_is_as_late_as_players_begin(self):
        self.check_whole("fmp4", 3)

    def test_mpeg_ts_is_as_late_as_players_begin(self):
        self.check_whole("ts", 3)

    def test_fmp4_is_closer_if_players_are_told_so(self):
        self.check_whole("fmp4", 2)

    def test_mpeg_ts_is_closer_if_players_are_told_so(self):
        self.check_whole("ts", 2)


def span(capture):
    """Seconds of the stream that were told of."""
    return sum(segment.duration for segment in seen(capture).values())


def seen(capture):
    found = {}
    for playlist in list(capture.playlists):
        found |= {segment.number: segment for segment in playlist.segments}
    return found


def discontinuities(capture):
    return [segment for segment in seen(capture).values() if segment.discontinuity]
