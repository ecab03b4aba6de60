"""Disks of which one stands still: what is on the others goes on."""

import contextlib
import http.client
import json
import signal
import socket
import ssl
import subprocess

import certificate
import paths
import waiting
from case import Case
from far_disk import FarDisk

STREAM = "film"
FAR = 8
NO_ANSWER = "the disk has not answered for 10 s"
MEMORY = {"total": "128MiB"}
# The promise: nobody waits for a disk for longer than 15 s, and who has left does not say so
# before; its place is free 10 s after that.
LEAVES_WITHIN = 15 + 10
# Files are looked at every 5 s, and a disk has 10 s to answer; 2 s to tell it.
TOLD_WITHIN = 5 + 10 + 2
# A disk that has not answered for 10 s is not waited for again.
WAITED_ONCE = 8
# Of a film, which is longer than all sockets hold.
CONTENT = bytes(16 << 20)


class Reads(Case):
    def far_disk(self, count=FAR):
        files = []
        for number in range(count):
            path = self.directory / f"far-{number}.flv"
            path.write_bytes(paths.media("demo").read_bytes())
            files.append(path)
        big = self.directory / "big.bin"
        big.write_bytes(CONTENT)
        return FarDisk(self, [*files, big])

    def test_channels_on_one_that_stands_still_take_nothing_from_others(self):
        far = self.far_disk()
        near = self.directory / "near.flv"
        near.write_bytes(paths.media("demo").read_bytes())
        root = self.directory / "root"
        root.mkdir()
        (root / "index.html").write_text("<p>hello")
        pulls = [{"stream": STREAM, "url": f"file:{near}"}]
        for number in range(FAR):
            url = f"file:{far.folder}/far-{number}.flv"
            pulls.append({"stream": f"far-{number}", "url": url})
        self.serve(pull=pulls, http={"root": root})
        for number in range(FAR):
            self.until_live(f"far-{number}")
        capture = self.capture(self.server.flv(STREAM))
        capture.until_frames()
        far.stand_still()
        # It reads a second ahead, and begins anew after that.
        capture.until_span(20_000, timeout=60)
        connection = http.client.HTTPConnection("127.0.0.1", self.server.http_port, timeout=20)
        self.addCleanup(connection.close)
        connection.request("GET", "/index.html")
        self.assertEqual(connection.getresponse().status, 200)
        far.go_on()
        self.until_live("far-0", milliseconds=1000)

    def test_who_leaves_while_it_stands_still_gives_its_place_back(self):
        far = self.far_disk(1)
        self.serve(http={"root": far.folder})
        open_before = self.server.metric("runnel_connections")
        clients = [socket.create_connection(("127.0.0.1", self.server.http_port)) for _ in range(4)]
        for client in clients:
            self.addCleanup(client.close)
            client.settimeout(60)
            client.sendall(b"GET /big.bin HTTP/1.1\r\nHost: x\r\n\r\n")
            self.assertTrue(client.recv(1000).startswith(b"HTTP/1.1 200 "))
        far.stand_still()
        # Reads that have begun end; then each waits for the disk.
        for client in clients[1:]:
            client.settimeout(1)
            try:
                while client.recv(1 << 16):
                    pass
            except TimeoutError:
                pass
            client.close()
        waiting.Clock().until(
            lambda: self.server.metric("runnel_connections") <= open_before + 1,
            LEAVES_WITHIN,
            self.server.metrics,
        )
        # And who stays is told in the end.
        clients[0].settimeout(60)
        received = 0
        while received < len(CONTENT):
            try:
                piece = clients[0].recv(1 << 16)
            except ConnectionResetError:
                break
            if not piece:
                break
            received += len(piece)
        self.assertLess(received, len(CONTENT))
        far.go_on()


    def test_who_has_said_all_gets_all_of_it(self):
        far = self.far_disk(1)
        self.serve(http={"root": far.folder})
        client = socket.create_connection(("127.0.0.1", self.server.http_port))
        self.addCleanup(client.close)
        client.sendall(b"GET /big.bin HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        client.shutdown(socket.SHUT_WR)
        received = client.recv(1000)
        self.assertTrue(received.startswith(b"HTTP/1.1 200 "), received)
        far.stand_still()
        # Long enough for the server to look whether somebody has left.
        client.settimeout(3)
        with self.assertRaises(TimeoutError):
            while piece := client.recv(1 << 16):
                received += piece
        far.go_on()
        client.settimeout(60)
        while piece := client.recv(1 << 16):
            received += piece
        self.assertEqual(len(received.partition(b"\r\n\r\n")[2]), len(CONTENT))

    def get(self, path, within=10):
        address = ("127.0.0.1", self.server.http_port)
        with contextlib.closing(http.client.HTTPConnection(*address, timeout=within)) as connection:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()

    def test_what_is_in_another_folder_is_found_while_one_stands_still(self):
        far, near = self.far_disk(1), self.directory / "near"
        near.mkdir()
        (near / "film-1700000000.ts").write_bytes(b"near")
        folders = [{"streams": "none", "path": folder} for folder in (far.folder, near)]
        self.serve(record=folders)
        far.stand_still()
        # A disk that is not asked for the first time either.
        for _ in range(3):
            self.assertEqual(self.get("/record/film-1700000000.ts"), (200, b"near"))
        far.go_on()

    def test_the_list_of_recordings_waits_for_one_that_stands_still_once(self):
        far, near = self.far_disk(1), self.directory / "near"
        near.mkdir()
        (near / "film-1700000000.ts").write_bytes(b"near")
        rules = [{"streams": STREAM, "path": one, "format": "ts"} for one in (far.folder, near)]
        self.serve(record=rules, recording={"memory": "384KiB", "max": 2})

        def told(within=30):
            return json.loads(self.get("/api/record/list", within)[1])["data"]

        waiting.until(lambda: len(told()["records"]) == 1, 20, "the file")
        self.assertNotIn("silent_disks", told())
        far.stand_still()
        # The one before may still hold.
        waiting.until(lambda: "silent_disks" in told(), 60, "a disk that is silent")
        for _ in range(2):
            now = told(WAITED_ONCE)
            self.assertEqual((len(now["records"]), now["silent_disks"]), (1, 1))
        far.go_on()
        waiting.until(lambda: "silent_disks" not in told(), 60, "an answer of both")

    def test_a_disk_below_the_folder_does_not_hold_up_the_rest_of_it(self):
        far = self.far_disk(1)
        (self.directory / "index.html").write_text("<p>hello")
        self.serve(http={"root": self.directory})
        self.assertEqual(self.get("/far/far-0.flv")[0], 200)
        far.stand_still()
        stuck = socket.create_connection(("127.0.0.1", self.server.http_port))
        self.addCleanup(stuck.close)
        stuck.sendall(b"GET /far/far-0.flv HTTP/1.1\r\nHost: x\r\n\r\n")
        # It stands still with that by now, or soon.
        stuck.settimeout(1)
        with self.assertRaises(TimeoutError):
            stuck.recv(1)
        self.assertEqual(self.get("/index.html"), (200, b"<p>hello"))
        far.go_on()

class SmallFiles(Case):
    """Certificates, and whom relays believe."""

    def make(self, name, how=certificate.make):
        folder = self.directory / name
        folder.mkdir()
        return how(folder)

    def on_far_disk(self, tls):
        """The same files there."""
        far = FarDisk(self, tls.values())
        return far, {key: far.folder / path.name for key, path in tls.items()}

    def shown(self):
        address = ("127.0.0.1", self.server.https_port)
        return ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(address, timeout=10))

    def test_relays_that_believe_others_go_on(self):
        tls, authority = self.make("signed", certificate.make_signed)
        other = self.serve_another("other", tls={**tls, "max": 8})
        self.publish_live(STREAM, server=other)
        far, there = self.on_far_disk({"ca": authority})
        far.stand_still()
        clock = waiting.Clock()
        url = other.rtmps(STREAM)
        near = {"stream": "near", "url": url, "ca": authority, "on_demand": True}
        self.serve(pull=[{"stream": "far", "url": url, **there}, near])
        clock.until(lambda: NO_ANSWER in self.server.log, TOLD_WITHIN, NO_ANSWER)
        self.until_live("near", 1000)
        self.assertEqual(self.server.log.count("pulling near"), 0, self.server.log)
        far.go_on()
        self.capture(self.server.flv("far")).until_span(1000, timeout=60)

    def test_certificates_can_be_moved_away(self):
        far, there = self.on_far_disk(self.make("first"))
        near = self.make("second")
        self.serve(tls={**there, "max": 8}, memory=MEMORY)
        before = self.shown()
        far.stand_still()
        told = f"{NO_ANSWER}: the previous ones are still used"
        waiting.Clock().until(lambda: told in self.server.log, TOLD_WITHIN, told)
        self.server.configure({"tls": {**near, "max": 8}, "memory": MEMORY})
        self.server.program.signal(signal.SIGHUP)
        self.until_log_counts("the configuration was read again", 1, 60)
        self.assertNotEqual(self.shown(), before)


class Recordings(Case):
    def freeze(self, card):
        """Returns a function that ends it."""
        subprocess.run(["fsfreeze", "--freeze", card], check=True)
        thaw = ["fsfreeze", "--unfreeze", card]
        self.addCleanup(subprocess.run, thaw, check=False, capture_output=True)
        return lambda: subprocess.run(thaw, check=True)

    def card(self, name):
        image, folder = self.directory / f"{name}.image", self.directory / name
        with image.open("wb") as file:
            file.truncate(16 << 20)
        folder.mkdir()
        subprocess.run(["mkfs.ext4", "-q", image], check=True)
        how = ["mount", "-o", "loop", image, folder]
        done = subprocess.run(how, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            self.skipTest(f"nothing can be mounted here: {done.stderr}")
        self.addCleanup(subprocess.run, ["umount", "--lazy", folder], check=False)
        return folder

    def test_one_that_stands_still_does_not_stop_those_on_another(self):
        frozen, well = self.card("frozen"), self.card("well")
        how = {"streams": "*", "format": "ts", "length": "1s"}
        rules = [{**how, "path": frozen}, {**how, "path": well, "keep_size": "1MiB"}]
        self.serve(record=rules, recording={"memory": "384KiB", "max": 2})
        self.publish_live(STREAM)
        for card in (frozen, well):
            waiting.until(lambda: len(list(card.glob("*.ts"))) > 1, 20, f"two files in {card}")
        thaw = self.freeze(frozen)
        self.until_log_counts("the disk is too slow", 1, 60)
        newest = max(path.name for path in well.glob("*.ts"))
        more = lambda: sum(path.name > newest for path in well.glob("*.ts")) > 5
        waiting.until(more, 60, "more files")
        self.assertEqual(self.server.log.count("the disk is too slow"), 1)
        # The list tells of what can be had.
        connection = http.client.HTTPConnection("127.0.0.1", self.server.http_port, timeout=30)
        self.addCleanup(connection.close)
        connection.request("GET", "/api/record/list")
        answer = connection.getresponse()
        self.assertEqual(answer.status, 200)
        self.assertIn(newest, answer.read().decode())
        before = len(list(frozen.glob("*.ts")))
        thaw()
        waiting.until(lambda: len(list(frozen.glob("*.ts"))) > before + 2, 30, "files again")

    def test_those_moved_off_one_that_stands_still_go_on(self):
        frozen, well = self.card("frozen"), self.card("well")
        how = {"streams": "*", "format": "ts", "length": "1s"}
        recording = {"memory": "192KiB", "max": 1}
        self.serve(record=[{**how, "path": frozen}], recording=recording)
        self.publish_live(STREAM)
        waiting.until(lambda: len(list(frozen.glob("*.ts"))) > 1, 20, "two files")
        thaw = self.freeze(frozen)
        # All of the memory waits for it.
        self.until_log_counts("the disk is too slow", 1, 60)
        self.server.configure({"record": [{**how, "path": well}], "recording": recording})
        self.server.program.signal(signal.SIGHUP)
        waiting.until(lambda: len(list(well.glob("*.ts"))) > 3, 60, "files on the other")
        thaw()
        before = len(list(well.glob("*.ts")))
        waiting.until(lambda: len(list(well.glob("*.ts"))) > before + 2, 30, "more files")
