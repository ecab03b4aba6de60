"""A peer that repeats an action without end does not fill the log."""

import re
import struct

import rtsp_client
import waiting
from raw_http import RawHttp
from rtsp_case import STREAM, VIDEO, RtspCase
from test_log import Saying

WITHIN = 10
TRIES = 9
# More than a hundred in ten seconds are not told.
SESSIONS = 130
GROUP = "239.255.42.42"
ROUNDS = 200
# PCMU at a rate that neither MPEG-TS nor FLV has.
PCMU, RATE, SAMPLES = 97, 16_000, 320
SOUND = f"""v=0
o=- 0 0 IN IP4 127.0.0.1
s=x
t=0 0
m=audio 0 RTP/AVP {PCMU}
a=rtpmap:{PCMU} PCMU/{RATE}
a=control:t0
""".replace("\n", "\r\n")


class PastTheLimit(Saying):
    """A publisher who comes after so many sessions of its peer that the log is not told of it."""

    def said_of(self, name):
        """But for those who play."""
        lines = [line for line in self.server.log.splitlines() if name in line]
        return [line for line in lines if not re.search(r" (plays|stops playing) ", line)]

    def untold(self, publish):
        """The lines about a stream whose begin was not logged: `publish` has a stream of this name begin
        and end."""
        for number in range(TRIES):
            self.say(SESSIONS)
            name = f"stranger{number}"
            publish(name)
            # A thread writes its lines: this one is behind them.
            self.say(SESSIONS)
            self.until_log_counts("more lines are left out (sessions)", 1)
            said = self.said_of(name)
            if not any(f"publishes {name}" in line for line in said):
                return said
        self.fail("all of them were told")

    def publish_sound(self, name):
        client = rtsp_client.RtspClient(self.server.rtsp_port)
        self.addCleanup(client.close)
        url = self.server.rtsp(name)
        transport = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1;mode=record"
        for asked in (
            ("ANNOUNCE", url, "Content-Type: application/sdp"),
            ("SETUP", f"{url}/t0", transport),
            ("RECORD", url),
        ):
            body = SOUND if asked[0] == "ANNOUNCE" else ""
            self.assertEqual(client.request(*asked, body=body).status, 200)
        numbers = iter(range(1, 10_000))

        def send():
            number = next(numbers)
            header = struct.pack(">BBHII", 0x80, PCMU, number, number * SAMPLES, 9)
            client.send_packet(0, header + b"\xd5" * SAMPLES)

        players = []
        for ending in ("ts", "flv"):
            player = RawHttp(self.server.http_port)
            self.addCleanup(player.close)
            player.send(f"GET /live/{name}.{ending} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
            players.append(player)

        def all_go_without():
            send()
            page = self.server.metrics()
            return len(re.findall(r"^runnel_tracks_not_carried\{.*\} 1$", page, re.MULTILINE)) == 2

        waiting.until(all_go_without, WITHIN, lambda: f"two who go without: {self.server.metrics()}")
        client.send(b"these are no packets")
        send()
        for one in (client, *players):
            one.close()
        waiting.until(
            lambda: self.server.metric("runnel_publishers") == 0, WITHIN, "the publisher's end"
        )

    def test_of_sound_that_no_viewer_gets_and_of_noise_nothing_is_said(self):
        self.serve()
        self.assertEqual(self.untold(self.publish_sound), [])

    def publish_to_hls(self, name):
        publisher = self.publish(name)
        self.until_hls(name)
        publisher.stop()
        waiting.until(
            lambda: self.server.metric("runnel_publishers") == 0, WITHIN, "the publisher's end"
        )

    def test_of_hls_nothing_is_said(self):
        self.serve(hls={"segment": "1s"})
        self.assertEqual(self.untold(self.publish_to_hls), [])


class Multicast(RtspCase):
    def test_a_group_that_begins_again_and_again_is_counted(self):
        self.serve(rtsp={"multicast": GROUP})
        self.publish_live(STREAM)
        client = self.connect()
        self.ok(client, "DESCRIBE", self.url)
        for _ in range(ROUNDS):
            self.ok(client, "SETUP", self.track(VIDEO), "Transport: RTP/AVP;multicast")
            self.set_up(client)
        self.until_log_says(r"WARN  peer=127\.0\.0\.1.* \d+ more lines are left out \(multicast\)\n")
        told = self.server.log.count("is sent to the group")
        # Five in ten seconds.
        self.assertLess(told, ROUNDS / 2)
        self.assertGreater(told, 0)
