"""SIGHUP: what can change changes, and nobody who plays or publishes notices."""

import signal

from case import Case
from raw_http import RawHttp
from recording import until_all_more

STREAM = "cam"
READ_AGAIN = "the configuration is read again"


class Reload(Case):
    def hang_up(self, says=READ_AGAIN, **sections):
        """Has the server read these sections, and waits until its log says so."""
        before = self.server.log.count(says)
        self.server.configure(sections)
        self.server.program.signal(signal.SIGHUP)
        self.until_log_counts(says, before + 1)

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
        self.assertIn("http.keep_alive apply from here on", self.server.log)
        after = self.ask()
        self.assertTrue(after.ends(), "the new deadline applies")
        before.socket.settimeout(0.5)
        self.assertFalse(before.ends(), "the old deadline applies")

    def test_what_cannot_change_is_said(self):
        self.serve()
        self.hang_up(viewers={"max": 3}, log={"level": "debug"})
        self.assertIn("viewers.max need a restart", self.server.log)
        self.assertIn("log.level apply from here on", self.server.log)

    def test_the_level_of_the_log_follows(self):
        self.serve(log={"level": "info"})
        self.hang_up(log={"level": "warn"}, says="log.level apply")
        self.publish_live(STREAM)
        self.assertNotIn("publishes", self.server.log)
        self.hang_up(log={"level": "debug"})
        self.capture(self.server.flv(STREAM)).until_frames()
        self.until_log_counts("plays cam", 1)

    def test_a_mistake_changes_nothing(self):
        self.serve()
        self.publish_live(STREAM)
        capture = self.capture(self.server.flv(STREAM))
        self.hang_up(publish={"silence": "soon"}, says="all stays as it was")
        self.assertRegex(self.server.log, r"runnel.toml: line \d+: publish.silence: invalid value")
        until_all_more([capture], 500)
