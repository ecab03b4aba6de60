"""lal's API by curl, as scripts use it."""

import json
import subprocess

import waiting
from relay_case import STREAM, RelayCase

WITHIN = 20
# The fields of a session, in lal's order.
SESSION = (
    "session_id protocol base_type remote_addr start_time read_bytes_sum wrote_bytes_sum "
    "bitrate_kbits read_bitrate_kbits write_bitrate_kbits"
).split()


class Api(RelayCase):
    def curl(self, path, *options, server=None):
        """The answer to a request, and its status."""
        url = f"http://127.0.0.1:{(server or self.server).api_port}{path}"
        command = ["curl", "-sS", "-w", "\n%{http_code}", *options, url]
        done = subprocess.run(command, capture_output=True, check=True, text=True)
        body, status = done.stdout.rsplit("\n", 1)
        return int(status), body

    def ask(self, path, *options):
        status, body = self.curl(path, *options)
        self.assertEqual(status, 200, body)
        return json.loads(body)

    def change(self, name, **fields):
        return self.ask(f"/api/ctrl/{name}", "-d", json.dumps(fields))

    def group(self, name=STREAM):
        return self.ask(f"/api/stat/group?stream_name={name}")["data"]

    def until_group(self, fits, name=STREAM):
        waiting.until(lambda: (data := self.group(name)) and fits(data), WITHIN, lambda: str(self.group(name)))
        return self.group(name)


class Stat(Api):
    def test_a_stream_is_told_with_all_who_publish_and_play_it(self):
        self.serve(hls={"sessions": True, "segment": "500ms"})
        self.publish_live(STREAM)
        urls = [self.server.flv(STREAM), self.server.ts(STREAM), self.server.mp4(STREAM)]
        players = [self.capture(url) for url in urls]
        group = self.until_group(lambda data: len(data["subs"] or []) == len(urls))
        self.assertEqual({sub["protocol"] for sub in group["subs"]}, {"FLV", "TS", "MP4"})
        self.assertEqual((group["pub"]["protocol"], group["pub"]["base_type"]), ("RTMP", "PUB"))
        self.assertEqual((group["audio_codec"], group["video_codec"]), ("AAC", "H264"))
        self.assertGreater(group["video_width"], 0)
        for session in [group["pub"], group["pull"], *group["subs"]]:
            self.assertEqual(list(session), SESSION)
        # rates are measured every 5 s
        group = self.until_group(lambda data: all(sub["write_bitrate_kbits"] for sub in data["subs"]))
        self.assertGreater(group["pub"]["read_bitrate_kbits"], 0)
        seconds = group["in_frame_per_sec"]
        self.assertTrue(2 <= len(seconds) <= 32, seconds)
        newest = [second["unix_sec"] for second in seconds]
        self.assertEqual(newest, sorted(newest, reverse=True))
        self.assertTrue(all(10 <= second["v"] <= 61 for second in seconds[:-1]), seconds)
        del players

    def test_a_player_is_ended(self):
        self.serve()
        self.publish_live(STREAM)
        for url in (self.server.flv(STREAM), self.server.rtsp(STREAM), self.server.rtmp(STREAM)):
            player = self.start("player", ["ffmpeg", "-v", "error", "-i", url, "-c", "copy", "-f", "null", "-"])
            (sub,) = self.until_group(lambda data: data["subs"])["subs"]
            answer = self.change("kick_session", stream_name=STREAM, session_id=sub["session_id"])
            self.assertEqual(answer, {"error_code": 0, "desp": "succ"})
            player.wait(WITHIN)
            self.until_group(lambda data: data["subs"] is None)


class Pulls(Api):
    def test_a_stream_is_pulled_by_each_protocol_and_stopped(self):
        self.serve_other()
        self.serve()
        self.publish_live(STREAM, server=self.other)
        ways = {
            "RTMP": {"url": self.other.rtmp(STREAM)},
            "RTSP": {"url": self.other.rtsp(STREAM)},
            "RTSP ": {"url": self.other.rtsp(STREAM), "rtsp_mode": 1},
        }
        for number, (protocol, fields) in enumerate(ways.items()):
            name = f"pulled{number}"
            begun = self.change("start_relay_pull", stream_name=name, **fields)
            self.assertEqual(begun["data"]["stream_name"], name, begun)
            pull = self.until_group(lambda data: data["pull"]["read_bytes_sum"], name)["pull"]
            self.assertEqual((pull["protocol"], pull["base_type"]), (protocol.strip(), "PULL"))
            self.assertEqual(pull["session_id"], begun["data"]["session_id"])
            stopped = self.ask(f"/api/ctrl/stop_relay_pull?stream_name={name}")
            self.assertEqual(stopped["data"], {"session_id": pull["session_id"]})
            waiting.until(lambda name=name: self.group(name) is None, WITHIN, "the end of the pull")
        self.assertIn("over UDP", self.other.log)


class Closed(Api):
    def test_an_address_is_refused_and_pages_of_other_sites_are(self):
        self.serve()
        self.publish_live(STREAM)
        self.change("add_ip_blacklist", ip="127.0.0.2", duration_sec=600)
        flv = ["curl", "-s", "-o", "/dev/null", "-m", "5", "-w", "%{http_code}", self.server.flv(STREAM)]
        status = [
            subprocess.run([*flv, "--interface", f"127.0.0.{host}"], capture_output=True, text=True).stdout
            for host in (2, 3)
        ]
        self.assertEqual(status, ["403", "200"])
        rows = self.ask("/api/stat/ip_blacklist")["data"]["ips"]
        self.assertEqual([row["ip"] for row in rows], ["127.0.0.2"])
        self.assertEqual(self.curl("/api/stat/lal_info", "-H", "Host: evil.example")[0], 421)
        foreign = self.curl("/api/ctrl/stop_relay_pull?stream_name=a", "-H", "Origin: http://evil.example")
        self.assertEqual(foreign[0], 403)
        stop = "/api/ctrl/stop_relay_pull?stream_name=a"
        for field in ("Referer: http://evil.example/", "Sec-Fetch-Site: same-site"):
            self.assertEqual(self.curl(stop, "-H", field)[0], 403, field)
        answer = self.curl("/api/stat/all_group", "-i", "-H", "Origin: http://evil.example")
        self.assertEqual(answer[0], 200)
        self.assertNotIn("access-control-allow-origin", answer[1].lower())
        self.assertEqual(answer[1].lower().count("\nserver:"), 1)


class OwnApi(Api):
    def v1(self, path, *options):
        return self.ask(f"/api/v1/{path}", *options)

    def until(self, path, fits):
        waiting.until(lambda: fits(self.v1(path)), WITHIN, lambda: str(self.v1(path)))
        return self.v1(path)

    def test_a_stream_is_told_as_the_encoder_sends_it_and_ended_by_its_name(self):
        self.serve(metrics={"streams": 1})
        encoder = self.publish_live(STREAM)
        player = self.start("player", ["curl", "-s", "-o", "/dev/null", self.server.flv(STREAM)])
        # rates are measured every 5 s
        stream = self.until(
            f"streams/{STREAM}", lambda one: one["kbps_in"] and one["kbps_out"] and one["viewers"] and "gop_s" in one
        )
        video, audio = stream["tracks"]
        self.assertEqual((video["codec"], audio["codec"]), ("H264", "AAC"))
        self.assertGreater(audio["sample_rate"], 8000)
        self.assertTrue(10 <= stream["fps"] <= 61, stream)
        self.assertTrue(0.1 <= stream["gop_s"] <= 10, stream)
        self.assertEqual([one["name"] for one in self.v1("streams")["items"]], [STREAM])
        sessions = self.v1(f"sessions?stream={STREAM}")["items"]
        self.assertEqual(sorted(one["action"] for one in sessions), ["play", "publish"])
        (watcher,) = [one for one in sessions if one["action"] == "play"]
        self.assertEqual((watcher["protocol"], watcher["form"]), ("http", "flv"))
        self.assertEqual(self.v1(f"sessions/{watcher['id']}", "-X", "DELETE"), {})
        player.wait(WITHIN)
        plan = self.v1("plan")
        self.assertLessEqual(plan["accounts"][0]["memory"]["peak"], plan["total"]["user"])
        self.assertEqual(self.v1(f"streams/{STREAM}", "-X", "DELETE"), {})
        encoder.wait(WITHIN)
        self.assertEqual(self.until("streams", lambda page: page["total"] == 0)["items"], [])
        status, body = self.curl(f"/api/v1/streams/{STREAM}", "-X", "DELETE")
        self.assertEqual((status, list(json.loads(body))), (404, ["error"]))
