"""The demands of other RTMP servers on those that publish to them and play from them."""

import struct

import waiting
from relay_case import STREAM, RelayCase
from rtmp_server import ACK, CONTROL, WINDOW_ACK, RtmpServer

WITHIN = 20
AUDIO, VIDEO, DATA = 8, 9, 18
KEY = "cam?token=Tiger-97"


class Numbers(RelayCase):
    """The message stream is the one that the server gives."""

    def test_what_is_pushed_is_on_the_stream_that_was_given(self):
        numbers = (1, 2, 0x01020304)
        servers = [RtmpServer(self, number=number) for number in numbers]
        self.serve(push=[{"stream": STREAM, "url": one.url("live/x")} for one in servers])
        self.publish(STREAM)
        for one in servers:
            waiting.until(lambda one=one: len(one.of_type(VIDEO)) > 50, WITHIN, "50 pictures")
        for number, one in zip(numbers, servers):
            self.assertEqual([stream for stream, *_ in one.asked("publish")], [number])
            media = one.of_type(AUDIO, VIDEO, DATA)
            self.assertEqual({stream for _, stream, _, _ in media}, {number})
        # All else is the same for all: what came to the first came to the others.
        first, *others = (
            [(kind, body) for kind, _, _, body in one.of_type(AUDIO, VIDEO)] for one in servers
        )
        for other in others:
            last = other[min(len(first), len(other)) - 1]
            self.assertIn(last, first)

    def test_what_is_pulled_is_played_on_the_stream_that_was_given(self):
        other = RtmpServer(self, number=5)
        # All of the file comes at once: the player is there before.
        self.serve(pull=[{"stream": STREAM, "url": other.url("live/x"), "on_demand": True}])
        self.until_live(STREAM, 1000)
        self.assertEqual(other.asked("play"), [(5, None, "x")])


class Windows(RelayCase):
    def test_what_a_player_gets_is_acknowledged_in_the_window_of_the_server(self):
        other = RtmpServer(self, window=20_000)
        self.serve(pull=[{"stream": STREAM, "url": other.url("live/x")}])
        waiting.until(lambda: other.sent > 200_000, WITHIN, lambda: f"{other.sent} bytes were sent")
        self.assertGreater(len(other.of_type(ACK)), 8)

    def test_pings_and_bandwidths_are_answered(self):
        other = RtmpServer(self)
        self.serve(pull=[{"stream": STREAM, "url": other.url("live/x")}])
        waiting.until(lambda: other.asked("play"), WITHIN, "play")
        self.assertIn(b"\x00\x07ping", [body for *_, body in other.of_type(CONTROL)])
        windows = [body for *_, body in other.of_type(WINDOW_ACK)]
        self.assertEqual(windows, [struct.pack(">I", 777_777)])


class Redirects(RelayCase):
    @staticmethod
    def moved(**where):
        return {
            "level": "error",
            "code": "NetConnection.Connect.Rejected",
            "description": "[ code=302 ]",
            "ex": {"code": 302, **where},
        }

    def check(self, *servers):
        """Our other server is pulled from and pushed to in the end."""
        each = list(enumerate(servers))
        pulls = [{"stream": f"from-{n}", "url": one.url(f"old/{STREAM}")} for n, one in each]
        pushes = [{"stream": "back", "url": one.url(f"old/to-{n}")} for n, one in each]
        self.serve(pull=pulls, push=pushes)
        self.publish(STREAM, server=self.other)
        self.publish("back")
        for n, _ in each:
            self.until_live(f"from-{n}")
            self.until_live(f"to-{n}", server=self.other)
        self.assertGreaterEqual(self.server.log.count("the stream has moved to"), 2 * len(servers))

    def test_to_another_application_and_to_a_whole_url(self):
        self.serve_other()
        there = self.other.rtmp("x").removesuffix("/x")
        refused = ("_error", self.moved(redirect=there))
        self.check(RtmpServer(self, connect=refused))

    def test_of_a_stream_when_it_is_asked_for(self):
        self.serve_other()
        there = self.other.rtmp("x").removesuffix("/x")
        # SRS names the application and the whole.
        play = ("onStatus", self.moved(redirect=there, redirect2=f"{there}/{STREAM}"))
        publish = ("onStatus", self.moved(redirect=there, redirect2=f"{there}/to-0"))
        self.check(RtmpServer(self, play=play, publish=publish))

    def test_in_circles_is_given_up_for_a_while(self):
        other = RtmpServer(self)
        other.answers["connect"] = ("_error", self.moved(redirect=other.url("old")))
        self.serve(pull=[{"stream": STREAM, "url": other.url("old/x")}])
        self.until_log_counts("it redirects too often; again in 1 s", 1)
        self.assertEqual(len(other.asked("connect")), 5)


class Refusals(RelayCase):
    def test_the_words_of_the_server_are_in_the_log_without_the_key(self):
        said = {"level": "error", "description": f"no {KEY}, says\nTiger-97"}
        connect = ("_error", {**said, "code": "NetConnection.Connect.Rejected"})
        play = ("onStatus", {**said, "code": "NetStream.Play.Failed"})
        publish = ("_error", {**said, "code": "NetStream.Publish.Denied"})
        servers = [
            RtmpServer(self, **answers)
            for answers in ({"connect": connect}, {"play": play, "publish": publish})
        ]
        urls = [one.url(f"live/{KEY}") for one in servers]
        pulls = [{"stream": f"from-{n}", "url": url} for n, url in enumerate(urls)]
        self.serve(pull=pulls, push=[{"stream": STREAM, "url": urls[1]}])
        self.publish(STREAM)
        for code in ("Connect.Rejected", "Play.Failed", "Publish.Denied"):
            self.until_log_counts(f"{code}: no ..., says\\n...; again in 1 s", 1)
        self.assertNotIn("Tiger-97", self.server.log)


class Greetings(RelayCase):
    def test_encoders_and_players_say_what_others_say(self):
        other = RtmpServer(self)
        self.serve(
            pull=[{"stream": "x", "url": other.url(f"live?secret=a/{KEY}")}],
            push=[{"stream": STREAM, "url": other.url(f"a/b/{KEY}")}],
        )
        self.publish(STREAM)
        waiting.until(lambda: other.asked("publish") and other.asked("play"), WITHIN, "both")
        objects = {values[1]["app"]: values[1] for values in other.asked("connect")}
        player, encoder = objects["live?secret=a"], objects["a/b"]
        self.assertEqual(player["tcUrl"], other.url("live?secret=a"))
        self.assertEqual(encoder["tcUrl"], other.url("a/b"))
        self.assertEqual(encoder["type"], "nonprivate")
        self.assertRegex(encoder["flashVer"], r"^FMLE/3\.0 \(compatible; ")
        for one in (player, encoder):
            self.assertEqual(one["fourCcList"], ["*"])
            self.assertIn("capsEx", one)
        self.assertEqual(other.asked("play")[0][2], KEY)
        for command in ("releaseStream", "FCPublish", "publish"):
            self.assertEqual(other.asked(command)[0][2], KEY, command)
