"""RTSP over UDP between addresses that mean something together with their interface alone."""

import namespaces
import paths
import players
import publishers
from rtsp_case import STREAM, RtspCase

SECONDS = 3
COPY = "copy"


class LinkLocal(RtspCase):
    def setUp(self):
        super().setUp()
        try:
            wire = namespaces.Wire()
            self.addCleanup(wire.close)
            wire.add_link_local()
        except namespaces.Unavailable as why:
            self.skipTest(f"no link-local addresses: {why}")
        self.wire = wire

    def at_link_local(self, stream):
        url = self.server.rtsp(stream)
        return url.replace("127.0.0.1", f"[{namespaces.LINK_LOCAL}]")

    def publish_over_the_wire(self):
        url = self.at_link_local(STREAM)
        command = publishers.ffmpeg_rtsp(paths.FFMPEG_CURRENT, "demo", url, True, "udp")
        self.start("publisher", [*self.wire.there, *command])
        self.until_live(STREAM)

    def test_ffmpeg_publishes(self):
        self.serve(address="[::]")
        self.publish_over_the_wire()
        self.assertEqual(self.server.metric("runnel_udp_pairs"), 2)

    def test_ffmpeg_plays(self):
        self.serve(address="[::]")
        self.publish_live(STREAM)
        for ffmpeg in (paths.FFMPEG_CURRENT, paths.FFMPEG_DEBIAN):
            url = self.at_link_local(STREAM)
            command = players.ffmpeg_decode_rtsp(ffmpeg, url, SECONDS, "udp")
            player = self.start("ffmpeg", [*self.wire.there, *command])
            player.wait(players.PLAYS_WITHIN)
            self.assertEqual(list(players.ffmpeg_faults(player, SECONDS)), [])
        self.until_log_counts(f"plays {STREAM} over UDP", 2)

    def relay(self, kind):
        """A second server that relays the stream of the first, by UDP."""
        table = {"stream": STREAM, "url": self.at_link_local(STREAM if kind == "pull" else COPY)}
        return self.serve_another("other", **{kind: [{**table, "udp": True}]})

    def test_a_stream_is_pulled(self):
        self.serve(address="[::]")
        self.publish_live(STREAM)
        other = self.relay("pull")
        self.until_live(STREAM, server=other)
        self.assertEqual(other.metric("runnel_udp_pairs"), 2)

    def test_a_stream_is_pushed(self):
        self.serve(address="[::]")
        other = self.relay("push")
        self.publish_live(STREAM, server=other)
        self.until_live(COPY)
        self.assertEqual(other.metric("runnel_udp_pairs"), 2)
