"""[[access]]: who has what a rule asks for may publish and play by every protocol, and nobody else."""

import base64
import hashlib
import hmac
import json
import subprocess
import time

import paths
import players
import publishers
import waiting
from case import Case
from receiver import Receiver

STREAM = "test110"
USER, PASSWORD = "anna", "Tiger-97"
KEY = "0123456789abcdef0123456789abcdef"
STARTS_WITHIN = 10


class Access(Case):
    def status(self, url, *arguments):
        """The status that curl gets; a stream that begins is cut off."""
        command = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "2"]
        done = subprocess.run([*command, *arguments, url], capture_output=True, text=True)
        return done.stdout

    def users(self, **more):
        stored = "sha256:" + hashlib.sha256(PASSWORD.encode()).hexdigest()
        self.serve(access=[{"user": USER, "password": PASSWORD, **more}, {"user": "ben", "password": stored}])

    def with_user(self, url, user=USER):
        return url.replace("//", f"//{user}:{PASSWORD}@")

    def test_users_publish_and_play(self):
        self.users()
        url = f"{self.server.rtmp(STREAM)}?user={USER}&pass={PASSWORD}"
        self.start("publisher", publishers.ffmpeg(paths.FFMPEG_CURRENT, "demo", url, True))
        flv = self.server.flv(STREAM)
        user = ("-u", f"{USER}:{PASSWORD}")
        waiting.until(lambda: self.status(flv, *user) == "200", STARTS_WITHIN, "the stream")
        self.assertEqual(self.status(flv, "-u", f"ben:{PASSWORD}"), "200")
        self.assertEqual(self.status(flv), "401")
        for transport in ("tcp", "udp"):
            url = self.with_user(self.server.rtsp(STREAM))
            command = players.ffmpeg_decode_rtsp(paths.FFMPEG_CURRENT, url, 1, transport)
            program = self.start("ffmpeg", command)
            program.wait(players.PLAYS_WITHIN)
            self.assert_none(players.ffmpeg_faults(program, 1), "ffmpeg")
        self.assertNotIn(PASSWORD, self.server.log)

    def test_users_in_the_url_of_rtmp(self):
        self.serve(rtmp={"auth": "adobe"}, access=[{"user": USER, "password": PASSWORD}])
        url = self.with_user(self.server.rtmp(STREAM))
        self.start("publisher", publishers.ffmpeg(paths.FFMPEG_CURRENT, "demo", url, True))
        user = ("-u", f"{USER}:{PASSWORD}")
        waiting.until(lambda: self.status(self.server.flv(STREAM), *user) == "200", STARTS_WITHIN, "the stream")
        program = self.start("ffmpeg", players.ffmpeg_decode(paths.FFMPEG_CURRENT, url, 1))
        program.wait(players.PLAYS_WITHIN)
        self.assert_none(players.ffmpeg_faults(program, 1), "ffmpeg")
        wrong = url.replace(PASSWORD, "Tiger-98")
        self.start("wrong", players.ffmpeg_decode(paths.FFMPEG_CURRENT, wrong, 1)).wait(players.PLAYS_WITHIN)
        self.until_log_says("wrong user or password")
        self.assertNotIn(PASSWORD, self.server.log)

    def test_players_are_not_asked_where_publishers_are(self):
        self.serve(rtmp={"auth": "adobe"}, access=[{"action": ["publish"], "user": USER, "password": PASSWORD}])
        url = self.server.rtmp(STREAM)
        self.start("publisher", publishers.ffmpeg(paths.FFMPEG_CURRENT, "demo", self.with_user(url), True))
        waiting.until(lambda: self.status(self.server.flv(STREAM)) == "200", STARTS_WITHIN, "the stream")
        program = self.start("ffmpeg", players.ffmpeg_decode(paths.FFMPEG_CURRENT, url, 1))
        program.wait(players.PLAYS_WITHIN)
        self.assert_none(players.ffmpeg_faults(program, 1), "ffmpeg")

    def test_who_guesses_is_shut_out(self):
        self.users()
        url = self.server.flv(STREAM)
        self.assertEqual([self.status(url, "-u", f"{USER}:x") for _ in range(6)], ["401"] * 5 + ["429"])
        self.assertEqual(self.status(url, "-u", f"{USER}:{PASSWORD}"), "429")
        self.until_log_says("too many wrong passwords have come from its address")

    def test_links_and_tokens(self):
        rules = [{"action": ["publish"], "allow": True}, {"signed": "key"}, {"jwt": KEY}]
        self.serve(access=rules)
        self.publish(STREAM)
        plain = self.server.flv(STREAM)
        token = _token(exp=int(time.time()) + 60)
        bearer = ("-H", f"Authorization: Bearer {token}")
        waiting.until(lambda: self.status(plain, *bearer) == "200", STARTS_WITHIN, "the stream")
        until = int(time.time()) + 60
        for url in (f"{plain}?token={token}", f"{plain}?{_signed(until)}"):
            self.assertEqual(self.status(url), "200", url)
        self.assertEqual(self.status(plain, "-u", f"any:{token}"), "200")
        self.assertEqual(self.status(plain), "401")
        old = _token(exp=int(time.time()) - 120)
        self.assertEqual(self.status(f"{plain}?token={old}"), "403")
        self.assertEqual(self.status(f"{plain}?{_signed(until - 120)}"), "403")

    def test_another_server_decides(self):
        may = {("anna", PASSWORD, "publish"), ("anna", PASSWORD, "read")}

        def answer(post):
            return 200 if (post.json["user"], post.json["password"], post.json["action"]) in may else 401

        authority = Receiver(self, answer)
        secret = "Lion-31"
        url = authority.url.replace("//", f"//me:{secret}@") + f"?key={secret}"
        self.serve(access=[{"action": ["publish", "play"], "callback": url}])
        refused = self.start("refused", publishers.ffmpeg(paths.FFMPEG_CURRENT, "demo", self.server.rtmp(STREAM), True))
        refused.wait(STARTS_WITHIN)
        self.assertEqual(self.status(self.server.flv(STREAM)), "401")
        url = f"{self.server.rtmp(STREAM)}?user={USER}&pass={PASSWORD}"
        self.start("publisher", publishers.ffmpeg(paths.FFMPEG_CURRENT, "demo", url, True))
        user = ("-u", f"{USER}:{PASSWORD}")
        waiting.until(lambda: self.status(self.server.flv(STREAM), *user) == "200", STARTS_WITHIN, "the stream")
        for transport in ("tcp", "udp"):
            url = self.with_user(self.server.rtsp(STREAM))
            program = self.start("ffmpeg", players.ffmpeg_decode_rtsp(paths.FFMPEG_CURRENT, url, 1, transport))
            program.wait(players.PLAYS_WITHIN)
            self.assert_none(players.ffmpeg_faults(program, 1), "ffmpeg")
        playlist = self.server.hls(STREAM)
        command = players.ffmpeg_decode(paths.FFMPEG_CURRENT, self.with_user(playlist), 2)
        program = self.start("ffmpeg", command)
        program.wait(players.PLAYS_WITHIN)
        self.assert_none(players.ffmpeg_faults(program, 1), "ffmpeg")
        asked = [post.json for post in authority.posts]
        keys = ["ip", "user", "password", "token", "action", "path", "protocol", "id", "query", "userAgent"]
        self.assertEqual({tuple(one) for one in asked}, {tuple(keys)})
        of_hls = [one for one in asked if one["protocol"] == "hls" and one["user"]]
        self.assertEqual([(one["action"], one["path"]) for one in of_hls], [("read", f"hls/{STREAM}")])
        self.assertTrue(all(post.headers["Authorization"].startswith("Basic ") for post in authority.posts))
        for hidden in (PASSWORD, secret):
            self.assertNotIn(hidden, self.server.log)

    def test_the_start_says_what_is_open(self):
        self.serve()
        self.until_log_says("everybody who reaches the ports may publish and play: no ..access.. says otherwise")


def _url64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _token(**claims):
    claims["mediamtx_permissions"] = [{"action": "read", "path": f"live/{STREAM}"}]
    parts = [_url64(json.dumps(part).encode()) for part in ({"alg": "HS256"}, claims)]
    said = ".".join(parts)
    return f"{said}.{_url64(hmac.digest(KEY.encode(), said.encode(), 'sha256'))}"


def _signed(until):
    said = f"v1\nr\nlive/{STREAM}\n{until}"
    return f"rx={until}&ra=r&rs={_url64(hmac.digest(b'key', said.encode(), 'sha256')[:16])}"
