"""SIGHUP: what can change changes, and nobody who plays or publishes notices."""

import base64
import contextlib
import json
import os
import re
import signal
import socket
import ssl
import subprocess
from pathlib import Path

import certificate
import flv
import paths
import rtsp_client
import timeline
import waiting
from case import Case
from from_afar import OTHER, FromAfar
from hls_capture import get
from namespaces import THERE
from raw_http import RawHttp
from recording import until_all_more
from relay_case import RelayCase

STREAM = "cam"
READ_AGAIN = "the configuration was read again"


class Reloading(Case):
    def hang_up(self, says=READ_AGAIN, **sections):
        """Has the server read these sections, and waits until its log says so."""
        before = self.server.log.count(says)
        self.server.configure(sections)
        self.server.program.signal(signal.SIGHUP)
        self.until_log_counts(says, before + 1)

class Reload(Reloading):
    def ask(self):
        """A connection whose first request was answered: it may ask again."""
        connection = RawHttp(self.server.http_port, timeout=4)
        self.addCleanup(connection.close)
        self.assertEqual(connection.request("GET", "/healthz").status, 200)
        return connection

    def test_those_who_play_go_on(self):
        self.serve()
        self.publish_live(STREAM)
        captures = self.capture_everything(STREAM)
        for capture in captures:
            capture.until_frames()
        for slow in ["5s", "6s", "7s"]:
            self.hang_up(viewers={"slow": slow, "latency": "50ms"}, streams={"resume": slow})
            until_all_more(captures, 500)
        self.assertEqual(
            [capture.ended for capture in captures], [None] * len(captures), self.server.log
        )

    def test_what_changed_applies_to_what_begins(self):
        self.serve(http={"keep_alive": "60s"})
        before = self.ask()
        self.hang_up(http={"keep_alive": "1s"})
        self.assertIn("now in effect: http.keep_alive\n", self.server.log)
        after = self.ask()
        self.assertTrue(after.ends(), "the new deadline applies")
        before.socket.settimeout(0.5)
        self.assertFalse(before.ends(), "the old deadline applies")

    def test_what_cannot_change_is_said(self):
        self.serve()
        self.hang_up(viewers={"max": 3}, log={"level": "debug"})
        self.assertIn("Restart required for: viewers.max\n", self.server.log)
        self.assertIn("now in effect: log.level\n", self.server.log)

    def test_the_level_of_the_log_follows(self):
        self.serve(log={"level": "info"})
        self.hang_up(log={"level": "warn"}, says="now in effect: log.level")
        self.publish_live(STREAM)
        self.assertNotIn("publishes", self.server.log)
        self.hang_up(log={"level": "debug"})
        self.capture(self.server.flv(STREAM)).until_frames()
        self.until_log_counts("plays cam", 1)

    def test_a_mistake_changes_nothing(self):
        self.serve()
        self.publish_live(STREAM)
        capture = self.capture(self.server.flv(STREAM))
        self.hang_up(publish={"silence": "soon"}, says="nothing was changed")
        self.assertRegex(self.server.log, r"runnel.toml: line \d+: publish.silence: invalid value")
        until_all_more([capture], 500)

    def test_who_may_come_by_rtsp_follows(self):
        def status(password):
            client = rtsp_client.RtspClient(self.server.rtsp_port)
            self.addCleanup(client.close)
            user = base64.b64encode(f"a:{password}".encode()).decode()
            url = self.server.rtsp(STREAM)
            return client.request("DESCRIBE", url, f"Authorization: Basic {user}").status

        users = {"auth": "basic", "user": "a", "password": "first"}
        self.serve(rtsp=users)
        self.publish_live(STREAM)
        self.assertEqual((status("first"), status("second")), (200, 401))
        self.hang_up(rtsp={**users, "password": "second"})
        self.assertEqual((status("first"), status("second")), (401, 200))

    def test_more_than_the_memory_of_the_start_is_refused(self):
        recording = {"memory": "64MiB"}
        self.serve(memory={"total": "112MiB"}, recording=recording)
        self.publish_live(STREAM)
        capture = self.capture(self.server.flv(STREAM))
        record = [{"streams": "*", "path": self.directory}]
        self.hang_up(
            "memory.total: the worst case of this configuration is ",
            memory={"total": "192MiB"},
            recording=recording,
            record=record,
        )
        self.assertIn("memory.total is 114688 KiB: raise memory.total", self.server.log)
        self.assertIn("Restart required for: memory.total, record\n", self.server.log)
        self.assertNotIn("is recorded", self.server.log)
        until_all_more([capture], 500)


class OneAddress(Reloading, FromAfar):
    def test_what_it_may_have_follows_and_what_it_has_it_keeps(self):
        keys = {"viewers": {"max": 12}, "hls": {"sessions": True, "session_timeout": "10m"}}
        self.serve(address="0.0.0.0", connections={"per_peer": 25}, **keys)
        self.publish_live(STREAM)
        # Until it has left, the one that waited for the publisher takes a place.
        self.until_log_counts(f"stops playing {STREAM}", 1)
        capture = self.capture(self.server.flv(STREAM))
        capture.until_frames()

        def served(source, count):
            paths = (f"/live/{STREAM}.flv", f"/hls/{STREAM}.m3u8")
            both = [self.ask(source, path, count) for path in paths]
            return [len(answers) - answers.count(503) for answers in both]

        self.assertEqual(served(THERE, 4), [3, 3])
        self.hang_up(connections={"per_peer": 50}, **keys)
        self.assertEqual(served(THERE, 4), [3, 3], "beside those that it has")
        self.hang_up(connections={"per_peer": 50, "proxies": [THERE]}, **keys)
        self.assertEqual(served(THERE, 3), [3, 3], "it is not counted")
        self.hang_up(connections={"per_peer": 25}, **keys)
        self.assertEqual(served(THERE, 1), [0, 0])
        self.assertEqual(served(OTHER, 1), [1, 1])
        self.assertNotIn("Restart required", self.server.log)
        until_all_more([capture], 500)


class Hanging(Reloading):
    """A pipe without a writer as the configuration: players do not wait for it."""

    def replace(self, path):
        path.unlink()
        os.mkfifo(path)

    def test_in_place_of_the_configuration(self):
        self.serve()
        self.publish_live(STREAM)
        captures = self.capture_everything(STREAM)
        for capture in captures:
            capture.until_frames()
        path = self.directory / "runnel.toml"
        self.replace(path)
        self.server.program.signal(signal.SIGHUP)
        said = f"nothing was changed: {path}: is a pipe, which cannot be read a second time"
        self.until_log_counts(said, 1)
        until_all_more(captures, 500)
        path.unlink()
        self.hang_up(viewers={"slow": "5s"})

    def test_in_place_of_a_certificate(self):
        memory = {"total": "128MiB"}
        tls = certificate.make(self.directory, max=8)
        self.serve(tls=tls, memory=memory)
        self.publish_live(STREAM)
        capture = self.capture(self.server.flv(STREAM))
        capture.until_frames()
        self.replace(Path(tls["cert"]))
        # It is looked at by itself, and at a signal that names another file.
        self.until_log_counts("cannot be read a second time: the previous ones are still used", 1)
        self.hang_up(tls={**tls, "key": tls["cert"]}, memory=memory, says="nothing was changed: tls: ")
        until_all_more([capture], 500)

    def test_at_the_start(self):
        with subprocess.Popen(
            [paths.SERVER, "--check", "-c", "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as check:
            out, _ = check.communicate("[streams]\nmax = 3\n", timeout=10)
        self.assertEqual((check.returncode, out[:19]), (0, "/dev/stdin: sound; "))


class Certificates(Reloading):
    def shown(self):
        """The serial number of what is shown; none if nobody is served."""
        with contextlib.suppress(ConnectionRefusedError):
            pem = ssl.get_server_certificate(("127.0.0.1", self.server.https_port), timeout=10)
            return ssl.PEM_cert_to_DER_cert(pem)

    def make(self, name):
        folder = self.directory / name
        folder.mkdir()
        return certificate.make(folder, max=8)

    def test_others_are_shown_and_connections_go_on(self):
        memory = {"total": "128MiB"}
        first, second = self.make("first"), self.make("second")
        self.serve(tls=first, memory=memory)
        self.publish_live(STREAM)
        before = self.shown()
        connection = socket.create_connection(("127.0.0.1", self.server.https_port), 10)
        self.addCleanup(connection.close)
        sealed = certificate.seal(connection)
        sealed.sendall(f"GET /live/{STREAM}.flv HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        self.assertTrue(sealed.recv(1000))
        self.hang_up(tls=second, memory=memory)
        self.assertNotIn("Restart required", self.server.log)
        after = self.shown()
        self.assertNotIn(after, (None, before))
        received = 0
        while received < 100_000:
            data = sealed.recv(100_000)
            self.assertTrue(data, "it was closed")
            received += len(data)
        broken = {**second, "cert": self.directory / "none.pem"}
        self.hang_up(tls=broken, memory=memory, says="nothing was changed: tls: ")
        self.assertEqual(self.shown(), after)

    def test_the_first_opens_the_ports_and_the_last_closes_them(self):
        memory = {"total": "128MiB"}
        self.serve(memory=memory)
        self.assertIsNone(self.shown())
        self.hang_up(tls=self.make("first"), memory=memory)
        self.assertIsNotNone(self.shown())
        self.hang_up(memory=memory)
        self.assertIsNone(self.shown())


class Relays(Reloading, RelayCase):
    def test_what_is_the_same_runs_on_and_the_rest_begins_or_ends(self):
        self.serve_other()
        for name in ("a", "b", "c"):
            self.publish_live(name, server=self.other)
        kept, gone, new = (self.table("rtsp", stream=f"x{name}", name=name) for name in "abc")
        sent_on, sent_no_more, sent_now = (
            self.table(way, stream="local", name=f"y{way}") for way in ("rtmp", "rtsp", "rtsp-udp")
        )
        self.serve(pull=[kept, gone], push=[sent_on, sent_no_more])
        self.publish_live("local")
        self.until_live("xa")
        self.until_live("xb")
        for way in ("rtmp", "rtsp"):
            self.until_live(f"y{way}", server=self.other)
        capture = self.capture(self.server.flv("xa"))
        sent = self.capture(self.other.flv("yrtmp"))
        for one in (capture, sent):
            one.until_frames()
        self.hang_up(pull=[new, kept], push=[sent_now, sent_on])
        self.assertNotIn("Restart required", self.server.log)
        self.until_live("xc")
        self.until_live("yrtsp-udp", server=self.other)
        self.until_log_counts("stops publishing yrtsp:", 1, server=self.other)
        until_all_more([capture, sent], 500)
        self.assertEqual(self.server.log.count(" pulls xa from"), 1)
        self.assertEqual(self.other.log.count("publishes yrtmp "), 1)
        self.until_log_counts("stops playing b: done", 1, server=self.other)
        self.hang_up()
        self.until_log_counts("stops playing a: done", 1, server=self.other)
        self.until_log_counts("stops publishing yrtmp:", 1, server=self.other)


class Whose(Reloading, RelayCase):
    """Lines of what no client begins: segments, recordings and relays."""

    def test_all_lines_say_the_session_and_the_stream(self):
        self.serve_other()
        self.publish_live("far", server=self.other)
        folder = self.directory / "recorded"
        folder.mkdir()
        everything = {
            "pull": [self.table("rtsp", stream="pulled", name="far")],
            "push": [{"stream": "*", "url": self.other.rtmp("")}],
            "record": [{"streams": STREAM, "path": folder}],
        }
        debug = {"level": "debug"}
        self.serve(log=debug, **everything)
        publisher = self.publish_live(STREAM)
        for name in ("pulled", STREAM):
            self.until_live(name)
            self.until_live(name, server=self.other)
        self.until_hls(STREAM)
        self.hang_up(log=debug)
        self.until_log_counts("ends: it is no longer configured", 3)
        publisher.stop()
        self.until_log_counts(f"stream={STREAM} recorded ", 1)
        about = re.compile(r" (HLS|recorded|recording|pulls|pulling|pushes|pushing) ")
        lines = [line for line in self.server.log.splitlines() if about.search(line)]
        for word in ("HLS begins", "recorded", "recording", "pulls", "pushes", "pushing"):
            self.assertTrue([line for line in lines if f" {word} " in f"{line} "], word)
        session = rf" id=[A-Z]+\d+ stream=({STREAM}|pulled) (peer=127\.0\.0\.1:\d+ )?"
        self.assert_none([line for line in lines if not re.search(session, line)], "who it is")


class AgainAndAgain(Reloading, RelayCase):
    def test_nothing_is_left_behind(self):
        self.serve_other()
        self.publish_live("far", server=self.other)
        folder = self.directory / "recorded"
        folder.mkdir()
        everything = {
            "pull": [self.table("rtsp-udp", stream="pulled", name="far")],
            "push": [{"stream": "*", "url": self.other.rtmp("")}],
            "record": [{"streams": "*", "path": folder}],
        }
        self.serve()
        self.publish_live(STREAM)
        capture = self.capture(self.server.flv(STREAM))
        capture.until_frames()
        descriptors = self.descriptors()
        metric = self.server.metric

        def pushes():
            return metric('runnel_viewers{form="rtmp-push"}')

        for round_number in range(10):
            self.hang_up(**everything)
            if round_number % 3 == 0:
                self.until_live("pulled")
                self.until_live(STREAM, server=self.other)
                waiting.until(lambda: metric("runnel_recordings") == 2, 10, self.server.metrics)
                waiting.until(lambda: pushes() == 2, 10, self.server.metrics)
            self.hang_up()
            # When that is said it is so.
            self.assertEqual(metric("runnel_recordings"), 0)
            self.assertEqual(metric("runnel_udp_pairs"), 0)
            self.assertEqual(metric("runnel_publishers"), 1)
            self.assertEqual(pushes(), 0)
        waiting.until(
            lambda: self.descriptors() <= descriptors,
            10,
            lambda: f"{self.descriptors()} descriptors, and {descriptors} before",
        )
        until_all_more([capture], 500)

    def descriptors(self):
        return len(list(Path(f"/proc/{self.server.pid}/fd").iterdir()))


class Records(Reloading):
    def rule(self, name):
        folder = self.directory / name
        folder.mkdir(exist_ok=True)
        return {"streams": "c*", "path": folder}

    def files(self, name):
        return list((self.directory / name).glob("*.flv"))

    def until_recorded(self, name, bytes=50_000):
        """Waits for so much more in the newest file of this folder."""

        def size():
            return sum(path.stat().st_size for path in self.files(name))

        before = size()
        waiting.until(lambda: size() >= before + bytes, 20, f"{bytes} bytes more in {name}")

    def check(self, name):
        """There is one file, and it is closed in order."""
        self.until_log_counts(f"recorded {self.directory / name}/", 1)
        [path] = self.files(name)
        data = path.read_bytes()
        self.assert_none(timeline.faults(flv.samples(data)), name)
        self.assertIn(b"keyframes", data[:1000])
        whole = f"+ {len(data):012x} {path.name}\n"
        index = self.directory / name / ".runnel-index"
        waiting.until(lambda: whole in index.read_text(), 20, f"the size in the index of {name}")

    def until_listed(self, *names):
        """Waits until the list tells of the recordings in these folders, and of no others. Of those
        that have one name the first is served, and told."""
        wanted = sorted({f"/record/{path.name}" for name in names for path in self.files(name)})

        def listed():
            told = json.loads(get(f"{self.server.http}/api/record/list")[2])["data"]["records"]
            return sorted(one["file"] for one in told)

        waiting.until(lambda: listed() == wanted, 20, lambda: f"{listed()} and {wanted}")

    def test_what_is_the_same_goes_on_and_the_rest_begins_or_ends(self):
        first, second, third = (self.rule(name) for name in ("first", "second", "third"))
        self.serve()
        self.publish_live(STREAM)
        capture = self.capture(self.server.flv(STREAM))
        capture.until_frames()
        self.hang_up(record=[first, second])
        self.until_recorded("first")
        self.until_recorded("second")
        self.until_listed("first", "second")
        self.hang_up(record=[third, {**second, "length": "1h"}, {**first, "keep_age": "1d"}])
        self.until_log_counts("is recorded to ", 4)
        self.until_recorded("third")
        self.until_recorded("first")
        self.until_log_counts(f"recorded {self.directory / 'second'}/", 1)
        self.assertEqual(self.server.log.count("is no longer recorded"), 1)
        waiting.until(lambda: len(self.files("second")) == 2, 20, "the other file of second")
        self.until_listed("first", "second", "third")
        self.hang_up(record=[third])
        self.check("first")
        self.until_recorded("third")
        self.until_listed("third")
        self.hang_up()
        self.check("third")
        self.until_log_counts("is no longer recorded", 4)
        self.assertNotIn("Restart required", self.server.log)
        until_all_more([capture], 500)

    def test_what_is_kept_may_change_while_a_file_is_written(self):
        rule = self.rule("first")
        bystander = {**self.rule("second"), "streams": STREAM, "keep_size": "1GiB"}
        seeds = [rule["path"] / f"{STREAM}-{1_700_000_000 + at}.flv" for at in range(4)]
        for seed in seeds:
            seed.write_bytes(bytes(400_000))
        self.serve(record=[rule, bystander])
        self.publish_live(STREAM)
        self.until_recorded("first")
        self.assertNotIn("applies to each stream", self.server.log)
        self.hang_up(record=[{**rule, "keep_size": "1MiB"}, bystander])
        self.until_log_counts("record[0].keep_size applies to each stream", 1)
        waiting.until(lambda: not seeds[1].exists(), 90, "the oldest are deleted")
        self.until_recorded("first")
        self.assertEqual(self.server.log.count("is recorded to"), 2, self.server.log)
        self.assertNotIn("is no longer recorded", self.server.log)
        self.assertEqual(len([path for path in self.files("first") if path not in seeds]), 1)

    def test_how_often_it_is_brought_to_the_disk_follows(self):
        calls = self.directory / "calls"
        # In a group of its own, where no signal comes.
        tracer = ["strace", "-DD", "-f", "-e", "trace=fdatasync,fsync", "-o", calls]
        rule = {**self.rule("first"), "length": "1s"}
        self.serve(launcher=tracer, record=[rule], recording={"sync": "0s"})
        self.publish_live("cam")

        def until_files(more):
            wanted = len(self.files("first")) + more
            waiting.until(lambda: len(self.files("first")) >= wanted, 20, f"{more} files more")

        def counts():
            text = calls.read_text()
            return [text.count(f" {call}(") for call in ("fdatasync", "fsync")]

        until_files(2)
        self.assertEqual(counts(), [0, 0])
        self.hang_up(record=[rule], recording={"sync": "200ms"})
        # The recording, and its list.
        waiting.until(lambda: min(counts()) > 4, 20, counts)
        self.hang_up(record=[rule], recording={"sync": "0s"})
        # The last of each may have begun before.
        until_files(2)
        before = counts()
        until_files(3)
        self.assertEqual(counts(), before)
        self.assertEqual(self.server.log.count("is recorded to "), 1)
        self.assertNotIn("Restart required", self.server.log)

    def test_a_folder_that_cannot_be_written_to_is_mended_by_another(self):
        self.serve(record=[{"streams": "*", "path": self.directory / "none"}])
        self.publish_live(STREAM)
        self.until_log_counts(f"recording to {self.directory / 'none'}: ", 1)
        self.hang_up(record=[self.rule("first")])
        self.until_recorded("first")
