"""Servers are told what happens here, as lal tells them."""

import threading
import urllib.request

import certificate
import waiting
from case import Case
from receiver import Receiver
from relay_case import RelayCase

STREAM = "cam"
SESSION = [
    *["server_id", "session_id", "protocol", "base_type", "remote_addr", "url", "app_name"],
    *["stream_name", "url_param", "has_in_session", "has_out_session"],
    *["read_bytes_sum", "wrote_bytes_sum"],
]


class NotifyCase(Case):
    def receive(self, **how):
        return Receiver(self, **how)

    def table(self, receiver, **keys):
        return {"url": receiver.url, "update_interval": "0s", **keys}

    def serve_telling(self, *tables, **sections):
        self.serve(notify=list(tables), **sections)


class Told(NotifyCase):
    def test_sessions_are_told_in_order_with_lals_fields(self):
        receiver = self.receive()
        self.serve_telling(self.table(receiver))
        publisher = self.publish(f"{STREAM}?token=x")
        receiver.until("on_pub_start")
        capture = self.capture(self.server.flv(STREAM))
        capture.until_span(500)
        capture.stop()
        receiver.until("on_sub_stop")
        publisher.stop()
        receiver.until("on_pub_stop")
        start, stop = receiver.of("on_pub_start")[0].json, receiver.of("on_pub_stop")[0].json
        self.assertEqual(list(start), SESSION)
        self.assertEqual(
            [start[key] for key in SESSION[:4]], ["1", start["session_id"], "RTMP", "PUB"]
        )
        self.assertRegex(start["session_id"], "^RTMPPUBSUB[0-9]+$")
        self.assertEqual((start["app_name"], start["stream_name"]), ("live", STREAM))
        self.assertEqual((start["url_param"], start["has_in_session"]), ("token=x", True))
        self.assertEqual(stop["session_id"], start["session_id"])
        self.assertGreater(stop["read_bytes_sum"], 10_000)
        self.assertEqual((stop["has_in_session"], stop["has_out_session"]), (False, False))
        sub = receiver.of("on_sub_stop")[0].json
        self.assertEqual((sub["protocol"], sub["base_type"]), ("FLV", "SUB"))
        self.assertGreater(sub["wrote_bytes_sum"], 1000)
        connect = receiver.of("on_rtmp_connect")[0].json
        self.assertEqual((connect["app"], connect["session_id"]), ("live", start["session_id"]))
        self.assertEqual(connect["tcUrl"], f"rtmp://127.0.0.1:{self.server.rtmp_port}/live")
        events = receiver.events()
        self.assertEqual(events[:3], ["on_server_start", "on_rtmp_connect", "on_pub_start"])
        numbers = [post.number for post in receiver.posts]
        self.assertEqual(numbers, list(range(1, len(numbers) + 1)))
        self.assertEqual(len({post.id.split("-")[0] for post in receiver.posts}), 1)
        self.server.stop()
        self.assertEqual(receiver.events()[-1], "on_server_stop")

    def test_each_start_has_one_stop_when_replaced_killed_and_at_the_end(self):
        receiver = self.receive()
        self.serve_telling(self.table(receiver), publish={"conflict": "replace"})
        first = self.publish_live(STREAM)
        second = self.publish(STREAM)
        receiver.until("on_pub_stop")
        self.assertTrue(receiver.of("on_pub_stop")[0].json["has_in_session"])
        first.stop()
        second.kill()
        receiver.until("on_pub_stop", len(receiver.of("on_pub_start")))
        self.publish_live(STREAM)
        captures = [self.capture(self.server.flv(STREAM)) for _ in range(3)]
        for capture in captures:
            capture.until_span(100)
        clock = waiting.Clock()
        self.server.stop()
        clock.check(3, "the server ends")
        for kind in ("pub", "sub"):
            starts, stops = (
                [post.json["session_id"] for post in receiver.of(f"on_{kind}_{what}")]
                for what in ("start", "stop")
            )
            self.assertEqual(sorted(starts), sorted(stops), kind)
        self.assertEqual(receiver.events()[-1], "on_server_stop")

    def test_updates_tell_the_state_of_all_streams(self):
        receiver = self.receive()
        self.serve_telling(self.table(receiver, update_interval="1s", events=["on_update"]))
        self.assertEqual(receiver.until("on_update").json, {"server_id": "1", "groups": None})
        self.publish_live(STREAM)
        waiting.until(
            lambda: receiver.of("on_update")[-1].json["groups"], 10, "a stream in on_update"
        )
        group = receiver.of("on_update")[-1].json["groups"][0]
        self.assertEqual((group["stream_name"], group["pub"]["base_type"]), (STREAM, "PUB"))

    def test_segments_recordings_and_refusals_are_told(self):
        receiver = self.receive()
        folder = self.directory / "recordings"
        folder.mkdir()
        events = ["on_hls_make_ts", "on_record_start", "on_record_stop", "on_auth_fail"]
        self.serve_telling(
            self.table(receiver, events=events),
            record=[{"streams": STREAM, "path": folder}],
            hls={"on_demand": False, "segment": "1s"},
            rtsp={"auth": "digest", "user": "u", "password": "p"},
        )
        publisher = self.publish_live(STREAM)
        opened, closed = (receiver.until("on_hls_make_ts", count).json for count in (1, 2))
        self.assertEqual((opened["event"], opened["duration"]), ("open", 0))
        self.assertEqual((closed["event"], closed["ts_file"]), ("close", opened["ts_file"]))
        self.assertGreater(closed["duration"], 0.5)
        got = urllib.request.urlopen(f"{self.server.http}/{closed['ts_file']}", timeout=5)
        self.assertEqual(got.status, 200)
        record = receiver.until("on_record_start").json
        self.assertEqual((record["protocol"], record["url"]), ("RECORD", str(folder)))
        publisher.stop()
        self.assertEqual(receiver.until("on_record_stop").json["session_id"], record["session_id"])
        wrong = self.server.rtsp(STREAM).replace("rtsp://", "rtsp://u:wrong@")
        self.start("player", ["ffmpeg", "-v", "quiet", "-i", wrong, "-f", "null", "-"])
        refused = receiver.until("on_auth_fail").json
        self.assertEqual((refused["reason"], refused["count"], refused["stream_name"]), ("password", 1, STREAM))


class OfRelays(RelayCase):
    def test_pulls_and_pushes_are_told_by_both_ends(self):
        receivers = here, there = [Receiver(self) for _ in range(2)]
        tables = [{"url": one.url, "update_interval": "0s"} for one in receivers]
        self.serve_other(notify=[tables[1]])
        pull = self.table("rtmp", stream="pulled", name="far")
        self.serve(notify=[tables[0]], push=[self.table("rtsp", name="copy")], pull=[pull])
        far = self.publish("far", server=self.other)
        near = self.publish(STREAM)
        pulled = here.until("on_relay_pull_start").json
        self.assertEqual((pulled["protocol"], pulled["base_type"]), ("RTMP", "PULL"))
        self.assertEqual(pulled["stream_name"], "pulled")
        pushed = here.until("on_relay_push_start").json
        self.assertEqual((pushed["protocol"], pushed["base_type"]), ("RTSP", "PUSH"))
        there.until("on_pub_start", 2)
        far.stop()
        near.stop()
        self.assertEqual(here.until("on_relay_pull_stop").json["session_id"], pulled["session_id"])
        self.server.stop()
        self.assertEqual(len(here.of("on_relay_pull_start")), len(here.of("on_relay_pull_stop")))
        pushes = [here.of(f"on_relay_push_{what}") for what in ("start", "stop")]
        self.assertEqual(*([post.json["session_id"] for post in posts] for posts in pushes))


class Delivery(NotifyCase):
    def test_one_that_hangs_delays_nobody_else_and_the_end_by_no_more_than_a_second(self):
        free = threading.Event()
        self.addCleanup(free.set)
        hangs = self.receive(answer=lambda post: (free.wait(), 200)[1])
        well = self.receive()
        self.serve_telling(self.table(hangs), self.table(well))
        clock = waiting.Clock()
        self.publish_live(STREAM).stop()
        well.until("on_pub_stop")
        clock.check(20, "all is told")
        self.assertEqual(hangs.events(), ["on_server_start"])
        clock = waiting.Clock()
        self.server.stop()
        clock.check(3, "the server ends")
        self.assertEqual(well.events()[-1], "on_server_stop")

    def test_what_fails_is_told_again_by_the_same_id_and_what_is_refused_is_not(self):
        statuses = {"on_server_start": [503, 429, 200], "on_rtmp_connect": [400, 200]}

        def answer(post):
            return (statuses.get(post.event) or [200]).pop(0)

        receiver = self.receive(answer=answer)
        self.serve_telling(self.table(receiver, secret="s3cret"))
        self.publish_live(STREAM)
        receiver.until("on_pub_start", timeout=30)
        first = receiver.of("on_server_start")
        self.assertEqual((len(first), len({post.id for post in first})), (3, 1))
        self.assertEqual(len(receiver.of("on_rtmp_connect")), 1)
        others = receiver.events("on_sub_start", "on_sub_stop", "on_server_start")
        self.assertEqual(others, ["on_rtmp_connect", "on_pub_start"])
        for post in receiver.posts:
            self.assertTrue(post.is_signed_by("s3cret"))
        self.assertIn("takes events again", self.server.log)
        for secret in ("s3cret", "/told"):
            self.assertNotIn(secret, self.server.log)

    def test_one_that_is_not_there_delays_neither_the_others_nor_the_end(self):
        gone, well = self.receive(), self.receive()
        gone.close()
        self.serve_telling(self.table(gone), self.table(well))
        self.publish_live(STREAM).stop()
        well.until("on_pub_stop")
        clock = waiting.Clock()
        self.server.stop()
        clock.check(3, "the server ends")
        self.assertEqual(self.server.log.count("is given up"), 1)
        self.assertEqual(well.events()[-1], "on_server_stop")

    def test_what_finds_no_room_is_told_as_lost(self):
        free = threading.Event()
        self.addCleanup(free.set)
        receiver = self.receive(answer=lambda post: (free.wait(), 200)[1])
        tables = self.table(receiver, events=["on_sub_start", "on_sub_stop", "on_lost"])
        self.serve_telling(tables, notifications={"events": 8}, log={"level": "debug"})
        self.publish_live(STREAM)
        for _ in range(12):
            capture = self.capture(self.server.flv(STREAM))
            capture.until_span(10)
            capture.stop()
        self.until_log_counts("stops playing", 13)
        free.set()
        lost = receiver.until("on_lost", timeout=30)
        self.capture(self.server.flv(STREAM)).until_span(10)
        waiting.until(lambda: receiver.events()[-1] == "on_sub_start", 20, receiver.events)
        before = [post.number for post in receiver.posts[: receiver.posts.index(lost)]]
        body = lost.json
        self.assertEqual(body["from"], max(before) + 1)
        self.assertEqual(body["to"] - body["from"] + 1, body["count"])
        self.assertEqual(receiver.posts[-1].number, body["to"] + 1)

    def test_https_is_believed_by_its_authority_alone(self):
        own, authority = certificate.make_signed(self.directory)
        receiver = self.receive(cert=own)
        believed = self.table(receiver, ca=authority, events=["on_server_start"])
        doubted = self.table(receiver, events=["on_pub_start"])
        self.serve_telling(believed, doubted)
        receiver.until("on_server_start")
        self.publish_live(STREAM)
        self.until_log_says("notify 127.0.0.1:[0-9]+: on_pub_start is not taken: .*certificate")
        self.assertEqual(receiver.of("on_pub_start"), [])

    def test_a_reload_adds_and_removes_receivers_and_leaves_the_others(self):
        stays, goes, comes = (self.receive() for _ in range(3))
        self.serve_telling(self.table(stays), self.table(goes))
        goes.until("on_server_start")
        updates = self.table(comes, update_interval="5s")
        self.server.configure({"notify": [self.table(stays), updates]})
        self.server.program.signal(1)
        self.until_log_says("SIGHUP: the configuration was read again")
        self.publish_live(STREAM)
        starts = {receiver.until("on_pub_start").id.split("-")[0] for receiver in (stays, comes)}
        self.assertEqual(len(starts), 2, "numbers begin anew with each receiver, so ids differ before them")
        self.assertEqual(goes.events(), ["on_server_start"])
        self.assertEqual(comes.events()[0], "on_update")

    def test_the_name_of_an_event_may_be_in_the_url(self):
        receiver = self.receive()
        url = receiver.url.replace("/told", "/{event}?k=1")
        self.serve_telling({"url": url, "events": ["on_server_start"]})
        self.assertEqual(receiver.until("on_server_start").path, "/on_server_start?k=1")
