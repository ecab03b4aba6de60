"""The rights and resources of the server: user, open files, memory."""

import collections
import os
import re
import resource
import signal
import subprocess
import time
import unittest

import certificate
import config
import paths
from case import Case
from far_disk import FarDisk
from raw_http import RawHttp

STREAM = "cam"
NOBODY = 65534
WITHIN = 5
SYSTEM_REFUSES = 71
CONFIGURATION_IS_WRONG = 78
AS_ROOT = unittest.skipUnless(os.geteuid() == 0, "only root may become somebody else")


class Rights(Case):
    def refusal(self, launcher=(), code=SYSTEM_REFUSES, **sections):
        """Starts it where that is refused; gives what it says."""
        path = self.directory / "refused.toml"
        config.write(path, {}, sections)
        command = [*launcher, paths.SERVER, "-c", path]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN, check=False)
        self.assertEqual(ended.returncode, code, ended.stderr)
        return ended.stderr

    def bytes(self, name):
        """A figure of /proc/PID/status."""
        return int(self.server.status(name)[0]) * 1024

    @AS_ROOT
    def test_it_becomes_somebody_who_may_do_nothing(self):
        log = self.directory / "log"
        self.directory.chmod(0o755)
        self.serve(process={"user": f"{NOBODY}:{NOBODY}"}, log={"target": log})
        for name in ["Uid", "Gid"]:
            self.assertEqual(self.server.status(name), [str(NOBODY)] * 4)
        self.assertEqual(self.server.status("Groups"), [])
        for name in ["CapPrm", "CapEff"]:
            self.assertEqual(int(self.server.status(name)[0], 16), 0)
        for thread in os.listdir(f"/proc/{self.server.pid}/task"):
            self.assertEqual(os.stat(f"/proc/{self.server.pid}/task/{thread}").st_uid, NOBODY)
        self.assertEqual(log.stat().st_uid, NOBODY)
        self.publish_live(STREAM)

    @AS_ROOT
    def test_a_configuration_that_the_user_may_not_read_again_is_said(self):
        self.directory.chmod(0o755)
        self.serve()
        path = self.directory / "runnel.toml"
        user = {"user": f"{NOBODY}:{NOBODY}"}
        self.server.stop()
        path.write_text("")
        path.chmod(0o600)
        self.serve(process=user)
        said = f'process.user: "{NOBODY}:{NOBODY}" may not read {path} again at SIGHUP: '
        self.until_log_counts("WARN  " + said, 1)
        command = [paths.SERVER, "--check", "-c", path]
        ended = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN, check=False)
        self.assertEqual(ended.returncode, 69, ended.stderr)
        self.assertIn(said, ended.stderr)
        # Its remedy is one.
        self.assertIn(f"chown :{NOBODY} {path}; chmod 640 {path}", ended.stderr)
        os.chown(path, 0, NOBODY)
        path.chmod(0o640)
        ended = subprocess.run(command, capture_output=True, text=True, timeout=WITHIN, check=False)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertNotIn("process.user", ended.stderr)
        # A configuration that comes through a pipe cannot be read again by anybody.
        ended = subprocess.run(
            [paths.SERVER, "--check", "-c", "-"],
            input=path.read_text(),
            capture_output=True,
            text=True,
            timeout=WITHIN,
            check=False,
        )
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertNotIn("process.user", ended.stderr)

    def test_a_user_who_is_not_there_is_refused(self):
        said = self.refusal(
            code=CONFIGURATION_IS_WRONG, process={"user": "nobody-of-that-name"}
        )
        self.assertIn('process.user: "nobody-of-that-name": no such user', said)

    def test_a_log_that_cannot_be_written_is_refused(self):
        for path in ["/nowhere/log", self.directory]:
            said = self.refusal(code=CONFIGURATION_IS_WRONG, log={"target": path})
            self.assertIn(f"log.target: {path}: ", said)

    def test_too_few_open_files_are_refused_with_a_remedy(self):
        said = self.refusal(["prlimit", "--nofile=64:64"], CONFIGURATION_IS_WRONG)
        self.assertRegex(said, r"the plan needs \d+ open files, but the limit is 64: raise it")
        self.assertIn("LimitNOFILE=", said)

    def test_the_limit_of_open_files_is_raised_as_far_as_the_plan_asks(self):
        self.serve(["prlimit", "--nofile=64:4096"])
        with open(f"/proc/{self.server.pid}/limits", encoding="ascii") as limits:
            soft = next(int(line.split()[3]) for line in limits if "open files" in line)
        self.assertGreater(soft, 256 + 32 + 32, "viewers, streams and connections to spare")

    def test_open_files_that_run_out_are_told_of_once(self):
        self.serve()
        held = len(os.listdir(f"/proc/{self.server.pid}/fd"))
        before = resource.prlimit(self.server.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(self.server.pid, resource.RLIMIT_NOFILE, (held, before[1]))
        ports = [self.server.http_port, self.server.rtmp_port, self.server.rtsp_port]
        waiting_outside = [RawHttp(port) for port in ports]
        for connection in waiting_outside:
            self.addCleanup(connection.close)
        self.until_log_counts("accept: ", 1)
        # Each port looks again ten times a second: what does not come cannot be awaited.
        time.sleep(1)
        self.assertEqual(self.server.log.count("accept: "), 1)
        resource.prlimit(self.server.pid, resource.RLIMIT_NOFILE, before)
        answer = waiting_outside[0].request("GET", "/healthz")
        self.assertEqual(answer.status, 200)

    @AS_ROOT
    def test_a_kernel_that_allows_no_second_thread_is_refused(self):
        # Root is not bound by the limit.
        self.directory.chmod(0o755)
        launcher = ["setpriv", "--reuid=64321", "--clear-groups", "prlimit", "--nproc=1"]
        said = self.refusal(launcher)
        self.assertIn("a second thread cannot be started", said)

    def test_there_are_no_threads_but_those_of_the_plan(self):
        tls = certificate.make(self.directory)
        film = self.directory / "film.bin"
        film.write_bytes(b"film")
        far = FarDisk(self, [*tls.values(), film])
        there = {key: far.folder / path.name for key, path in tls.items()}
        store = self.directory / "store"
        store.mkdir()
        hls = {"store": store, "on_demand": False}
        sections = {"tls": {**there, "max": 8}, "http": {"root": far.folder}, "hls": hls}
        self.serve(**sections, memory={"total": "128MiB"})
        self.publish_live(STREAM)
        self.until_hls(STREAM)
        far.stand_still()
        path = self.directory / "runnel.toml"
        plan = subprocess.check_output([paths.SERVER, "--plan", "-c", path], text=True)
        planned = lambda row: int(re.search(rf"^{row} +(\d+)", plan, re.MULTILINE)[1])
        waits = RawHttp(self.server.http_port)
        self.addCleanup(waits.close)
        waits.send(b"GET /film.bin HTTP/1.1\r\nHost: h\r\n\r\n")
        self.until_log_counts("the disk has not answered for 10 s", 1, 60)
        self.server.program.signal(signal.SIGHUP)
        self.until_log_counts("the configuration was read again", 1, 60)
        threads = collections.Counter()
        for thread in os.listdir(f"/proc/{self.server.pid}/task"):
            with open(f"/proc/{self.server.pid}/task/{thread}/comm", encoding="ascii") as comm:
                threads[comm.read().strip() if int(thread) != self.server.pid else "first"] += 1
        # Two are the program's.
        self.assertLessEqual(threads.pop("runnel-disk"), 2 + planned("further threads for disks"))
        single = {"first", "runnel-log", "runnel-store", *(f"runnel-{n}" for n in range(1, planned("threads")))}
        self.assertEqual(threads, dict.fromkeys(single, 1))

    def test_more_memory_than_the_machine_has_is_refused(self):
        said = self.refusal(code=CONFIGURATION_IS_WRONG, memory={"total": "9999GiB"})
        self.assertIn("but the machine has", said)

    @AS_ROOT
    def of_libraries(self):
        """Bytes of shared libraries that are resident."""
        with open(f"/proc/{self.server.pid}/smaps", encoding="ascii") as smaps:
            maps = re.split(r"\n(?=[0-9a-f]+-[0-9a-f]+ )", smaps.read())
        libraries = [one for one in maps if re.search(r"\.so[.0-9]*$", one.split("\n", 1)[0])]
        return sum(int(re.search(r"Rss: +(\d+)", one)[1]) for one in libraries) * 1024

    def test_memory_that_is_held_is_there_from_the_start(self):
        self.serve(profile="tiny", memory={"prefault": True})
        accounts = (2 * 640 + 1024) * 1024  # streams and HLS of "tiny"
        resident = self.bytes("VmRSS")
        self.assertGreater(resident, accounts)
        self.assertGreater(self.bytes("VmLck"), accounts)
        self.publish_live(STREAM)
        self.until_hls(STREAM)
        plan = subprocess.check_output(
            [paths.SERVER, "--plan", "-c", self.directory / "runnel.toml"], text=True
        )
        most = next(int(line.split()[1]) for line in plan.splitlines() if line.startswith("sum"))
        # The libraries' pages are everybody's; programs for devices have none.
        self.assertLessEqual(self.bytes("VmHWM") - self.of_libraries(), most * 1024)
