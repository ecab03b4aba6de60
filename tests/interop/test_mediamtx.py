"""MediaMTX's API by curl, as dashboards and scripts use it."""

import json
import re
import subprocess
import uuid

import paths
import waiting
from relay_case import STREAM, RelayCase
from tls_case import TlsCase

WITHIN = 20
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
# The fields that every RTSP session has at MediaMTX.
RTSP = set(
    "id created remoteAddr state path query user userAgent transport profile conns inboundBytes inboundRTPPackets "
    "inboundRTPPacketsLost inboundRTPPacketsInError inboundRTPPacketsJitter inboundRTCPPackets "
    "inboundRTCPPacketsInError outboundBytes outboundRTPPackets outboundRTPPacketsReportedLost "
    "outboundRTPPacketsDiscarded outboundRTCPPackets bytesReceived bytesSent rtpPacketsReceived rtpPacketsSent "
    "rtpPacketsLost rtpPacketsInError rtpPacketsJitter rtcpPacketsReceived rtcpPacketsSent rtcpPacketsInError".split()
)


class Api:
    def call(self, path, *options):
        """The status and the JSON of an answer."""
        url = f"http://127.0.0.1:{self.server.api_port}/v3/{path}"
        command = ["curl", "-sS", "-w", "\n%{http_code}", *options, url]
        done = subprocess.run(command, capture_output=True, check=True, text=True)
        body, status = done.stdout.rsplit("\n", 1)
        return int(status), json.loads(body)

    def ask(self, path, *options):
        status, said = self.call(path, *options)
        self.assertEqual(status, 200, said)
        return said

    def until(self, path, fits):
        waiting.until(lambda: fits(self.call(path)[1]), WITHIN, lambda: str(self.call(path)))
        return self.ask(path)

    def until_items(self, name, count):
        return self.until(f"{name}/list", lambda said: said["itemCount"] == count)["items"]

    def play(self, url, *options):
        command = [paths.FFMPEG_CURRENT, "-v", "error", *options, "-i", url]
        return self.start("player", [*command, "-c", "copy", "-f", "null", "-"])


class Sessions(Api, RelayCase):
    def test_each_protocol_has_its_list_and_each_session_can_be_ended(self):
        self.serve(hls={"sessions": True, "segment": "500ms"})
        self.publish_rtsp_live(STREAM)
        (publisher,) = self.until_items("rtspsessions", 1)
        self.assertEqual(set(publisher), RTSP)
        self.assertEqual((publisher["state"], publisher["path"]), ("publish", STREAM))
        self.assertRegex(publisher["created"], TIME)
        (conn,) = self.until_items("rtspconns", 1)
        self.assertEqual((conn["session"], publisher["conns"]), (publisher["id"], [conn["id"]]))
        self.assertNotEqual(uuid.UUID(conn["id"]), uuid.UUID(publisher["id"]))

        path = self.until(f"paths/get/{STREAM}", lambda said: said.get("inboundBytes"))
        self.assertEqual(path["source"], {"type": "rtspSession", "id": publisher["id"]})
        video = next(track for track in path["tracks2"] if track["codec"] == "H264")
        self.assertGreater(video["codecProps"]["width"], 0)
        self.assertRegex(video["codecProps"]["level"], r"^\d(\.\d)?$")

        urls = {
            "rtmpconns": self.server.rtmp(STREAM),
            "hlssessions": self.server.flv(STREAM),
            "rtspsessions": self.server.rtsp(STREAM),
        }
        for name, url in urls.items():
            player = self.play(url)
            items = self.until_items(name, 1 + (name == "rtspsessions"))
            ids = [one["id"] for one in items if one["id"] != publisher["id"]]
            readers = self.until(f"paths/get/{STREAM}", lambda said: said["readers"])["readers"]
            self.assertEqual(([reader["id"] for reader in readers], len(ids)), (ids, 1), name)
            self.assertEqual(self.ask(f"{name}/get/{ids[0]}")["id"], ids[0])
            self.assertEqual(self.ask(f"{name}/kick/{ids[0]}", "-X", "POST"), {"status": "ok"})
            player.wait(WITHIN)
            self.until(f"paths/get/{STREAM}", lambda said: said["readers"] == [])

        player = self.play(self.server.hls(STREAM))
        (muxer,) = self.until_items("hlsmuxers", 1)
        self.assertEqual(self.ask(f"hlsmuxers/get/{STREAM}")["created"], muxer["created"])
        self.until_items("hlssessions", 1)
        player.stop()

    def test_a_path_with_a_source_is_played_when_somebody_watches(self):
        self.serve_other()
        self.serve()
        self.publish_live(STREAM, server=self.other)
        body = json.dumps({"source": self.other.rtsp(STREAM), "sourceOnDemand": True, "rtspTransport": "udp"})
        self.assertEqual(self.ask("config/paths/add/near", "-d", body), {"status": "ok"})
        self.capture(self.server.flv("near"))
        path = self.until("paths/get/near", lambda said: said["ready"] and said["inboundBytes"])
        self.assertEqual(path["source"], {"type": "rtspSource", "id": ""})
        self.assertEqual(self.ask("config/paths/delete/near", "-X", "DELETE"), {"status": "ok"})
        self.until("paths/get/near", lambda said: not said.get("ready"))


class Recordings(Api, RelayCase):
    def test_recordings_are_listed_by_their_starts(self):
        folder = self.directory / "recorded"
        folder.mkdir()
        self.serve(record=[{"streams": "c*", "path": folder, "format": "fmp4", "length": "1s"}])
        self.assertEqual(self.ask("recordings/list")["items"], [])
        self.publish_live("cam")
        said = self.until("recordings/get/cam", lambda said: len(said.get("segments", [])) > 1)
        starts = [segment["start"] for segment in said["segments"]]
        self.assertEqual(starts, sorted(starts))
        self.assertRegex(starts[0], TIME)
        (listed,) = self.ask("recordings/list")["items"]
        self.assertEqual((listed["name"], listed["segments"][0]["start"]), ("cam", starts[0]))
        gone = f"recordings/deletesegment?path=cam&start={starts[0]}"
        # the next begins before this one is complete
        waiting.until(lambda: self.call(gone, "-X", "DELETE") == (200, {"status": "ok"}), WITHIN, lambda: gone)
        self.assertEqual(self.call(gone, "-X", "DELETE")[0], 404)
        left = [segment["start"] for segment in self.ask("recordings/get/cam")["segments"]]
        self.assertTrue(left)
        self.assertNotIn(starts[0], left)
        self.assertEqual(self.ask("recordings/get/none"), {"name": "none", "segments": []})
        source = json.dumps({"source": "rtsp://127.0.0.1:1/a", "sourceOnDemand": True, "record": True})
        self.ask("config/paths/add/cam1", "-d", source)
        self.assertEqual(self.ask("config/paths/get/cam1")["record"], True)

    def test_a_segment_that_is_written_is_not_deleted(self):
        folder = self.directory / "recorded"
        folder.mkdir()
        self.serve(record=[{"streams": "cam", "path": folder, "format": "fmp4"}])
        self.publish_live("cam")
        said = self.until("recordings/get/cam", lambda said: said.get("segments"))
        (segment,) = said["segments"]
        written = f"recordings/deletesegment?path=live/cam&start={segment['start']}"
        error = {"status": "error", "error": "the segment is being written"}
        self.assertEqual(self.call(written, "-X", "DELETE"), (409, error))


class Sealed(Api, TlsCase):
    def test_sessions_under_tls_have_lists_of_their_own(self):
        self.serve_sealed()
        self.publish_live(STREAM)
        player = self.play(self.server.rtsps(STREAM), "-tls_verify", "0")
        (session,) = self.until_items("rtspssessions", 1)
        (conn,) = self.until_items("rtspsconns", 1)
        self.assertEqual(conn["session"], session["id"])
        self.assertEqual(self.until_items("rtspsessions", 0), [])
        readers = self.ask(f"paths/get/{STREAM}")["readers"]
        self.assertEqual(readers, [{"type": "rtspsSession", "id": session["id"]}])
        self.assertEqual(len(self.until_items("rtmpconns", 1)), 1)
        self.ask(f"rtspssessions/kick/{session['id']}", "-X", "POST")
        player.wait(WITHIN)
        self.until_items("rtspssessions", 0)
