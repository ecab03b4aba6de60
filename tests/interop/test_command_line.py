"""The program from outside: what it says of itself, and how it refuses a bad start."""

import os
import re
import signal
import socket
import subprocess

import paths
from case import Case

WITHIN = 5
NO_PORTS = '[rtmp]\nlisten = "127.0.0.1:0"\n[rtsp]\nenable = false\n[http]\nenable = false\n'


def run(*arguments):
    return subprocess.run(
        [paths.SERVER, *arguments], capture_output=True, text=True, timeout=WITHIN, check=False
    )


class CommandLine(Case):
    def config(self, text):
        path = self.directory / "given.toml"
        path.write_text(text)
        return path

    def test_help_names_each_option(self):
        for option in ("-h", "--help"):
            ended = run(option)
            self.assertEqual(ended.returncode, 0, ended.stderr)
            for named in ("-c", "--plan", "--check", "-V", "-h"):
                self.assertIn(named, ended.stdout)

    def test_version(self):
        ended = run("-V")
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertRegex(ended.stdout, r"^runnel \d+\.\d+\.\d+")

    def test_plan_adds_up_a_configuration(self):
        ended = run("--plan", "-c", self.config("[streams]\nmax = 3\n"))
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertIn("3", ended.stdout)
        self.assertRegex(ended.stdout.lower(), "total|sum")

    def test_check_takes_a_good_configuration(self):
        self.assertEqual(run("--check", "-c", self.config("[streams]\nmax = 3\n")).returncode, 0)

    def test_check_says_that_a_card_is_not_in_and_takes_it(self):
        rule = f'[[record]]\nstreams = "*"\npath = "{self.directory}"\nmounted = true\n'
        ended = run("--check", "-c", self.config(rule))
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertIn(f"record.path: {self.directory}: nothing is mounted there", ended.stderr)

    def test_check_follows_links_as_the_start_does(self):
        real, link = self.directory / "real", self.directory / "link"
        real.mkdir()
        link.symlink_to(real)
        rule = f'[[record]]\nstreams = "*"\npath = "{link}"\n'
        store = self.config(f'[hls]\nstore = "{real}"\n{rule}format = "hls"\n')
        for arguments in (["--check"], []):
            ended = run(*arguments, "-c", store)
            self.assertEqual(ended.returncode, 78, ended.stderr)
            self.assertIn("leads to the folder of hls.store", ended.stderr)
        twice = self.config(f'[[record]]\nstreams = "*"\npath = "{real}"\n{rule}')
        ended = run("--check", "-c", twice)
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertIn("these are recorded twice", ended.stderr)

    def test_check_waits_for_no_pipe(self):
        pipe = self.directory / "pipe"
        os.mkfifo(pipe)
        pull = f'[[pull]]\nstream = "a"\nurl = "file:{pipe}"\n'
        ended = run("--check", "-c", self.config(f'{pull}[log]\ntarget = "{pipe}"\n'))
        self.assertEqual(ended.returncode, 69, ended.stderr)
        self.assertIn(f"line 3: pull.url: {pipe}: is not a regular file", ended.stderr)
        ended = run("--check", "-c", self.config(f'log.target = "{pipe}"\n'))
        self.assertEqual(ended.returncode, 0, ended.stderr)
        said = f"log.target: {pipe}: a pipe or a device: writing to it was not tried"
        self.assertIn(said, ended.stderr)

    def nobody(self, *arguments):
        """The program without rights, if whoever runs the tests can have it so."""
        if os.geteuid() != 0:
            self.skipTest("takes root")
        self.directory.chmod(0o755)
        return subprocess.run(
            [paths.SERVER, *arguments],
            capture_output=True,
            text=True,
            timeout=WITHIN,
            check=False,
            user=65534,
            group=65534,
            extra_groups=[],
        )

    def test_check_without_rights_checks_what_it_can_and_says_what_it_cannot(self):
        hidden = self.directory / "hidden"
        hidden.mkdir(mode=0o700)
        root = f'process.user = "1:1"\nhttp.listen = ":80"\nhttp.root = "{{}}"\n'
        absent = self.directory / "absent"
        ended = self.nobody("--check", "-c", self.config(root.format(absent)))
        self.assertEqual(ended.returncode, 69, ended.stderr)
        self.assertIn(f"http.root: {absent}: No such file", ended.stderr)
        ended = self.nobody("--check", "-c", self.config(root.format(hidden)))
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertIn('line 1: process.user: only root can become "1:1"', ended.stderr)
        self.assertIn(f"http.root: {hidden}: Permission denied", ended.stderr)

    def test_check_finds_what_start_refuses_for_want_of_rights(self):
        for text, said in [
            ('http.listen = "127.0.0.1:80"\n', "http.listen: 127.0.0.1:80: Permission denied"),
            ("memory.prefault = true\n", "memory.prefault: memory cannot be locked"),
        ]:
            for arguments in (["--check"], []):
                ended = self.nobody(*arguments, "-c", self.config(text))
                self.assertEqual(ended.returncode, 78, ended.stderr)
                self.assertIn(f"given.toml: line 1: {said}", ended.stderr)
        config = self.config('process.user = "1:1"\n' + NO_PORTS)
        ended = self.nobody("-c", config)
        self.assertEqual(ended.returncode, 78, "no other start helps")
        self.assertIn('line 1: process.user: only root can become "1:1"\n', ended.stderr)
        self.assertEqual(self.nobody("--check", "-c", config).returncode, 0, "root may start it")

    def test_check_without_rights_does_not_try_the_key_of_root(self):
        key = self.directory / "key.pem"
        key.touch(mode=0o600)
        tls = f'[tls]\ncert = "/nowhere"\nkey = "{key}"\n'
        said = "tls.key: .*: Permission denied"
        for text, code in (('process.user = "1:1"\n' + tls, 69), (tls, 69)):
            ended = self.nobody("--check", "-c", self.config(text))
            self.assertEqual(ended.returncode, code, ended.stderr)
            self.assertRegex(ended.stderr, said)
        certificate = self.directory / "cert.pem"
        certificate.touch(mode=0o600)
        text = tls.replace("/nowhere", str(certificate))
        ended = self.nobody("--check", "-c", self.config('process.user = "1:1"\n' + text))
        self.assertEqual(ended.returncode, 0, ended.stderr)
        self.assertRegex(ended.stderr, said)

    def test_check_and_start_say_the_same_of_what_keeps_it_from_starting(self):
        absent = self.directory / "absent"
        for text, code in [
            (f'[tls]\nrequired = true\ncert = "{absent}"\nkey = "{absent}"\n', 78),
            (f'log.target = "{absent}/log"\n', 78),
            (f'process.watchdog = "{absent}"\n', 78),
            ('process.user = "nobody-of-that-name"\n', 78),
            ('rtmp.listen = "192.0.2.9:0"\n', 71),
        ]:
            config = self.config(text)
            check, start = run("--check", "-c", config), run("-c", config)
            self.assertEqual((check.returncode, start.returncode), (code, code), start.stderr)
            self.assertIn(start.stderr.splitlines()[-1], check.stderr.splitlines())

    def test_a_taken_port_is_told_and_may_be_the_server_s_own(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            config = self.config(f'rtmp.listen = "{address}"\n')
            said = f"line 1: rtmp.listen: {address}: Address already in use (os error 98)"
            check = run("--check", "-c", config)
            self.assertEqual(check.returncode, 0, check.stderr)
            self.assertIn(f"{said}: this is fine if this server is running and uses it", check.stderr)
            start = run("-c", config)
            self.assertEqual(start.returncode, 71, start.stderr)
            holder = ": another program, or a runnel that is running, uses it\n"
            self.assertTrue(start.stderr.endswith(said + holder), start.stderr)
            # The program that has it notices nothing.
            taken.settimeout(WITHIN)
            with socket.create_connection(taken.getsockname(), WITHIN):
                taken.accept()[0].close()

    def test_check_finds_addresses_that_the_machine_lacks(self):
        # An address may come, but no link by itself.
        for address, code in (("192.0.2.9:0", 71), ("[2001:db8::9]:0", 71), ("[fe80::1]:0", 78)):
            for key in ("rtmp.listen", "http.listen", "rtsp.listen"):
                ended = run("--check", "-c", self.config(f'{key} = "{address}"\n'))
                self.assertEqual(ended.returncode, code, ended.stderr)
                self.assertRegex(ended.stderr, rf"line 1: {key}: {re.escape(address)}: .* \(os error \d+\)")
        tls = f'[tls]\ncert = "/nowhere"\nkey = "/nowhere"\nhttp_listen = "192.0.2.9:0"\n'
        ended = run("--check", "-c", self.config(tls))
        self.assertEqual(ended.returncode, 69, "those without TLS are served all the same")

    def test_check_finds_that_too_few_files_may_be_open(self):
        config = self.config('profile = "box"\n')
        for arguments in (["--check"], []):
            command = ["prlimit", "--nofile=200:200", paths.SERVER, *arguments, "-c", config]
            ended = subprocess.run(
                command, capture_output=True, text=True, timeout=WITHIN, check=False
            )
            self.assertEqual(ended.returncode, 78, ended.stderr)
            self.assertRegex(ended.stderr, r"the plan needs \d+ open files, but the limit is 200")

    def test_a_watchdog_is_a_device(self):
        file = self.directory / "file"
        file.touch()
        for path in (self.directory, file):
            config = self.config(f'process.watchdog = "{path}"\nrtmp.listen = "127.0.0.1:0"\n')
            for arguments in (["--check"], []):
                ended = run(*arguments, "-c", config)
                self.assertEqual(ended.returncode, 78, ended.stderr)
                self.assertRegex(ended.stderr, rf"process.watchdog.*{path}.*: (is not a device|Is a dir)")
        self.assertEqual(file.stat().st_size, 0)

    def test_what_is_wrong_in_the_file_has_the_same_code_at_the_start(self):
        for text in (
            '[process]\nuser = "nobody-of-that-name"\n',
            '[process]\nwatchdog = "/nowhere"\n',
            '[log]\ntarget = "/nowhere/log"\n',
            '[log]\ntarget = "/proc"\n',
        ):
            for arguments in (["--check"], []):
                ended = run(*arguments, "-c", self.config(text + NO_PORTS))
                self.assertEqual(ended.returncode, 78, f"{text}{arguments} {ended.stderr}")

    def test_a_socket_is_no_target_of_the_log(self):
        path = self.directory / "socket"
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as bound:
            bound.bind(str(path))
            text = f'log.target = "{path}"\n'
            for arguments in (["--check"], []):
                ended = run(*arguments, "-c", self.config(text))
                self.assertEqual(ended.returncode, 78, ended.stderr)
                self.assertIn("No such device or address", ended.stderr)

    def test_push_reads_a_configuration_that_comes_in(self):
        ended = subprocess.run(
            [paths.SERVER, "push", "-c", "-", "file", "rtmp://127.0.0.1/live/a"],
            input="streams.maxi = 3\n",
            capture_output=True,
            text=True,
            timeout=WITHIN,
            check=False,
        )
        self.assertEqual(ended.returncode, 78, ended.stderr)
        self.assertIn("streams.maxi", ended.stderr)

    def test_check_and_start_refuse_a_bad_one_and_say_why(self):
        for text, said in [
            ("[streams]\nmaxi = 3\n", "maxi"),
            ("[streams]\nmax = 'many'\n", "max"),
            ("[publish]\nconflict = 'fight'\n", "conflict"),
            ("[streams]\nmax = 100000\n", "memory"),
            ("[streams\n", "given.toml"),
        ]:
            path = self.config(text)
            for arguments in (["--check", "-c", path], ["-c", path]):
                ended = run(*arguments)
                self.assertNotEqual(ended.returncode, 0, text)
                self.assertIn(said, ended.stderr, text)

    def test_a_file_that_is_not_there_is_named(self):
        ended = run("-c", self.directory / "absent.toml")
        self.assertNotEqual(ended.returncode, 0)
        self.assertIn("absent.toml", ended.stderr)

    def test_an_unknown_option_is_refused(self):
        ended = run("--bogus")
        self.assertNotEqual(ended.returncode, 0)
        self.assertIn("bogus", ended.stderr)

    def test_a_port_in_use_is_named(self):
        server = self.serve()
        ended = run("-c", self.directory / "runnel.toml")
        self.assertNotEqual(ended.returncode, 0)
        self.assertRegex(ended.stderr, f"{server.rtmp_port}|{server.http_port}")


class FirstScreen(Case):
    def test_a_newcomer_s_commands_work_from_a_clean_clone(self):
        """Those of README and docs/streams.md as they stand there, with the ports of the test."""
        pages = [(paths.REPO / page).read_text() for page in ("README.md", "docs/streams.md")]
        said = [line for page in pages for line in page.splitlines() if line.startswith("    ff")]
        self.serve()
        ports = {"1935": "rtmp_port", "8080": "http_port", "5544": "rtsp_port"}
        for number, attribute in ports.items():
            mine = str(getattr(self.server, attribute))
            said = [line.replace(f":{number}/", f":{mine}/") for line in said]
        first = str(self.directory / "first.flv")
        commands = [line.replace("first.flv", first).split() for line in said]
        publish, *watch, keep, again = commands
        self.start("publish", [*publish[:1], "-nostdin", *publish[1:]])
        self.until_live("test110", 1000)
        for play in watch:
            self.assertEqual(play[0], "ffplay", "there may be no screen")
            shown = self.start("show", ["ffprobe", "-v", "error", "-show_streams", *play[1:]])
            self.assertEqual(shown.wait(30), 0, shown.describe())
            self.assertIn(b"codec_name=h264", shown.stdout)
            self.assertIn(b"codec_name=aac", shown.stdout)
        kept = self.start("keep", [*keep[:1], "-nostdin", *keep[1:]])
        self.assertEqual(kept.wait(40), 0, kept.describe())
        self.start("again", [*again[:1], "-nostdin", *again[1:]])
        self.until_live("again", 1000)


class Ending(Case):
    def test_it_ends_at_once_with_publishers_and_players(self):
        """As it does at the end of every test, but here of each signal."""
        for number in (signal.SIGTERM, signal.SIGINT):
            server = self.serve()
            self.publish_live("cam")
            captures = self.capture_everything("cam")
            for capture in captures:
                capture.until_frames()
            server.stop(number)
