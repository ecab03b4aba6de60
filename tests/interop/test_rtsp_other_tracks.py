"""A publisher comes back with other tracks than those that a player was told of."""

import paths
import players
from rtsp_case import STREAM, RtspCase

SECONDS = 2
REASON = "the stream has other tracks than were described"


class OtherTracks(RtspCase):
    def setUp(self):
        super().setUp()
        self.serve()

    def test_its_players_are_closed_with_the_reason_and_new_ones_play(self):
        publisher = self.publish_live(STREAM)
        client, _ = self.play()
        self.assert_plays(client)
        over_udp = self.start(
            "ffmpeg", players.ffmpeg_decode_rtsp(paths.FFMPEG_CURRENT, self.url, 60, "udp")
        )
        self.until_log_counts(f"plays {STREAM} over UDP", 1)
        publisher.stop()
        self.until_log_counts(f"stops publishing {STREAM}", 1)
        self.publish(STREAM, media="hevc")
        self.assertTrue(client.ends())
        self.until_log_counts(f"stops playing {STREAM}: refused: {REASON}", 2)
        over_udp.wait(players.PLAYS_WITHIN)
        for way in ("tcp", "udp"):
            command = players.ffmpeg_decode_rtsp(paths.FFMPEG_CURRENT, self.url, SECONDS, way)
            program = self.start("ffmpeg", command)
            program.wait(players.PLAYS_WITHIN)
            self.assert_none(players.ffmpeg_faults(program, SECONDS), "ffmpeg")

    def test_who_plays_only_what_is_the_same_stays(self):
        publisher = self.publish_live(STREAM)
        client, _ = self.play(tracks=[1])
        publisher.stop()
        self.until_log_counts(f"stops publishing {STREAM}", 1)
        for _ in range(len(client.packets)):
            client.packet()
        self.publish(STREAM, media="hevc")
        self.until_log_counts(f"{STREAM} carries H265, AAC", 1)
        client.socket.settimeout(10)
        for _ in range(100):
            client.packet()
        self.assertNotIn(REASON, self.server.log)
