"""The targets of the log: a file that does not grow, or the machine's log."""

import contextlib
import fcntl
import os
import re
import signal
import socket
import subprocess
import unittest

import paths
import waiting
from case import Case
from raw_http import RawHttp
from rtmp_server import RtmpServer
from rtsp_client import RtspClient
from rtsp_websocket import RtspWebSocket

PAGE = 4096

WITHIN = 5
STAMPED = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z (ERROR|WARN |INFO |DEBUG) \S")


class Saying(Case):
    def say(self, times):
        """Has it write lines: somebody plays, and goes."""
        for _ in range(times):
            connection = RawHttp(self.server.http_port)
            connection.send(b"GET /live/x.flv HTTP/1.1\r\nHost: h\r\n\r\n")
            connection.answer()
            connection.close()


class LogFile(Saying):
    def serve_into(self, name, **log):
        self.path = self.directory / name
        self.serve(log={"target": self.path, "level": "debug", **log})

    def test_lines_go_there_and_not_to_standard_error(self):
        self.serve_into("log")
        self.say(1)
        waiting.until(lambda: "stops playing x" in self.path.read_text(), WITHIN, "the line")
        for line in self.path.read_text().splitlines():
            self.assertRegex(line, STAMPED)
        self.assertEqual(self.server.program.stderr, "")

    def test_it_does_not_grow_beyond_its_size(self):
        self.serve_into("log", max_size="4KiB")
        old = self.path.with_suffix(".1")
        self.say(80)
        waiting.until(lambda: old.exists() and self.path.exists(), WITHIN, "an old file")
        self.server.stop()
        self.assertEqual(sorted(path.name for path in self.directory.glob("log*")), ["log", "log.1"])
        for path in [self.path, old]:
            self.assertLessEqual(path.stat().st_size, 4096)
            for line in path.read_text().splitlines():
                self.assertRegex(line, STAMPED, "no line is cut")

    def test_a_signal_opens_it_anew(self):
        self.serve_into("log")
        moved = self.path.rename(self.directory / "moved")
        self.server.program.signal(signal.SIGHUP)
        waiting.until(self.path.exists, WITHIN, "a new file")
        size = moved.stat().st_size
        self.say(1)
        waiting.until(lambda: "stops playing x" in self.path.read_text(), WITHIN, "the line")
        self.assertEqual(moved.stat().st_size, size)


@unittest.skipUnless(os.geteuid() == 0, "only root may become somebody else")
class FolderOfAnother(Saying):
    """The file is the user's, but the folder is not: /var/log is root's."""

    USER = "65534:65534"

    def serve_there(self, **log):
        self.directory.chmod(0o755)
        self.folder = self.directory / "var"
        self.folder.mkdir(mode=0o755)
        self.path = self.folder / "log"
        log = {"target": self.path, "level": "debug", **log}
        self.serve(process={"user": self.USER}, log=log)

    def hang_up(self):
        self.server.program.signal(signal.SIGHUP)

    def until_it_says(self, path, words):
        waiting.until(lambda: words in path.read_text(), WITHIN, lambda: path.read_text()[-500:])

    def test_the_check_says_so(self):
        self.serve_there()
        config = self.directory / "runnel.toml"
        command = [paths.SERVER, "--check", "-c", config]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN, check=False)
        self.assertEqual(ended.returncode, 69, ended.stderr)
        self.assertRegex(
            ended.stderr,
            f"log.target: {self.folder}: Permission denied .*: with a folder of its user it can begin FILE anew",
        )
        self.folder.chmod(0o777)
        ended = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN, check=False)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertNotIn("log.target", ended.stderr)

    def test_what_is_lost_where_it_cannot_be_moved_is_said(self):
        self.serve_there(max_size="4KiB")
        seen, why = set(), f"log.target: {self.path}.1: Permission denied"

        def is_emptied_twice():
            self.say(1)
            seen.update(self.path.read_text().splitlines())
            return sum("lines of the log were dropped" in line for line in seen) > 1

        waiting.until(is_emptied_twice, 60, "it is emptied twice, and says so each time")
        told = [re.search(r"(\d+) lines of the log were dropped", line) for line in seen]
        told = [int(line[1]) for line in told if line]
        # Some 100 bytes a line: so many of them are 4 KiB.
        self.assertTrue(all(10 < lost < 80 for lost in told), told)
        self.assertEqual(sum(why in line for line in seen), 1, "why is said once")
        self.assertLessEqual(self.path.stat().st_size, 4096)

    def test_where_it_cannot_be_opened_anew_the_old_one_goes_on(self):
        self.serve_there()
        moved = self.path.rename(self.folder / "moved")
        self.hang_up()
        self.until_it_says(moved, "read again")
        self.until_it_says(moved, f"log.target: {self.path}: Permission denied")
        self.say(1)
        self.until_it_says(moved, "stops playing x")
        self.assertFalse(self.path.exists())
        # Once it can be, it is.
        self.folder.chmod(0o777)
        self.say(1)
        waiting.until(self.path.exists, WITHIN, "a new file")
        self.until_it_says(self.path, "stops playing x")
        self.assertEqual(moved.read_text().count("Permission denied"), 1, "why is said once")

    def test_one_that_was_moved_does_not_grow_without_end(self):
        self.serve_there(max_size="4KiB")
        moved = self.path.rename(self.folder / "moved")
        self.hang_up()
        self.until_it_says(moved, "read again")
        self.say(120)
        self.until_it_says(moved, "lines of the log were dropped")
        self.assertLessEqual(moved.stat().st_size, 4096)


class Pipe(Saying):
    """The file is a pipe."""

    def make(self):
        path = self.directory / "pipe"
        os.mkfifo(path)
        return path

    def test_one_that_nobody_reads_is_refused(self):
        path = self.make()
        config = self.directory / "given.toml"
        config.write_text(f'[log]\ntarget = "{path}"\n')
        ended = subprocess.run(
            [paths.SERVER, "-c", config], capture_output=True, text=True, timeout=WITHIN, check=False
        )
        said = f"runnel: {config}: line 2: log.target: {path}: is a pipe that nobody reads\n"
        self.assertEqual((ended.returncode, ended.stderr), (71, said))

    def test_one_with_a_reader_gets_the_lines(self):
        path = self.make()
        pipe = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, pipe)
        self.serve(log={"target": path, "level": "debug", "max_size": "4KiB"})
        self.say(40)
        seen = b""

        def read():
            nonlocal seen
            with contextlib.suppress(BlockingIOError):
                seen += os.read(pipe, 65536)
            return seen

        waiting.until(lambda: read().count(b"stops playing x") == 40, WITHIN, "all lines")
        self.assertGreater(len(seen), 4096)
        self.assertEqual([path], list(self.directory.glob("pipe*")), "it is not moved away")


class ByEnvironment(Saying):
    def serve_with(self, value, **sections):
        self.path = self.directory / "log"
        self.serve(env={"RUST_LOG": value}, log={"target": self.path, **sections})

    def test_an_empty_one_says_nothing(self):
        self.serve_with("")
        waiting.until(lambda: "listens on" in self.path.read_text(), WITHIN, "a line")
        self.assertNotIn("RUST_LOG", self.path.read_text())

    def test_one_that_is_no_filter_is_told_and_counts_for_nothing(self):
        for value in ("inof", "runnel=inof", "info=x=y", "infi,debug"):
            with self.subTest(value=value):
                self.serve_with(value)
                waiting.until(lambda: "listens on" in self.path.read_text(), WITHIN, "a line")
                self.say(1)
                said = f'RUST_LOG = "{value}" is not a filter such as "debug" or "runnel=debug"'
                self.assertEqual(self.path.read_text().count(said), 1)
                self.assertNotIn(" DEBUG ", self.path.read_text())
                self.server.stop()
                self.path.unlink()

    def test_one_that_is_a_filter_goes_before_the_level(self):
        for value in ("debug", "off,runnel=debug", "runnel"):
            with self.subTest(value=value):
                self.serve_with(value, level="error")
                self.say(1)
                waiting.until(lambda: " DEBUG " in self.path.read_text(), WITHIN, "a line")
                self.assertNotIn("RUST_LOG", self.path.read_text())
                self.server.stop()
                self.path.unlink()


class Sessions(Saying):
    """Each line of a session says which it is."""

    def until_log_has(self, pattern):
        waiting.until(
            lambda: re.search(pattern, self.server.log, re.MULTILINE),
            WITHIN,
            lambda: f"{pattern} in\n{self.server.log}",
        )

    def test_all_lines_of_a_session_begin_with_its_id_stream_and_peer(self):
        self.serve()
        publisher = self.publish_live("cam")
        capture = self.capture(self.server.flv("cam"))
        capture.until_frames()
        capture.stop()
        publisher.stop()
        one = r"id=RTMPPUBSUB1 stream=cam peer=127\.0\.0\.1:\d+ "
        self.until_log_has(rf'INFO  {one}publishes cam \(app "live"\)$')
        self.until_log_has(rf"INFO  {one}cam carries H264, AAC$")
        self.until_log_has(rf"INFO  {one}stops publishing cam: .*\(\d{{4,}} bytes in \d+\.\d s\)$")
        viewer = r"id=FLVPUBSUB\d+ stream=cam peer=127\.0\.0\.1:\d+ "
        self.until_log_has(rf"INFO  {viewer}plays cam as flv over http$")
        self.until_log_has(rf"INFO  {viewer}stops playing cam: eof \(\d{{4,}} bytes in \d+\.\d s\)$")

    def test_a_stream_that_nobody_publishes_begins_nothing(self):
        self.serve(log={"level": "debug"})
        asks = RawHttp(self.server.http_port)
        asks.send(b"GET /hls/nosuch.m3u8 HTTP/1.1\r\nHost: h\r\n\r\n")
        self.until_log_has("stream=nosuch HLS waits")
        self.assertNotIn("HLS begins", self.server.log)

    def test_what_one_peer_is_refused_is_counted_and_not_told_each_time(self):
        self.serve(viewers={"max": 1})
        player = RawHttp(self.server.http_port)
        player.send(b"GET /live/x.flv HTTP/1.1\r\nHost: h\r\n\r\n")
        player.answer()
        refused = RawHttp(self.server.http_port)
        for _ in range(500):
            self.assertEqual(refused.request("GET", "/live/y.flv").status, 503)
        self.until_log_has(r"WARN  peer=127\.0\.0\.1 \d+ more lines are left out \(viewers\)$")
        told = self.server.log.count("is refused")
        self.assertEqual(self.server.metric('runnel_refusals_total{reason="viewers"}'), 500)
        self.assertLess(told, 30)
        self.until_log_has(
            r'WARN  peer=127\.0\.0\.1:\d+ is refused "/live/y\.flv": .*viewers\.max is reached$'
        )

    def test_sessions_of_one_peer_without_end_are_counted(self):
        self.serve()
        self.say(400)
        self.until_log_has(r"WARN  peer=127\.0\.0\.1 \d+ more lines are left out \(sessions\)$")

        def count(word):
            return self.server.log.count(f" {word} x")

        waiting.until(
            lambda: count("plays") == count("stops playing"), WITHIN, "an end for each beginning"
        )
        # A hundred in ten seconds.
        self.assertLess(count("plays"), 400)

    def test_it_says_at_which_byte_a_peer_broke_the_protocol(self):
        self.serve(log={"level": "debug"})
        request = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"
        plain = RtspClient(self.server.rtsp_port)
        # The bytes in a WebSocket are counted without its frames.
        carried = RtspWebSocket(self.server.rtsp_websocket_port)
        for number, client in enumerate((plain, carried), 1):
            self.addCleanup(client.close)
            for part in (request[:10], request[10:] + b"\0 and more"):
                client.send(part)
            self.assertTrue(client.ends())
            one = rf"DEBUG id=RTSPSRVCMD{number} peer=127\.0\.0\.1:\d+"
            self.until_log_has(f"{one} closed: peer: Bad Request, at byte {len(request)}$")

    def test_a_hostile_server_forges_no_line(self):
        forged = "x\n2026-01-01T00:00:00.000Z INFO  all is well\x1b[2K\r"
        info = {"level": "error", "code": f"Rejected{forged}", "description": forged}
        other = RtmpServer(self, connect=("_error", info))
        self.serve(pull=[{"stream": "cam", "url": other.url("live/x")}])
        self.until_log_has("id=RTMPPULL1 stream=cam peer=[0-9.:]+ pulling cam .*Rejected")
        for line in self.server.log.split("\n")[:-1]:
            self.assertRegex(line, STAMPED)
            self.assertNotRegex(line, "[\x00-\x1f\x7f]|^[^ ]+ INFO  all")


class Unread(Saying):
    """Standard error is a pipe that nobody reads, and that is soon full."""

    def serve_into_a_pipe(self):
        fifo = self.directory / "fifo"
        os.mkfifo(fifo)
        self.pipe = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
        self.addCleanup(os.close, self.pipe)
        fcntl.fcntl(self.pipe, fcntl.F_SETPIPE_SZ, PAGE)
        self.serve(["sh", "-c", f'exec "$@" 2>{fifo}', "sh"], log={"level": "debug"})

    def read(self):
        try:
            self.seen += os.read(self.pipe, PAGE).decode()
        except BlockingIOError:
            pass
        return self.seen

    def test_nobody_waits_for_the_log_and_it_tells_what_it_lacks(self):
        self.serve_into_a_pipe()
        # Some 90 bytes a line, two lines each: far more than waits anywhere.
        self.say(600)
        self.seen = ""
        waiting.until(
            lambda: re.search(r"WARN  \d+ lines of the log were dropped\n", self.read()),
            WITHIN,
            lambda: f"what was dropped; {self.seen[-300:]}",
        )
        self.say(1)
        for line in self.seen.splitlines()[:-1]:
            self.assertRegex(line, STAMPED, "no line is cut")

    def test_it_ends_all_the_same(self):
        self.serve_into_a_pipe()
        self.say(100)
        self.server.stop()


class Syslog(Case):
    def listen(self):
        machine = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(machine.close)
        machine.bind(str(self.directory / "log"))
        machine.settimeout(WITHIN)
        return machine

    def test_lines_are_datagrams_with_priority_and_name(self):
        machine = self.listen()
        # The server finds our socket at /dev/log, and nobody else does.
        command = f"mount --bind {self.directory} /dev && exec \"$@\""
        launcher = ["unshare", "--map-root-user", "--mount", "sh", "-c", command, "sh"]
        self.serve(launcher, log={"target": "syslog"})
        first = machine.recv(4096).decode()
        # daemon.info is 3 * 8 + 6. RFC 3164 section 4.1.1
        self.assertRegex(first, rf"^<30>runnel\[{self.server.pid}\]: rtmp listens on [^\n]+$")
        # The machine's log is started anew: what is said from then on arrives.
        machine.close()
        os.unlink(self.directory / "log")
        machine = self.listen()
        self.server.program.signal(signal.SIGHUP)
        self.assertIn("read again", machine.recv(4096).decode())
        self.assertEqual(self.server.program.stderr, "")
