"""Receives one RTMP URL by rtmpdump, which writes the messages into FLV as they are."""

import flv
import players
from recording import Recording


class RtmpCapture(Recording):
    reader = flv

    def __init__(self, case, url):
        self.url = url
        self._path = case.directory / f"{url.rsplit('/', 1)[1]}-{id(self)}.flv"
        self.program = case.start("rtmpdump", players.rtmpdump(url, self._path))

    @property
    def data(self):
        return self._path.read_bytes() if self._path.exists() else b""

    @property
    def ended(self):
        return None if self.program.exit_code is None else self.program.describe()

    def stop(self):
        self.program.stop()
        return self.data
