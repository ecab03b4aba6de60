"""Streams that go to a group: sent once, however many listen."""

import itertools
import re
import signal

import namespaces
import paths
import players
import rtp
import rtsp_client
import waiting
from rtsp_case import AUDIO, STREAM, VIDEO, RtspCase

GROUP = "239.255.42.42"
OTHER_GROUP = "239.255.42.43"
SECONDS = 4
ENDS_WITHIN = 10
MULTICAST = "Transport: RTP/AVP;multicast"
TTL = 3


class WithoutGroup(RtspCase):
    def test_who_asks_for_multicast_is_told_to_ask_for_something_else(self):
        self.serve()
        self.publish_live(STREAM)
        client = self.connect()
        self.ok(client, "DESCRIBE", self.url)
        answer = client.request("SETUP", self.track(VIDEO), MULTICAST)
        self.assertEqual(answer.status, 461, answer)
        self.play(client)
        self.assert_plays(client)


class WithGroup(RtspCase):
    def setUp(self):
        super().setUp()
        try:
            wire = namespaces.Wire()
        except namespaces.Unavailable as why:
            self.skipTest(f"no network namespaces: {why}")
        self.addCleanup(wire.close)
        self.wire = wire
        self.serve(address="0.0.0.0", rtsp={"multicast": GROUP, "multicast_ttl": TTL})
        self.publish_live(STREAM, media="bframes")
        self.tap = namespaces.Tap()
        self.addCleanup(self.tap.close)

    def start_player(self, ffmpeg=paths.FFMPEG_CURRENT, seconds=SECONDS):
        """At the other end of the wire."""
        url = self.url.replace("127.0.0.1", namespaces.HERE)
        command = players.ffmpeg_decode_rtsp(ffmpeg, url, seconds, "udp_multicast")
        return self.start("ffmpeg", [*self.wire.there, *command])

    def assert_played(self, program):
        """Packets of a group are in the middle of something when somebody begins to listen,
        and there are two seconds between one key picture and the next."""
        self.assertEqual(program.wait(players.PLAYS_WITHIN), 0, program.describe())
        for word in ("missed", "reordering"):
            self.assertNotIn(word, program.stderr)
        frames = int(re.findall(rb"^frame=(\d+)", program.stdout, re.MULTILINE)[-1])
        self.assertGreater(frames, (SECONDS - 2) * 20, program.describe())

    def until_pairs(self, count):
        waiting.until(
            lambda: self.server.metric("runnel_udp_pairs") == count,
            ENDS_WITHIN,
            lambda: f"{count} pairs, not {self.server.metric('runnel_udp_pairs')}",
        )

    def sent(self):
        """RTP by port, as it has left since the last time; everything goes to the group."""
        taken = self.tap.take()
        self.assertEqual({to for to, _, _ in taken} - {GROUP}, set())
        return namespaces.packets_of(taken, GROUP)

    def assert_sent_once(self, sent):
        self.assertEqual(len(sent), 2, "one port for each track")
        for port, packets in sent.items():
            numbers = [one.sequence for one in packets]
            steps = {(after - before) & 0xFFFF for before, after in itertools.pairwise(numbers)}
            self.assertEqual(steps, {1}, f"on port {port}")

    def test_two_players_cost_no_more_than_one(self):
        playing = [self.start_player(ffmpeg) for ffmpeg in (paths.FFMPEG_CURRENT,) * 2]
        self.until_log_counts(f"plays {STREAM} over multicast", 2)
        self.assertEqual(self.server.metric("runnel_udp_pairs"), 2)
        for program in playing:
            self.assert_played(program)
        self.until_pairs(0)
        self.assert_sent_once(self.sent())
        self.assertEqual(self.server.log.count(f"id=RTSPCAST1 stream={STREAM} is sent to the group {GROUP}\n"), 1)
        # When all are gone nothing is sent any more, while the stream goes on.
        self.until_live(STREAM, 500)
        self.assertEqual(self.sent(), {})

    def test_debian_ffmpeg_plays(self):
        self.assert_played(self.start_player(paths.FFMPEG_DEBIAN))

    def join(self, address=namespaces.HERE):
        """A client that has both tracks from the group, by the wire as it seems."""
        client = rtsp_client.RtspClient(self.server.rtsp_port, address=address)
        self.addCleanup(client.close)
        self.ok(client, "DESCRIBE", self.url)
        agreed = []
        for track in (VIDEO, AUDIO):
            answer = self.ok(client, "SETUP", self.track(track), MULTICAST)
            agreed.append(rtsp_client.parameters(answer.fields["transport"]))
        return client, agreed

    def test_the_cast_lasts_until_the_last_one_leaves(self):
        """Whether they say goodbye or not."""
        one, agreed = self.join()
        other, same = self.join()
        self.assertEqual(agreed, same)
        for client in (one, other):
            self.ok(client, "PLAY", self.url)
        self.until_pairs(2)
        self.ok(one, "TEARDOWN", self.url)
        self.assertTrue(one.ends())
        self.sent()
        waiting.until(self.sent, ENDS_WITHIN, "packets for the other one")
        self.assertEqual(self.server.metric("runnel_udp_pairs"), 2)
        other.close()
        self.until_pairs(0)

    def test_the_answer_says_where_to_listen(self):
        client, agreed = self.join()
        self.ok(client, "PLAY", self.url)
        ports = []
        for transport in agreed:
            self.assertIn("multicast", transport)
            self.assertEqual(transport["destination"], GROUP)
            self.assertEqual(transport["ttl"], str(TTL))
            ports.append(rtsp_client.pair(transport["port"])[0])
        sent = {}

        def both():
            for port, packets in self.sent().items():
                sent.setdefault(port, []).extend(packets)
            return len(sent) == 2

        waiting.until(both, ENDS_WITHIN, lambda: f"packets on {ports}, not {list(sent)}")
        self.assertEqual(sorted(sent), sorted(ports))
        # Pictures on the first: nobody begins in the middle of one.
        self.assertTrue(rtp.starts_key_picture(sent[ports[0]][0].payload))

    def test_another_group_is_for_those_who_come_then(self):
        one, before = self.join()
        self.ok(one, "PLAY", self.url)
        self.until_pairs(2)
        self.server.configure({"rtsp": {"multicast": OTHER_GROUP, "multicast_ttl": TTL + 1}})
        self.server.program.signal(signal.SIGHUP)
        self.until_log_counts("the configuration was read again", 1)
        other, after = self.join()
        self.assertEqual({one["destination"] for one in before}, {GROUP})
        self.assertEqual({one["destination"] for one in after}, {OTHER_GROUP})
        self.assertEqual({one["ttl"] for one in after}, {str(TTL + 1)})
        self.assertEqual(self.server.metric("runnel_udp_pairs"), 4)
        self.tap.take()
        groups = set()

        def both():
            groups.update(to for to, _, _ in self.tap.take())
            return groups == {GROUP, OTHER_GROUP}

        waiting.until(both, ENDS_WITHIN, lambda: f"packets for both, not {groups}")
        one.close()
        self.until_pairs(2)
        other.close()
        self.until_pairs(0)

    def test_it_goes_by_each_way_on_which_somebody_listens(self):
        """A group is another one on each interface."""
        near, _ = self.join("127.0.0.1")
        self.ok(near, "PLAY", self.url)
        far, _ = self.join()
        self.ok(far, "PLAY", self.url)
        waiting.until(self.sent, ENDS_WITHIN, "packets on the wire")

    def test_others_play_as_ever(self):
        client, _ = self.join()
        self.ok(client, "PLAY", self.url)
        other, _ = self.play()
        self.assert_plays(other)
