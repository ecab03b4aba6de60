"""The packets of a play by RTSP, and what its answers say about them."""

import time
from collections import defaultdict

import rtp
import rtsp_client
from rtsp_case import AUDIO, STREAM, VIDEO, RtspCase

REPORTS_WITHIN = 5
CLOCKS = {VIDEO: 90_000, AUDIO: 44_100}
# Seconds from the moment that RTP-Info names to the first packet's: what B-frames and
# the other track may bring forward.
LEAD = 0.3


class Packets(RtspCase):
    def setUp(self):
        super().setUp()
        self.serve()
        self.publish_live(STREAM, media="bframes")

    def test_the_ssrc_is_the_one_that_setup_told(self):
        client = self.connect()
        self.ok(client, "DESCRIBE", self.url)
        told = [int(self.set_up(client, track)["ssrc"], 16) for track in (VIDEO, AUDIO)]
        self.ok(client, "PLAY", self.url)
        self.assertEqual([self.next_rtp(client, channel).ssrc for channel in (0, 2)], told)

    def test_the_first_packets_are_those_that_play_told(self):
        client, answer = self.play()
        self.assertEqual(answer.fields["range"], "npt=now-")
        info = [rtsp_client.parameters(one) for one in answer.fields["rtp-info"].split(",")]
        self.assertEqual([one["url"] for one in info], [self.track(VIDEO), self.track(AUDIO)])
        for track, told in zip((VIDEO, AUDIO), info):
            first = self.next_rtp(client, 2 * track)
            self.assertEqual(first.sequence, int(told["seq"]), told)
            ahead = ((first.time - int(told["rtptime"])) & 0xFFFFFFFF) / CLOCKS[track]
            self.assertLess(ahead, LEAD, f"{told}, but {first.time}")

    def test_rtp_info_names_the_same_moment_for_both_tracks(self):
        client, answer = self.play()
        info = [rtsp_client.parameters(one) for one in answer.fields["rtp-info"].split(",")]
        reports = {}

        def reported(channel, data):
            if channel % 2:
                reports.setdefault(channel // 2, rtp.reports(data)[0])
            return len(reports) == 2

        self.take_until(client, reported, REPORTS_WITHIN, "a report on each track")
        moments = []
        for track, told in zip((VIDEO, AUDIO), info):
            since = _signed(reports[track].time - int(told["rtptime"])) / CLOCKS[track]
            moments.append(reports[track].wall - since)
        self.assertAlmostEqual(moments[0], moments[1], delta=0.005)

    def test_both_tracks_have_sender_reports_that_agree_with_the_packets(self):
        client, _ = self.play()
        packets, reports = defaultdict(list), defaultdict(list)

        def reported(channel, data):
            if channel % 2:
                reports[channel // 2] += rtp.reports(data)
            else:
                packets[channel // 2].append(rtp.packet(data))
            return min(len(reports[VIDEO]), len(reports[AUDIO])) >= wanted

        for wanted in (1, 2):
            self.take_until(client, reported, REPORTS_WITHIN, f"{wanted} reports on each track")
        for track, clock in CLOCKS.items():
            first = reports[track][0]
            for one in reports[track]:
                self.assertEqual(one.kind, rtp.SENDER_REPORT)
                self.assertEqual(one.ssrc, packets[track][0].ssrc)
                # The clock of the track goes as fast as that on the wall.
                walls = (one.wall - first.wall) * clock
                self.assertAlmostEqual(_signed(one.time - first.time), walls, delta=clock * 0.05)

    def test_channels_are_those_that_the_client_asked_for(self):
        client = self.connect()
        self.ok(client, "DESCRIBE", self.url)
        self.assertEqual(self.set_up(client, VIDEO, (10, 11))["interleaved"], "10-11")
        self.assertEqual(self.set_up(client, AUDIO, (200, 7))["interleaved"], "200-7")
        self.ok(client, "PLAY", self.url)
        channels = set()

        def seen(channel, _):
            channels.add(channel)
            return channels == {10, 11, 200, 7}

        self.take_until(client, seen, REPORTS_WITHIN, "packets and reports on all channels")

    def test_of_two_tracks_only_the_one_that_was_set_up_comes(self):
        for track in (VIDEO, AUDIO):
            client, answer = self.play(tracks=[track])
            self.assertIn(f"streamid={track};", answer.fields["rtp-info"])
            channels = {client.packet()[0] // 2 for _ in range(40)}
            self.assertEqual(channels, {track})

    def test_it_begins_with_a_key_picture(self):
        client, _ = self.play()
        self.assertTrue(rtp.starts_key_picture(self.next_rtp(client).payload))

    def test_after_a_pause_it_goes_on_with_a_key_picture(self):
        client, _ = self.play()
        self.assert_plays(client)
        self.ok(client, "PAUSE", self.url)
        client.packets.clear()
        # A round trip later nothing more may come.
        self.ok(client, "GET_PARAMETER", self.url)
        self.assertEqual(client.packets, [])
        self.ok(client, "PLAY", self.url)
        client.packets.clear()
        self.assertTrue(rtp.starts_key_picture(self.next_rtp(client).payload))
        self.assert_plays(client)

    def test_sequence_numbers_and_times_go_on_after_a_pause(self):
        client, _ = self.play()
        last = [self.next_rtp(client) for _ in range(20)][-1]
        self.ok(client, "PAUSE", self.url)
        last = [rtp.packet(data) for channel, data in client.packets if channel == 0][-1:] or [last]
        client.packets.clear()
        answer = self.ok(client, "PLAY", self.url)
        first = self.next_rtp(client)
        told = rtsp_client.parameters(answer.fields["rtp-info"].split(",")[0])
        self.assertEqual(first.sequence, int(told["seq"]))
        self.assertEqual(first.ssrc, last[0].ssrc)
        self.assertEqual(first.sequence, (last[0].sequence + 1) & 0xFFFF)


class Pauses(RtspCase):
    def test_a_session_stays_as_long_as_its_timeout_says(self):
        # Half as much again; a connection without a session is given a second.
        self.serve(connections={"handshake": "1s"}, rtsp={"timeout": "10s"})
        self.publish_live(STREAM)
        client, _ = self.play()
        self.ok(client, "PAUSE", self.url)
        client.socket.settimeout(20)
        begun = time.monotonic()
        while client.socket.recv(65536):
            pass
        self.assertGreater(time.monotonic() - begun, 10)


def _signed(difference):
    """Of two times of 32 bits."""
    return ((difference + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)
