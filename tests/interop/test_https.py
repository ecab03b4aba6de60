"""HTTP and WebSocket under TLS: every form, and what TLS itself has to offer."""

import re
import socket
import ssl
import subprocess
import tomllib

import certificate
import flv
import paths
import players
import timeline
import waiting
from recording import until_all_more
from relay_case import STREAM, RelayCase
from test_browsers import InChromium
from tls_case import TlsCase

SECONDS = 3
PLAYS_WITHIN = 20
# Files that have changed are read again within 5 s, which is a promise, and then told.
READS_WITHIN = 5 + 1


class Forms(TlsCase):
    def setUp(self):
        super().setUp()
        self.serve_sealed(max=32, hls={"segment": "1s"})

    def test_every_form_is_what_was_published(self):
        server = self.server
        live = [server.flv, server.ts, server.mp4, server.ws_flv, server.ws_ts, server.ws_mp4]
        captures = [self.capture(server.sealed(one(STREAM))) for one in live]
        self.publish(STREAM, media="bframes", loop=False)
        source = flv.samples(paths.media("bframes").read_bytes())
        for capture in captures:
            capture.until_span(SECONDS * 1000)
            self.assertIsNone(capture.ended, capture.url)
            data = capture.stop()
            if capture.url.endswith(".flv"):
                self.assert_none(timeline.differences(source, flv.samples(data)), capture.url)
            self.assert_decodes(data, SECONDS - 1)

    def test_hls(self):
        self.publish(STREAM)
        capture = self.capture_hls(self.server.sealed(self.server.hls(STREAM)))
        capture.until(lambda one: len(one.segments) >= 3, PLAYS_WITHIN, "3 segments")
        capture.stop()
        self.assert_none(capture.faults, capture.url)
        self.assert_decodes(b"".join(data for _, data in capture.segments), 2)

    def test_ffmpeg_believes_the_certificate(self):
        self.publish_live(STREAM)
        self.until_hls(STREAM)
        server = self.server
        urls = [server.sealed(one(STREAM)) for one in (server.flv, server.ts, server.hls)]
        decoding = []
        for ffmpeg in (paths.FFMPEG_CURRENT, paths.FFMPEG_DEBIAN):
            for one in urls:
                command = players.ffmpeg_decode(ffmpeg, one, SECONDS)
                decoding.append(self.start("ffmpeg", command, self.believing))
        for program in decoding:
            program.wait(PLAYS_WITHIN)
            self.assert_none(players.ffmpeg_faults(program, SECONDS), "ffmpeg")

    def test_gstreamer_plays(self):
        self.publish_live(STREAM)
        server = self.server
        # It has no option for whom to believe, but for whether to.
        for demuxer, url in (("flvdemux", server.flv), ("tsdemux", server.ts)):
            source = f"souphttpsrc ssl-strict=false location={server.sealed(url(STREAM))}"
            players.Gstreamer(self, f"{source} ! {demuxer} name=demux").until_decoded()

    def test_curl_checks_name_and_certificate(self):
        page = self.server.sealed(self.server.http + "/healthz").replace("127.0.0.1", "localhost")
        believes = ["--cacert", self.directory / "cert.pem"]
        asked = self.curl(*believes, "-w", "%{http_version} %{ssl_verify_result}", page)
        self.assertEqual((asked.returncode, asked.stdout), (0, "ok\n1.1 0"), asked.stderr)
        self.assertEqual(self.curl(page).returncode, 60, "it has nobody's word for it")

    def curl(self, *how):
        command = ["curl", "-sS", "--max-time", "5", *how]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    def test_what_comes_without_tls_is_refused(self):
        raw = self.connect_raw(self.server.https_port)
        raw.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while more := raw.recv(1000):
            answer += more
        self.assertNotIn(b"HTTP", answer)


class InChromiumSealed(InChromium):
    """The same urls under TLS."""

    def serve(self, **sections):
        tls = certificate.make(self.directory, max=32)
        super().serve(tls=tls, memory={"total": "128MiB"}, **sections)

    def url(self, url):
        return self.server.sealed(url)


class Handshakes(TlsCase):
    def test_old_versions_are_refused_and_http_1_1_is_agreed_on(self):
        self.serve_sealed()
        port = self.server.https_port
        for version in ("1_2", "1_3"):
            ended = self.s_client(port, f"-tls{version}", "-alpn", "h2,http/1.1")
            self.assertIn("ALPN protocol: http/1.1", ended.stdout)
        for version in ("1", "1_1"):
            ended = self.s_client(port, f"-tls{version}", "-cipher", "DEFAULT@SECLEVEL=0")
            self.assertNotEqual(ended.returncode, 0, ended)
        ended = self.s_client(port, "-alpn", "h2")
        self.assertIn("no application protocol", ended.stderr)

    def test_one_who_comes_back_goes_on_with_its_session(self):
        self.serve_sealed()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = certificate.believing_any()
            context.maximum_version = version
            first, session = self.ask(context)
            self.assertFalse(first)
            again, _ = self.ask(context, session)
            self.assertTrue(again, version)

    def ask(self, context, session=None):
        """Whether the session was one from before, and what to go on with."""
        raw = self.connect_raw(self.server.https_port)
        with context.wrap_socket(raw, session=session) as sealed:
            sealed.sendall(b"GET /healthz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
            while sealed.recv(1000):
                pass
            return sealed.session_reused, sealed.session

    def test_a_hello_without_end_is_cut(self):
        """A handshake's message may say that it is 64 KiB long."""
        self.serve_sealed()
        raw = self.connect_raw(self.server.https_port)
        record = b"\x16\x03\x01\x20\x00" + b"\x01\x00\xff\xf0" + bytes(0x2000 - 4)
        more = b"\x16\x03\x01\x20\x00" + bytes(0x2000)
        raw.sendall(record + more)
        try:
            while raw.recv(1000):
                pass
        except ConnectionResetError:
            pass
        self.assertEqual(self.server.metric('runnel_closed_total{reason="peer"}'), 1)


class Shown(TlsCase):
    def test_who_asks_for_a_name_is_shown_its_certificate(self):
        pairs = {}
        for host in ("localhost", "one.test", "*.many.test"):
            directory = self.directory / host.replace("*", "any")
            directory.mkdir()
            pairs[host] = certificate.make(directory, host)
        more = [pairs["one.test"], pairs["*.many.test"]]
        self.serve(tls={**pairs["localhost"], "more": more, "max": 8})
        for asked, shown in {
            "one.test": "one.test",
            "b.many.test": "*.many.test",
            "localhost": "localhost",
            "unknown.test": "localhost",
            None: "localhost",
        }.items():
            self.assertEqual(self.shown(asked), shown, asked)

    def shown(self, name=None):
        """The common name of the certificate that one gets who asks for `name`."""
        how = ["-servername", name] if name else ["-noservername"]
        said = self.s_client(self.server.https_port, *how).stdout
        return re.search(r"subject=CN = (\S+)", said)[1]

    def test_files_that_change_are_shown_and_nobody_is_thrown_out(self):
        self.serve_sealed()
        self.publish_live(STREAM)
        server = self.server
        plays = [self.capture(server.sealed(one(STREAM))) for one in (server.flv, server.ws_ts)]
        until_all_more(plays, 500)
        certificate.make(self.directory, "renewed.test")
        self.check_told("tls: the certificates have changed", 1)
        self.assertEqual(self.shown(), "renewed.test")
        # One that cannot be used changes nothing.
        (self.directory / "key.pem").write_text("no key")
        self.check_told("the previous ones are still used", 1)
        self.assertEqual(self.shown(), "renewed.test")
        certificate.make(self.directory, "again.test")
        self.check_told("tls: the certificates have changed", 2)
        self.assertEqual(self.shown(), "again.test")
        until_all_more(plays, 500)
        self.assertEqual([one.ended for one in plays], [None, None])

    def check_told(self, words, count):
        """The log says so in time."""
        told = lambda: self.server.log.count(words) >= count
        waiting.Clock().until(told, READS_WITHIN, f"{count} times {words!r}")

    def test_where_it_is_required_a_broken_one_ends_the_program(self):
        missing = self.directory / "missing.pem"
        with self.assertRaises(AssertionError) as ended:
            self.serve(tls={"cert": missing, "key": missing, "required": True})
        self.assertIn(str(missing), str(ended.exception))
        self.assertIn("tls.required", str(ended.exception))


class Made(TlsCase):
    def make(self):
        command = [paths.SERVER, "--make-cert"]
        return subprocess.run(
            command, cwd=self.directory, capture_output=True, text=True, check=False
        )

    def test_one_that_the_program_made_is_good_for_the_machine_itself(self):
        made = self.make()
        self.assertEqual((made.returncode, made.stderr), (0, ""))
        self.assertEqual((self.directory / "key.pem").stat().st_mode & 0o777, 0o600)
        self.serve(**tomllib.loads(made.stdout), memory={"total": "128MiB"})
        for name in ("localhost", "127.0.0.1", socket.gethostname()):
            kind = "-verify_ip" if name[0].isdigit() else "-verify_hostname"
            believes = ["-CAfile", self.directory / "cert.pem", kind, name]
            said = self.s_client(self.server.https_port, *believes, "-verify_return_error")
            self.assertIn("Verify return code: 0 (ok)", said.stdout, name)

    def test_what_is_there_stays(self):
        self.make()
        certificate, key = (self.directory / name for name in ("cert.pem", "key.pem"))
        before = (certificate.read_bytes(), key.read_bytes())
        again = self.make()
        self.assertEqual((again.returncode, again.stdout), (73, ""))
        self.assertIn(f"remove {certificate} and {key}, or name other files in tls.cert", again.stderr)
        self.assertEqual((certificate.read_bytes(), key.read_bytes()), before)
        # No key of another pair comes to the certificate.
        key.unlink()
        again = self.make()
        self.assertEqual((again.returncode, again.stdout), (73, ""))
        self.assertIn(f"remove {certificate}, or name other files in tls.cert of", again.stderr)
        self.assertFalse(key.exists())
        certificate.unlink()
        self.assertEqual(self.make().returncode, 0)


class Believed(RelayCase):
    def test_authorities_from_a_file(self):
        self.serve_other()
        (self.directory / "strange").mkdir()
        strange = certificate.make(self.directory / "strange")["cert"]
        ways = ("rtsps", "rtmps")
        own = self.directory / "cert.pem"
        tables = [self.table(way, stream=way, insecure=False, ca=own) for way in ways]
        refused = [self.table(way, stream=f"no-{way}", insecure=False, ca=strange) for way in ways]
        self.serve(pull=[*tables, *refused])
        self.publish(STREAM, server=self.other)
        for way in ways:
            self.until_live(way)
            self.until_log_counts(f"pulling no-{way}", 1)
        self.assertEqual(self.server.metric("runnel_publishers"), 2)

    def test_a_file_that_is_not_there_is_named(self):
        self.serve_other()
        missing = self.directory / "missing.pem"
        self.serve(pull=[self.table("rtsps", insecure=False, ca=missing)])
        self.until_log_counts(str(missing), 1)
