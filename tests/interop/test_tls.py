"""RTSP and RTMP under TLS: real programs, and what goes wrong."""

import contextlib
import re
import socket
import ssl

import certificate
import flv
import paths
import players
import publishers
import timeline
import waiting
from rtsp_case import STREAM
from tls_case import TlsCase

SECONDS = 3
PLAYS_WITHIN = 20
HANDSHAKE = 1
CLOSES_WITHIN = 10
FFMPEGS = (paths.FFMPEG_CURRENT, paths.FFMPEG_DEBIAN)


class Programs(TlsCase):
    def setUp(self):
        super().setUp()
        self.serve_sealed()

    def publish_sealed(self, ffmpeg, scheme, media="bframes"):
        if scheme == "rtsps":
            url = self.server.rtsps(STREAM)
            command = publishers.ffmpeg_rtsp(ffmpeg, media, url, False, "tcp")
        else:
            command = publishers.ffmpeg(ffmpeg, media, self.server.rtmps(STREAM), False)
        return self.start("publisher", command, self.believing)

    def check_publisher(self, ffmpeg, scheme):
        capture = self.capture(self.server.flv(STREAM))
        publisher = self.publish_sealed(ffmpeg, scheme)
        capture.until_span(SECONDS * 1000)
        self.assertIsNone(publisher.exit_code, publisher.describe())
        samples = flv.samples(capture.stop())
        source = flv.samples(paths.media("bframes").read_bytes())
        by_rtp = scheme == "rtsps"
        differences = timeline.differences_by_rtp if by_rtp else timeline.differences
        self.assert_none(differences(source, samples), scheme)

    def test_current_ffmpeg_publishes_by_rtsps(self):
        self.check_publisher(paths.FFMPEG_CURRENT, "rtsps")

    def test_debian_ffmpeg_publishes_by_rtsps(self):
        self.check_publisher(paths.FFMPEG_DEBIAN, "rtsps")

    def test_current_ffmpeg_publishes_by_rtmps(self):
        self.check_publisher(paths.FFMPEG_CURRENT, "rtmps")

    def test_debian_ffmpeg_publishes_by_rtmps(self):
        self.check_publisher(paths.FFMPEG_DEBIAN, "rtmps")

    def test_gstreamer_publishes_by_rtsps(self):
        url = self.server.rtsps(STREAM)
        publisher = self.start("publisher", publishers.gstreamer_rtsp(url, "tcp"))
        self.until_live(STREAM, 1000)
        self.assertIsNone(publisher.exit_code, publisher.describe())

    def test_ffmpeg_plays_by_both(self):
        self.publish_live(STREAM, media="bframes")
        decoding = []
        for ffmpeg in FFMPEGS:
            for url in (self.server.rtsps(STREAM), self.server.rtmps(STREAM)):
                command = players.ffmpeg_decode_rtsp(ffmpeg, url, SECONDS)
                decoding.append(self.start("ffmpeg", command, self.believing))
        for program in decoding:
            program.wait(PLAYS_WITHIN)
            self.assert_none(players.ffmpeg_faults(program, SECONDS), "ffmpeg")

    def test_gstreamer_and_mpv_play_by_rtsps(self):
        self.publish_live(STREAM)
        url = self.server.rtsps(STREAM)
        gstreamer = players.GstreamerRtsp(self, url, "tcp")
        mpv = players.Mpv(self, url, "tcp")
        gstreamer.until_decoded()
        mpv.until_played()

    def test_openssl_speaks_1_2_and_1_3_but_not_1_1(self):
        for port in (self.server.rtsps_port, self.server.rtmps_port):
            for version in ("1_2", "1_3"):
                ended = self.s_client(port, f"-tls{version}")
                self.assertEqual(ended.returncode, 0, ended)
                self.assertIn(f"TLSv{version.replace('_', '.')}", ended.stdout)
                self.assertIn("CN = localhost", ended.stdout)
            # Without this it would not even ask.
            ended = self.s_client(port, "-tls1_1", "-cipher", "DEFAULT@SECLEVEL=0")
            self.assertNotEqual(ended.returncode, 0, ended)
            self.assertRegex(ended.stderr, "alert (protocol version|handshake failure)")
        self.connect_sealed().request("OPTIONS", self.url)


class Certificates(TlsCase):
    def test_one_is_all_that_it_takes(self):
        """The defaults leave room for TLS."""
        self.serve(tls=certificate.make(self.directory))
        self.ok(self.connect_sealed(), "OPTIONS", self.url)

    def check_none_served(self, **tls):
        self.serve(tls={"max": 8, **tls})
        for port in (self.server.rtsps_port, self.server.rtmps_port):
            self.assertTrue(self.is_refused(port))
        self.until_log_counts("ERROR", 1)
        lines = [line for line in self.server.log.splitlines() if "ERROR" in line]
        self.assertEqual(len(lines), 1, lines)
        self.publish_live(STREAM)
        self.play()
        self.until_live(STREAM)
        return lines[0]

    def test_one_that_is_broken_closes_the_ports_and_nothing_else(self):
        pair = certificate.make(self.directory)
        text = pair["cert"].read_text()
        pair["cert"].write_text(text[: len(text) // 2])
        line = self.check_none_served(**pair)
        self.assertIn(str(pair["cert"]), line)

    def test_one_that_is_not_there(self):
        missing = self.directory / "missing.pem"
        self.assertIn(str(missing), self.check_none_served(cert=missing, key=missing))

    def test_a_key_of_another_one(self):
        pair = certificate.make(self.directory)
        (self.directory / "other").mkdir()
        other = certificate.make(self.directory / "other")
        line = self.check_none_served(cert=pair["cert"], key=other["key"])
        self.assertIn("tls", line)

    def test_without_one_the_ports_are_closed(self):
        self.serve()
        for port in (self.server.rtsps_port, self.server.rtmps_port):
            self.assertTrue(self.is_refused(port))
        self.assertNotIn("ERROR", self.server.log)

    def test_a_port_that_is_taken_leaves_the_rest_up(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            listen = f"127.0.0.1:{taken.getsockname()[1]}"
            tls = certificate.make(self.directory, max=8, rtsp_listen=listen)
            self.serve(tls=tls)
        self.until_log_counts("ERROR", 1)
        lines = [line for line in self.server.log.splitlines() if "ERROR" in line]
        self.assertEqual(len(lines), 1, lines)
        self.assertIn(f'tls.rtsp_listen = "{listen}"', lines[0])
        self.publish_live(STREAM)
        self.play()
        url = self.server.rtmps(STREAM)
        command = players.ffmpeg_decode(paths.FFMPEG_CURRENT, url, 1)
        program = self.start("ffmpeg", command, self.believing)
        program.wait(PLAYS_WITHIN)
        self.assert_none(players.ffmpeg_faults(program, 1), "ffmpeg")


class Hostile(TlsCase):
    def test_half_a_handshake_is_closed_in_time(self):
        self.serve_sealed(connections={"handshake": f"{HANDSHAKE}s"})
        connections = []
        for port in (self.server.rtsps_port, self.server.rtmps_port):
            for begin in (b"", hello()[:1], hello()[:100]):
                connection = self.connect_raw(port)
                connection.sendall(begin)
                connections.append(connection)
            # All of a hello, and nothing after what that is answered with.
            connection = self.connect_raw(port)
            connection.sendall(hello())
            self.assertTrue(connection.recv(1))
            connections.append(connection)
        for connection in connections:
            self.assertTrue(ends(connection), "it stays open")
        self.until_open(0)
        self.ok(self.connect_sealed(), "OPTIONS", self.url)

    def until_open(self, count):
        """Beside the one that asks."""
        waiting.until(
            lambda: self.server.metric("runnel_connections") == count + 1,
            CLOSES_WITHIN,
            lambda: self.server.metrics(),
        )

    def test_there_are_no_more_than_so_many(self):
        self.serve_sealed(max=2)
        one, other = self.connect_sealed(), self.connect_sealed()
        for client in (one, other):
            self.ok(client, "OPTIONS", self.url)
        with self.assertRaises((ssl.SSLError, OSError)):
            self.connect_sealed()
        line = r"WARN  peer=127\.0\.0\.1:\d+ is refused rtsps: tls\.max is reached\n"
        waiting.until(lambda: re.search(line, self.server.log), CLOSES_WITHIN, line)
        # Without TLS there is room.
        self.ok(self.connect(), "OPTIONS", self.url)
        self.ok(one, "OPTIONS", self.url)
        other.close()

        def serves():
            with contextlib.suppress(ssl.SSLError, OSError):
                self.ok(self.connect_sealed(), "OPTIONS", self.url)
                return True

        waiting.until(serves, CLOSES_WITHIN, "room for one")
        self.ok(one, "OPTIONS", self.url)

    def test_a_broken_record_closes_only_its_connection(self):
        self.serve_sealed()
        self.publish_live(STREAM)
        player, _ = self.play(self.connect_sealed())
        for garbage in (b"hello, world\r\n\r\n", b"\x17\x03\x03\x00\x20" + bytes(32)):
            client = self.connect_sealed()
            self.ok(client, "OPTIONS", self.url)
            raw = socket.socket(fileno=client.socket.detach())
            raw.settimeout(CLOSES_WITHIN)
            self.addCleanup(raw.close)
            raw.sendall(garbage)
            self.assertTrue(ends(raw), "it stays open")
        for port in (self.server.rtsps_port, self.server.rtmps_port):
            raw = self.connect_raw(port)
            raw.sendall(f"OPTIONS {self.url} RTSP/1.0\r\nCSeq: 1\r\n\r\n".encode())
            self.assertTrue(ends(raw), "it stays open")
        self.assert_plays(player)


def hello():
    """The beginning of a client's handshake."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    state = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with contextlib.suppress(ssl.SSLWantReadError):
        state.do_handshake()
    return outgoing.read()


def ends(connection):
    """Whether the server closes; what it says before is passed over."""
    try:
        while connection.recv(65536):
            pass
        return True
    except ConnectionResetError:
        return True
    except TimeoutError:
        return False
