"""Slow and many connections: each limit holds, and those within it are served."""

import time
from pathlib import Path

import certificate
import waiting
from case import Case
from from_afar import OTHER, FromAfar
from namespaces import THERE
from raw_http import RawHttp

STREAM = "cam"
# Connects from an address so many times, says whether TLS was spoken, and stays.
SEALS = """
import socket, ssl, sys
source, host, port, count = sys.argv[1:]
context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
kept = []
for _ in range(int(count)):
    one = socket.create_connection((host, int(port)), 10, (source, 0))
    try:
        kept.append(context.wrap_socket(one))
        print(200, flush=True)
    except OSError:
        print(503, flush=True)
sys.stdin.read()
"""
# Sets up pictures of streams from an address so many times, says how it was answered, and stays.
SETS_UP = """
import socket, sys
source, host, port, path, transport, count = sys.argv[1:]
kept = []
def ask(one, number, head, more=""):
    one.sendall(f"{head.format(url)} RTSP/1.0\\r\\nCSeq: {number}\\r\\n{more}\\r\\n".encode())
    return one.recv(4096).split()[1].decode()
for number in range(int(count)):
    one = socket.create_connection((host, int(port)), 10, (source, 0))
    url = f"rtsp://{host}:{port}{path.format(number)}"
    way = "Transport: " + transport.format(40000 + 2 * number, 40001 + 2 * number) + "\\r\\n"
    answer = ask(one, 1, "DESCRIBE {}")
    print(ask(one, 2, "SETUP {}/streamid=0", way) if answer == "200" else answer, flush=True)
    kept.append(one)
sys.stdin.read()
"""
UNICAST, MULTICAST = "RTP/AVP;unicast;client_port={}-{}", "RTP/AVP;multicast"
GROUP = "239.255.42.42"


# Comes from over there so many times, says whether it was served, and stays.
COMES = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
import hoarder
_, host, port, way, name, count = sys.argv[1:]
port, to = int(port), dict(host=host)
url = f"rtsp://{{host}}:{{port}}/live/{{name}}"
ways = {{
    "rtmp play": lambda number: hoarder.rtmp(name, port, **to),
    "rtmp publish": lambda number: hoarder.rtmp(f"{{name}}{{number}}", port, "publish", **to),
    "rtsp play": lambda number: hoarder.rtsp(url, port, **to),
    "rtsp publish": lambda number: hoarder.rtsp_publisher(f"{{url}}{{number}}", port, **to),
}}
kept = []
for number in range(int(count)):
    try:
        kept.append(ways[way](number))
        print(200, flush=True)
    except hoarder.Refused:
        print(503, flush=True)
sys.stdin.read()
"""


class Limits(Case):
    def connect(self, timeout=10):
        connection = RawHttp(self.server.http_port, timeout)
        self.addCleanup(connection.close)
        return connection

    def status_of_healthz(self):
        return self.connect().request("GET", "/healthz").status

    def silent_connection(self):
        """One that the server has let in, or None while there is no room yet."""
        connection = self.connect()
        connection.socket.settimeout(0.1)
        # Part of a request. One that is turned away is told so at once.
        connection.send(b"GET ")
        try:
            connection.socket.recv(1)
            return None
        except TimeoutError:
            connection.socket.settimeout(10)
            return connection

    def until_it_ends(self, connection, within):
        """Feeds a byte now and then, and returns how long that was borne."""
        started = time.monotonic()
        while time.monotonic() - started < within:
            connection.socket.settimeout(0.25)
            try:
                connection.send(b"a")
                if connection.ends():
                    return time.monotonic() - started
            except OSError:
                return time.monotonic() - started
        self.fail(f"still open after {within} s")

    def test_a_head_that_does_not_end_is_cut(self):
        self.serve(connections={"handshake": "2s"})
        connection = self.connect()
        connection.send(b"GET /healthz HTTP/1.1\r\nHost: ")
        self.assertGreater(self.until_it_ends(connection, within=5), 1.5)

    def test_a_handshake_that_does_not_end_is_cut(self):
        self.serve(connections={"handshake": "2s"})
        connection = RawHttp(self.server.rtmp_port)
        self.addCleanup(connection.close)
        connection.send(b"\x03")
        self.assertGreater(self.until_it_ends(connection, within=5), 1.5)

    def test_a_connection_without_requests_is_closed(self):
        self.serve(http={"keep_alive": "1s"})
        connection = self.connect(timeout=4)
        self.assertEqual(connection.request("GET", "/healthz").status, 200)
        self.assertTrue(connection.ends())

    def test_one_connection_too_many_is_told_so_and_room_comes_back(self):
        # There is room for all that may publish and play, and for those to spare.
        self.serve(
            streams={"max": 1}, viewers={"max": 1}, connections={"spare": 2, "handshake": "5s"}
        )
        silent = [
            waiting.until(self.silent_connection, 2, "room for a connection")
            for _ in range(1 + 1 + 2)
        ]
        answer = self.connect().request("GET", "/healthz")
        self.assertEqual(answer.status, 503, answer)
        self.assertIn("retry-after", answer.fields)
        self.until_log_says(
            r"WARN  peer=127\.0\.0\.1:\d+ is refused http: .* connections\.spare allow\n"
        )
        for connection in silent:
            self.assertTrue(connection.ends())
        # Each keeps its place until the kernel knows that it has all that was sent.
        waiting.until(lambda: self.status_of_healthz() == 200, 5, "room")

    def test_one_viewer_too_many_is_told_so(self):
        self.serve(viewers={"max": 2})
        self.publish_live(STREAM)
        # The viewer that waited for the publisher has left for good.
        self.until_log_counts(f"stops playing {STREAM}", 1)
        for _ in range(2):
            self.capture(self.server.flv(STREAM)).until_frames()
        answer = self.connect().request("GET", f"/live/{STREAM}.flv")
        self.assertEqual(answer.status, 503, answer)
        self.assertIn("retry-after", answer.fields)
        self.assertEqual(self.status_of_healthz(), 200)


class WhoWaits(Case):
    """For what nobody publishes: it gives way to who plays what is published."""

    def connect(self, port):
        connection = RawHttp(port, 10)
        self.addCleanup(connection.close)
        return connection

    def playlists_of_absent_names(self, count, query=""):
        for number in range(count):
            one = self.connect(self.server.http_port)
            one.send(f"GET /hls/absent{number}.m3u8{query} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
            yield one

    def status_of_live(self):
        try:
            return self.connect(self.server.http_port).request("GET", f"/live/{STREAM}.flv").status
        except OSError:
            return None  # turned away

    def test_requests_of_hls_hold_no_connection(self):
        self.serve(
            streams={"max": 1}, viewers={"max": 4}, connections={"spare": 4}, hls={"streams": 1}
        )
        self.publish_live(STREAM)
        # The first has a place of a viewer; the others wait for the same name.
        kept = [self.connect(self.server.http_port) for _ in range(8)]
        for one in kept:
            one.send(b"GET /hls/absent.m3u8 HTTP/1.1\r\nHost: h\r\n\r\n")
        waiting.until(lambda: self.status_of_live() == 200, 5, "a place for who plays")

    def test_requests_of_rtsp_and_hls_hold_no_place_of_a_viewer(self):
        self.serve(
            streams={"max": 1},
            viewers={"max": 4},
            connections={"spare": 8},
            hls={"streams": 2},
            log={"level": "debug"},
        )
        self.publish_live(STREAM)
        kept = list(self.playlists_of_absent_names(2))
        waiting.until(
            lambda: self.server.metric("runnel_hls_streams") == 2, 5, "two playlists are waited for"
        )
        for number in range(2):
            one = self.connect(self.server.rtsp_port)
            url = f"rtsp://127.0.0.1:{self.server.rtsp_port}/live/nobody{number}"
            one.send(f"DESCRIBE {url} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
            kept.append(one)
        self.until_log_counts(" is now ", 2)
        for _ in range(4):
            self.assertEqual(self.status_of_live(), 200)
        self.assertEqual(self.status_of_live(), 503)

    def test_sessions_of_hls_hold_no_place_of_a_player(self):
        self.serve(viewers={"max": 2}, hls={"sessions": True, "streams": 8})
        self.publish_live(STREAM)
        for one in self.playlists_of_absent_names(2):
            self.assertEqual(one.answer().status, 302)

        def ask(name):
            return self.connect(self.server.http_port).request("GET", f"/hls/{name}.m3u8").status

        statuses = [ask(name) for name in ("absent", STREAM, STREAM, STREAM)]
        self.assertEqual(statuses, [503, 302, 302, 503])
        self.until_log_counts("nobody publishes it, and others need the place", 2)
# Publishes from an address so many streams of a little sound, says how it was answered, and goes on.
PUBLISHES = """
import socket, struct, sys, threading, time
source, host, port, name, count = sys.argv[1:]
sdp = "v=0\\r\\no=- 0 0 IN IP4 127.0.0.1\\r\\ns=x\\r\\nt=0 0\\r\\nm=audio 0 RTP/AVP 0\\r\\na=control:t0\\r\\n"
kept = []
for number in range(int(count)):
    one = socket.create_connection((host, int(port)), 10, (source, 0))
    url = f"rtsp://{host}:{port}/live/{name}{number}"
    session = ""
    def ask(number, head, more="", body=""):
        head = f"{head} RTSP/1.0\\r\\nCSeq: {number}\\r\\n{session}{more}Content-Length: {len(body)}\\r\\n\\r\\n"
        one.sendall((head + body).encode())
        return one.recv(4096).decode()
    ask(1, f"ANNOUNCE {url}", "Content-Type: application/sdp\\r\\n", sdp)
    transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1;mode=record\\r\\n"
    answer = ask(2, f"SETUP {url}/t0", transport)
    words = (line for line in answer.split("\\r\\n") if line.lower().startswith("session:"))
    session = next(words).split(";")[0] + "\\r\\n"
    answer = ask(3, f"RECORD {url}")
    kept.append(one)
    print(answer.split()[1], flush=True)
def send():
    for number in range(3000):
        packet = struct.pack(">BBHII", 0x80, 0, number & 0xFFFF, number * 800, 9) + b"\\xd5" * 800
        for one in kept:
            one.sendall(struct.pack(">BBH", 0x24, 0, len(packet)) + packet)
        time.sleep(0.1)
threading.Thread(target=send, daemon=True).start()
sys.stdin.read()
"""


class OneAddress(FromAfar):
    def test_one_address_leaves_a_quarter_to_others_and_who_waits_gives_way(self):
        self.serve(address="0.0.0.0", viewers={"max": 8})
        self.assertEqual(self.ask(THERE, "/live/absent.flv", 8), [200] * 6 + [503] * 2)
        self.assertEqual(self.ask(OTHER, "/live/absent.flv", 2), [200] * 2)
        # All places are taken, by those who wait for what nobody publishes.
        self.publish(STREAM)
        self.until_log_counts(f"publishes {STREAM}", 1)
        self.capture(self.server.flv(STREAM)).until_frames()

    def test_one_address_leaves_connections_and_players_of_hls_to_others(self):
        self.serve(
            address="0.0.0.0",
            streams={"max": 1},
            viewers={"max": 4},
            connections={"spare": 5},
            hls={"sessions": True},
        )
        self.publish_live(STREAM)
        playlist = f"/hls/{STREAM}.m3u8"
        answers = [self.ask(THERE, playlist, 1) for _ in range(4)]
        self.assertEqual(answers, [[302]] * 3 + [[503]])
        # There are 10, 4 are held, and 4 more may be.
        self.assertEqual(self.ask(THERE, "/healthz", 5), [200] * 4 + [503])
        said = rf"WARN  peer={THERE}:\d+ is refused http: .* as connections\.per_peer allows\n"
        self.until_log_says(said)
        self.assertEqual(self.ask(OTHER, playlist, 1), [302])

    def test_one_address_leaves_connections_under_tls_to_others(self):
        self.serve(
            address="0.0.0.0", tls=certificate.make(self.directory, max=4), memory={"total": "128MiB"}
        )
        answers = self.run_there(SEALS, THERE, self.server.https_port, 4)
        self.assertEqual(answers, [200] * 3 + [503])
        self.assertEqual(self.run_there(SEALS, OTHER, self.server.https_port, 1), [200])

    def test_one_address_leaves_udp_to_others(self):
        self.serve(address="0.0.0.0", rtsp={"udp_pairs": 4})
        self.publish_live(STREAM)
        path = f"/live/{STREAM}"
        self.assertEqual(self.set_up(THERE, path, UNICAST, 4), [200] * 3 + [461])
        self.assertEqual(self.set_up(OTHER, path, UNICAST, 1), [200])

    def set_up(self, source, path, transport, count):
        return self.run_there(SETS_UP, source, self.server.rtsp_port, path, transport, count)

    def test_who_begins_multicasts_leaves_places_to_others(self):
        self.serve(
            address="0.0.0.0",
            streams={"max": 4},
            viewers={"max": 4},
            rtsp={"multicast": GROUP},
            hls={"enable": False},
        )
        for number in range(4):
            self.publish_live(f"{STREAM}{number}")
        # The viewers that waited for the publishers have left for good.
        self.until_log_counts(f"stops playing {STREAM}", 4)
        path = f"/live/{STREAM}{{}}"
        self.assertEqual(self.set_up(THERE, path, MULTICAST, 4), [200] * 3 + [453])
        # All listen to groups, and there is room for no viewer more.
        self.assertEqual(self.set_up(OTHER, path, MULTICAST, 2), [200, 453])

    def test_one_address_leaves_streams_and_places_of_viewers_to_others(self):
        # Silent ones stay for as long as the test takes.
        patient = {"publish": {"silence": "10m"}, "connections": {"handshake": "10m"}}
        for way in ("rtmp", "rtsp"):
            with self.subTest(way):
                sizes = {"streams": {"max": 8}, "viewers": {"max": 8}}
                server = self.serve(address="0.0.0.0", **sizes, **patient)
                port = getattr(server, f"{way}_port")
                self.publish_live(STREAM)
                for does, name in [("publish", "new"), ("play", STREAM)]:
                    answers = self.run_there(COMES, THERE, port, f"{way} {does}", name, 7)
                    self.assertEqual(answers, [200] * 6 + [503], does)
                self.until_log_counts("all that connections.per_peer leaves it", 2)
                self.publish_live("other")
                server.stop()

    def publish_there(self, source, name, count):
        answers = self.run_there(PUBLISHES, source, self.server.rtsp_port, name, count)
        self.assertEqual(answers, [200] * count)
        for number in range(count):
            self.until_live(f"{name}{number}")

    def until_playlist(self, source, name):
        waiting.until(
            lambda: self.ask(source, f"/hls/{name}.m3u8", 1) == [200],
            30,
            lambda: f"a playlist of {name}",
        )

    def test_streams_of_one_address_leave_hls_to_others(self):
        for on_demand in (True, False):
            with self.subTest(on_demand=on_demand):
                keys = {"streams": 4, "segment": "1s", "session_timeout": "5m"}
                self.serve(address="0.0.0.0", hls={**keys, "on_demand": on_demand})
                self.publish_there(THERE, "many", 4)
                for number in range(4):
                    self.until_playlist(THERE, f"many{number}")
                self.publish_live(STREAM)
                self.until_playlist(OTHER, STREAM)
                # The rest is not that of others.
                self.publish_live("next")
                self.assertEqual(self.ask(OTHER, "/hls/next.m3u8", 1), [503])
                played = [self.ask(THERE, f"/hls/many{number}.m3u8", 1)[0] for number in range(4)]
                self.assertEqual(sorted(played), [200, 200, 200, 503])
                self.until_playlist(OTHER, STREAM)

    def test_who_alone_watches_all_streams_leaves_hls_to_others(self):
        self.serve(address="0.0.0.0", hls={"streams": 2, "segment": "1s", "session_timeout": "5m"})
        for name in ("one", "two", STREAM):
            self.publish_live(name)
        self.until_playlist(THERE, "one")
        self.until_playlist(THERE, "two")
        self.until_playlist(OTHER, STREAM)
        self.assertEqual(self.ask(THERE, "/hls/one.m3u8", 1), [503])
        self.assertEqual(self.ask(THERE, "/hls/two.m3u8", 1), [200])

    def test_what_somebody_else_watches_stays(self):
        self.serve(address="0.0.0.0", hls={"streams": 2, "segment": "1s", "session_timeout": "5m"})
        for name in ("one", "two", STREAM):
            self.publish_live(name)
        self.until_playlist(THERE, "one")
        self.until_playlist(THERE, "two")
        self.until_hls("two")
        self.assertEqual(self.ask(OTHER, f"/hls/{STREAM}.m3u8", 1), [503])

    def test_what_nobody_watches_gives_way_to_what_somebody_does(self):
        keys = {"streams": 1, "segment": "1s", "idle": "10m", "session_timeout": "5s"}
        self.serve(address="0.0.0.0", hls=keys)
        self.publish_live("first")
        self.until_playlist(THERE, "first")
        self.publish_live(STREAM)
        self.until_playlist(OTHER, STREAM)

    def test_streams_of_one_address_leave_recordings_to_others(self):
        folder = self.directory / "recordings"
        folder.mkdir()
        rule = {"streams": "*", "path": folder}
        self.serve(address="0.0.0.0", recording={"max": 2}, record=[rule])
        self.publish_there(THERE, "many", 2)
        self.until_log_counts("is recorded to", 2)
        self.publish_live(STREAM)
        waiting.until(
            lambda: any(STREAM in one.name for one in folder.rglob("*")), 30, "a recording"
        )
        # The other one goes on: each keeps a place.
        waiting.until(
            lambda: self.server.metric("runnel_recordings") == 2, 30, "two recordings"
        )
