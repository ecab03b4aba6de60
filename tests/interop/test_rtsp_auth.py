"""The password of RTSP: who has it may publish and play, and nobody else."""

import base64
import hashlib

import paths
import players
import publishers
from rtsp_case import STREAM, RtspCase

USER, PASSWORD, WRONG = "camera", "Tiger-97", "Lion-3"
ENDS_WITHIN = 10
DESCRIPTION = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 0 RTP/AVP 8\r\na=control:streamid=0\r\n"
)


class Passwords:
    """The tests of each method; a subclass says which."""

    method = None

    def setUp(self):
        super().setUp()
        auth = {"auth": self.method, "user": USER, "password": PASSWORD}
        self.serve(rtsp=auth, log={"level": "trace"})

    def tearDown(self):
        super().tearDown()
        secrets = [PASSWORD, WRONG, base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()]
        for secret in secrets:
            self.assertNotIn(secret, self.server.log)

    def with_password(self, password=PASSWORD):
        return self.url.replace("//", f"//{USER}:{password}@")

    def publish_with(self, password, transport="tcp"):
        url = self.with_password(password) if password else self.url
        command = publishers.ffmpeg_rtsp(paths.FFMPEG_CURRENT, "demo", url, True, transport)
        return self.start("publisher", command)

    def test_it_lets_publish_and_play(self):
        self.publish_with(PASSWORD)
        self.until_live(STREAM)
        for ffmpeg in (paths.FFMPEG_CURRENT, paths.FFMPEG_DEBIAN):
            for way in ("tcp", "udp"):
                program = self.start(
                    "ffmpeg", players.ffmpeg_decode_rtsp(ffmpeg, self.with_password(), 1, way)
                )
                program.wait(players.PLAYS_WITHIN)
                self.assert_none(players.ffmpeg_faults(program, 1), "ffmpeg")

    def test_gstreamer_publishes_with_it(self):
        self.start("publisher", publishers.gstreamer_rtsp(self.with_password(), "tcp"))
        self.until_live(STREAM)

    def test_gstreamer_plays_with_it(self):
        self.publish_with(PASSWORD)
        self.until_live(STREAM)
        players.GstreamerRtsp(self, self.with_password(), "tcp").until_decoded()

    def test_a_wrong_one_does_not_let_in(self):
        publisher = self.publish_with(WRONG)
        self.assertNotEqual(publisher.wait(ENDS_WITHIN), 0, publisher.describe())
        self.until_log_counts(f'is refused "{STREAM}": wrong user or password', 1)
        self.assertRegex(self.server.log, r"WARN  id=RTSPSRVCMD\d+ peer=127\.0\.0\.1:\d+ is refused")
        self.publish_with(PASSWORD)
        self.until_live(STREAM)
        player = self.start(
            "ffmpeg",
            players.ffmpeg_decode_rtsp(paths.FFMPEG_CURRENT, self.with_password(WRONG), 1, "tcp"),
        )
        self.assertNotEqual(player.wait(ENDS_WITHIN), 0, player.describe())
        self.assertIn("401", player.stderr)

    def test_without_one_each_request_is_challenged(self):
        client = self.connect()
        self.ok(client, "OPTIONS", self.url)
        tcp = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"
        requests = [
            ("DESCRIBE", self.url, [], ""),
            ("SETUP", self.track(0), [tcp], ""),
            ("ANNOUNCE", self.url, ["Content-Type: application/sdp"], DESCRIPTION),
        ]
        for method, url, fields, body in requests:
            answer = client.request(method, url, *fields, body=body)
            self.assertEqual(answer.status, 401, f"{method}: {answer}")
            self.assertIn(self.method, answer.fields["www-authenticate"].lower())

    def test_the_way_of_a_stream_does_not_tell_whether_it_is_there(self):
        self.publish_with(PASSWORD)
        self.until_live(STREAM)
        for name in (STREAM, "nobody"):
            answer = self.connect().request("DESCRIBE", self.server.rtsp(name))
            self.assertEqual(answer.status, 401, f"{name}: {answer}")


class Digest(Passwords, RtspCase):
    method = "digest"

    def digest(self, challenge, method, url, password=PASSWORD):
        """The answer to a challenge with MD5 and without qop, as old cameras give it."""
        asked = dict(
            part.strip().split("=", 1) for part in challenge.removeprefix("Digest ").split(",")
        )
        realm, nonce = asked["realm"].strip('"'), asked["nonce"].strip('"')
        first, second = _md5(f"{USER}:{realm}:{password}"), _md5(f"{method}:{url}")
        response = _md5(f"{first}:{nonce}:{second}")
        return (
            f'Authorization: Digest username="{USER}", realm="{realm}", nonce="{nonce}", '
            f'uri="{url}", response="{response}"'
        )

    def challenge(self, client):
        answer = client.request("ANNOUNCE", self.url, body=DESCRIPTION)
        self.assertEqual(answer.status, 401, answer)
        return answer.fields["www-authenticate"]

    def test_md5_without_qop(self):
        client = self.connect()
        credentials = self.digest(self.challenge(client), "ANNOUNCE", self.url)
        self.ok(client, "ANNOUNCE", self.url, credentials, body=DESCRIPTION)

    def test_the_answer_to_a_challenge_of_another_connection_does_not_let_in(self):
        one, other = self.connect(), self.connect()
        credentials = self.digest(self.challenge(one), "ANNOUNCE", self.url)
        answer = other.request("ANNOUNCE", self.url, credentials, body=DESCRIPTION)
        self.assertEqual(answer.status, 401, answer)

    def test_credentials_for_another_method_do_not_let_in(self):
        client = self.connect()
        credentials = self.digest(self.challenge(client), "DESCRIBE", self.url)
        answer = client.request("ANNOUNCE", self.url, credentials, body=DESCRIPTION)
        self.assertEqual(answer.status, 401, answer)


class Basic(Passwords, RtspCase):
    method = "basic"


def _md5(text):
    return hashlib.md5(text.encode()).hexdigest()
