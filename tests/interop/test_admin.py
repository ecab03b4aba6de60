"""The log and the configuration by the API: who reads them sees no secret, and a reload is that of SIGHUP."""

import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

from recording import until_all_more
from relay_case import STREAM, RelayCase

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
MASK = "********"


class Admin(RelayCase):
    def curl(self, path, *options):
        """The status of an answer, and its JSON."""
        url = f"http://127.0.0.1:{self.server.api_port}/api/v1{path}"
        command = ["curl", "-sS", "-w", "\n%{http_code}", *options, url]
        done = subprocess.run(command, capture_output=True, check=True, text=True)
        body, status = done.stdout.rsplit("\n", 1)
        return int(status), json.loads(body)

    def reload(self, **sections):
        """What the API says of these sections."""
        self.server.configure(sections)
        return self.curl("/reload", "-X", "POST")

    def config(self, query=""):
        status, body = self.curl(f"/config{query}")
        self.assertEqual((status, body["total"]), (200, len(body["items"])), body)
        return body, {item["key"]: item for item in body["items"]}


class Log(Admin):
    def test_the_latest_lines_are_those_of_the_target(self):
        self.serve(log={"level": "debug"})
        self.publish_live(STREAM)
        self.until_log_counts("publishes cam", 1)
        status, body = self.curl("/log?lines=1000")
        self.assertEqual((status, body["total"]), (200, len(body["items"])))
        for item in body["items"]:
            self.assertEqual(list(item), ["time", "level", "text"])
            self.assertRegex(item["time"], f"^{TIME}$")
            self.assertIn(item["text"], self.server.log)
        found = [item["level"] for item in body["items"] if "publishes cam" in item["text"]]
        self.assertEqual(found, ["info"])
        self.assertEqual(len(self.curl("/log?lines=2")[1]["items"]), 2)
        self.assertEqual(self.curl("/log?lines=x"), (400, {"error": "lines is not a number from 0"}))

    def test_old_lines_go_and_none_are_kept_without_memory(self):
        self.serve(log={"kept": "2KiB"})
        refused = ["curl", "-s", "-o", "/dev/null", "-X", "POST"]
        for number in range(40):
            ip = f"192.0.2.{number}"
            url = f"http://127.0.0.1:{self.server.api_port}/api/ctrl/add_ip_blacklist"
            subprocess.run([*refused, "-d", json.dumps({"ip": ip, "duration_sec": 9}), url], check=True)
        items = self.curl("/log?lines=1000")[1]["items"]
        self.assertIn("192.0.2.39 is refused", items[-1]["text"])
        self.assertTrue(5 < len(items) < 40, items)
        self.assertLessEqual(sum(len(item["text"]) for item in items), 2048)

    def test_none_are_kept_without_memory(self):
        self.serve(log={"kept": "0KiB"})
        self.assertEqual(self.curl("/log"), (200, {"total": 0, "items": []}))


class Config(Admin):
    def test_the_keys_of_the_file_are_shown_without_secrets(self):
        self.serve(
            rtsp={"auth": "digest", "user": "a", "password": "hidden1"},
            access=[{"action": ["record"], "user": "b", "password": "hidden2"}],
            pull=[{"stream": "p", "url": "rtsp://c:hidden3@127.0.0.1:1/a?t=hidden5", "on_demand": True}],
            notify=[{"url": "http://d:hidden6@127.0.0.1:1/a", "secret": "hidden7"}],
        )
        text = self.server._config.read_text().splitlines()
        for query in ("", "?all=1"):
            body, keys = self.config(query)
            self.assertNotIn("hidden", json.dumps(body))
            for key in ("rtsp.password", "access[0].password", "notify[0].secret"):
                self.assertEqual(keys[key]["value"], MASK)
            self.assertEqual(keys["pull[0].url"]["value"], f"rtsp://c:{MASK}@127.0.0.1:1/a?{MASK}")
            self.assertIs(keys["pull[0].on_demand"]["value"], True)
            self.assertEqual(keys["access[0].action"]["value"], ["record"])
            for item in body["items"]:
                if "line" in item:
                    name = re.split(r"[.\]]", item["key"])[-1]
                    self.assertTrue(text[item["line"] - 1].startswith(name), item)
            self.assertEqual("viewers.max" in keys, query != "")
        self.assertNotIn("line", keys["viewers.max"])


class Reload(Admin):
    def test_what_changed_is_said_and_what_needs_a_restart(self):
        self.serve()
        self.publish_live(STREAM)
        capture = self.capture(self.server.flv(STREAM))
        changed = self.reload(viewers={"slow": "7s", "max": 9}, hls={"start": 2})
        self.assertEqual(changed, (200, {"changed": ["hls.start", "viewers.slow"], "restart": ["viewers.max"]}))
        self.assertIn("API: now in effect: hls.start, viewers.slow\n", self.server.log)
        _, keys = self.config()
        self.assertEqual((keys["viewers.slow"]["value"], keys["viewers.max"]["value"]), ("7s", 9))
        self.assertNotIn("running", keys["viewers.slow"])
        self.assertNotEqual(keys["viewers.max"]["running"], 9)
        until_all_more([capture], 500)
        self.assertEqual(self.reload(viewers={"slow": "7s", "max": 9}, hls={"start": 2})[1]["changed"], [])

    def test_mistakes_are_all_told_and_nothing_is_changed(self):
        self.serve()
        pull = {"stream": "a b", "url": "rtsp://u:hidden@h:x/", "udp": 3}
        status, body = self.reload(viewers={"slow": "7s", "max": "many"}, publish={"silence": "soon"}, pull=[pull])
        self.assertEqual(status, 400)
        self.assertIn("nothing was changed", body["error"])
        keys = [mistake["key"] for mistake in body["mistakes"]]
        self.assertEqual(sorted(keys), ["publish.silence", "pull[0].udp", "pull[0].url", "viewers.max"])
        lines = self.server._config.read_text().splitlines()
        for mistake in body["mistakes"]:
            self.assertTrue(lines[mistake["line"] - 1].startswith(re.split(r"[.]", mistake["key"])[-1]), mistake)
        self.assertNotIn("hidden", json.dumps(body))
        _, keys = self.config()
        self.assertNotIn("viewers.slow", keys)
        status, body = self.reload(memory={"total": "5MiB"})
        self.assertEqual((status, [one.get("key") for one in body["mistakes"]]), (400, ["memory.total"]))
        self.assertEqual(self.reload()[0], 200)

    def test_many_at_once_are_done_one_by_one(self):
        self.serve()
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _: self.curl("/reload", "-X", "POST"), range(24)))
        statuses = [status for status, _ in answers]
        self.assertLessEqual(set(statuses), {200, 409, 503})
        self.assertEqual(self.server.log.count("API: the configuration was read again"), statuses.count(200))
        self.assertEqual(self.curl("/reload", "-X", "POST")[0], 200)

    def test_pages_of_other_sites_and_those_who_may_not_are_refused(self):
        self.serve(access=[{"action": ["api"], "user": "a", "password": "b"}])
        for options, status in (
            (["-H", "Origin: http://evil.example"], 403),
            ([], 401),
            (["-u", "a:b", "-H", "Origin: http://evil.example"], 403),
            (["-u", "a:b"], 200),
        ):
            self.assertEqual(self.status("/reload", "-X", "POST", *options), status, options)
        for path in ("/log", "/config"):
            self.assertEqual([self.status(path), self.status(path, "-u", "a:b")], [401, 200])

    def status(self, path, *options):
        url = f"http://127.0.0.1:{self.server.api_port}/api/v1{path}"
        command = ["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", *options, url]
        return int(subprocess.run(command, capture_output=True, check=True, text=True).stdout)
