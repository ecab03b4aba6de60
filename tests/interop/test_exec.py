"""Commands are run on occasions, with the facts in their environment."""

import os
import signal
import stat

import waiting
from case import Case

STREAM = "cam"


class Commands(Case):
    def script(self, text):
        """An executable file."""
        path = self.directory / "command"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    def serve_running(self, rules, **sections):
        self.serve(exec=rules, env={**os.environ, "HIDDEN": "secret"}, **sections)

    def test_a_script_gets_the_facts_of_each_occasion(self):
        told = self.directory / "told"
        told.mkdir()
        script = self.script(f'env >"{told}/new.$$" && mv "{told}/new.$$" "{told}/$RUNNEL_EVENT"')
        folder = self.directory / "recordings"
        folder.mkdir()
        occasions = ["publish", "unpublish", "play", "stop", "record_end"]
        self.serve_running(
            [{"on": occasions, "streams": "ca*", "command": [script, "$(touch /x)"]}],
            record=[{"streams": STREAM, "path": folder}],
        )
        self.publish_live("another").stop()
        publisher = self.publish(f"{STREAM}?token=a;b")
        self.until_live(STREAM)
        waiting.until((told / "stop").exists, 10, "a player has stopped")
        publisher.stop()
        for occasion in occasions:
            waiting.until((told / occasion).exists, 10, occasion)
            lines = (told / occasion).read_text().splitlines()
            facts = dict(line.split("=", 1) for line in lines)
            self.assertEqual(facts["RUNNEL_STREAM"], STREAM)
            self.assertIn("PATH", facts)
            self.assertNotIn("HIDDEN", facts)
            if occasion in ("publish", "unpublish"):
                self.assertEqual(facts["RUNNEL_QUERY"], "token=a;b")
                self.assertEqual(facts["RUNNEL_APP"], "live")
                self.assertRegex(facts["RUNNEL_PEER"], "^127.0.0.1:[0-9]+$")
            if occasion == "record_end":
                self.assertEqual([facts["RUNNEL_FILE"]], [str(one) for one in folder.glob("*.flv")])

    def test_what_ends_with_the_server_is_an_occasion_too(self):
        told = self.directory / "told"
        script = self.script(f'echo "$RUNNEL_EVENT $RUNNEL_SESSION" >>{told}')
        self.serve_running([{"on": ["publish", "unpublish"], "command": [script]}])
        self.publish_live(STREAM)
        waiting.until(told.exists, 10, "it is told")
        self.server.stop()
        lines = told.read_text().split()
        self.assertEqual(lines, ["publish", lines[1], "unpublish", lines[1]])

    def test_few_run_at_once_and_all_end_with_the_server(self):
        pids = self.directory / "pids"
        script = self.script(f"sleep 600 & echo $$ $! >>{pids}; echo it sleeps; wait")
        rule = {"on": ["play"], "command": [script], "timeout": "0s"}
        self.serve_running([rule], commands={"max": 2})
        self.publish_live(STREAM)
        captures = [self.capture(self.server.flv(STREAM)) for _ in range(4)]
        for capture in captures:
            capture.until_span(100)
        waiting.until(lambda: len(pids.read_text().split()) >= 4, 10, "two commands run")
        self.until_log_counts("it sleeps", 2)
        clock = waiting.Clock()
        self.server.stop()
        clock.check(3, "the server ends")
        running = pids.read_text().split()
        self.assertEqual(len(running), 4)
        for pid in running:
            waiting.until(lambda pid=pid: not self.runs(pid), 5, f"{pid} has ended")

    def test_one_that_lasts_too_long_is_ended_and_leaves_its_place(self):
        script = self.script("trap '' TERM; sleep 600")
        rule = {"on": ["publish"], "command": [script], "timeout": "1s"}
        self.serve_running([rule], commands={"max": 1})
        for stream in ("a", "b"):
            self.publish(stream)
        self.until_log_counts("is ended: it has run for 1000 ms", 2, 20)

    def test_removed_rules_end_their_commands_by_sigterm_and_leave_no_zombies(self):
        told = self.directory / "told"
        told.mkdir()
        script = self.script(
            f'trap "touch {told}/$$.heeded; exit" TERM; touch {told}/$$; '
            "while :; do sleep 0.1; done"
        )
        kept, gone = ({"on": ["publish"], "command": [script, one]} for one in ("kept", "gone"))
        self.serve_running([kept, gone], commands={"max": 2})
        self.publish_live(STREAM)
        waiting.until(lambda: len(list(told.iterdir())) == 2, 10, "both run")
        pids = [int(one.name) for one in told.iterdir()]

        def ended():
            return [pid for pid in pids if not os.path.exists(f"/proc/{pid}")]

        for rules in ([kept], []):
            self.server.configure({"exec": rules})
            self.server.program.signal(signal.SIGHUP)
            waiting.until(lambda n=2 - len(rules): len(ended()) == n, 10, f"{rules} are left")
        for pid in pids:
            self.assertTrue((told / f"{pid}.heeded").exists(), "it was told by SIGTERM")
        self.until_log_counts("is ended: its [[exec]] was removed", 2)

    def runs(self, pid):
        try:
            with open(f"/proc/{pid}/stat") as file:
                return ") Z " not in file.read()
        except FileNotFoundError:
            return False
