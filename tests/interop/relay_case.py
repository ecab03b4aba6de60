"""The base of the tests with two servers: one pulls from the other, or pushes to it."""

import signal

import certificate
import flv
import paths
import timeline
from case import Case

STREAM = "cam"
# Each way: the scheme, and whether UDP is asked for.
WAYS = {
    "rtsp": {},
    "rtsp-udp": {"udp": True},
    "rtmp": {},
    "rtsps": {"insecure": True},
    "rtmps": {"insecure": True},
}


def url(server, way, name, user="", host="127.0.0.1"):
    """The URL of a stream of this server by one of the ways."""
    plain = getattr(server, way.removesuffix("-udp"))(name).replace("127.0.0.1", host)
    return plain.replace("://", f"://{user}@", 1) if user else plain


class RelayCase(Case):
    def serve_other(self, address="127.0.0.1", **sections):
        """The other server, with a certificate that nobody has signed."""
        sections["tls"] = certificate.make(self.directory, max=8)
        self.other = self.serve_another("other", address, **sections)
        return self.other

    def leave_a_circle(self, kind, ways):
        """Two servers pull from, or push to, each other what is published here by each way
        until both have it. The other one."""
        there = self.serve_other()
        self.serve(**{kind: [self.table(way, stream=way, name=way) for way in ways]})
        back = [{"stream": way, "url": url(self.server, way, way)} for way in ways]
        there.configure({kind: back})
        there.program.signal(signal.SIGHUP)
        publishers = [self.publish_live(way) for way in ways]
        for way in ways:
            self.until_live(way, server=there)
        for publisher in publishers:
            publisher.stop()
        return there

    def table(self, way, stream=STREAM, name=STREAM, user="", **keys):
        """A [[pull]] or [[push]] of `stream` by this way; `name` is its name there."""
        return {"stream": stream, "url": url(self.other, way, name, user), **WAYS[way], **keys}

    def check_whole(self, capture, seconds, by_rtp, media="demo"):
        """An unbroken stretch of the file has come, unchanged, and decodes."""
        capture.until_span(seconds * 1000)
        self.assertIsNone(capture.ended, capture.url)
        data = capture.stop()
        samples = flv.samples(data)
        source = flv.samples(paths.media(media).read_bytes())
        differences = timeline.differences_by_rtp if by_rtp else timeline.differences
        self.assert_none(timeline.faults(samples), capture.url)
        self.assert_none(differences(source, samples), capture.url)
        self.assert_decodes(data, seconds - 1)
