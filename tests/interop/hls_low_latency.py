"""A player of low latency, by hand: blocking reloads, parts, delta updates."""

import threading
import time
from urllib.parse import urljoin

import hls
from hls_capture import get

BLOCKS_FOR = 8


class LowLatencyCapture:
    """Follows a playlist by blocking reloads, and fetches each part as soon as it is told of."""

    def __init__(self, url):
        self.url = url
        self.faults = []
        self.playlists = []
        self.parts = {}  # (segment's number, part's) -> bytes
        self.wholes = {}  # the parts of a segment that is finished, and its bytes
        self.waits = []  # seconds that each reload took
        self.hints = []  # hints that were answered before the playlist told of the part
        self._maps = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def stop(self):
        self._stopping.set()
        self._thread.join(2 * BLOCKS_FOR)

    def _follow(self):
        ask = ""
        while not self._stopping.is_set():
            started = time.monotonic()
            status, _, body = get(f"{self.url}{ask}", BLOCKS_FOR)
            self.waits.append(time.monotonic() - started)
            if status != 200:
                self.faults.append(f"{ask} answered {status}: {body}")
                return
            playlist = hls.read(body.decode())
            self.faults += playlist.faults
            self._check_answer(ask, playlist)
            self.playlists.append(playlist)
            self._fetch(playlist)
            ask = next_ask(playlist)

    def _check_answer(self, ask, playlist):
        """It has what was asked for."""
        if not ask:
            return
        about = hls.attributes(ask.replace("?", "").replace("&", ",").upper().replace("_HLS_", ""))
        wanted = (int(about["MSN"]), int(about["PART"]))
        if newest(playlist) < wanted:
            self.faults.append(f"{ask} was answered with {newest(playlist)}")

    def _fetch(self, playlist):
        for segment in [*playlist.segments, *filter(None, [playlist.open])]:
            for at, part in enumerate(segment.parts):
                if (segment.number, at) not in self.parts:
                    self.parts[segment.number, at] = self._get(part.uri)
            if segment.uri and segment.parts and segment.number not in self.wholes:
                self.wholes[segment.number] = (len(segment.parts), self._get(segment.uri))

    def _get(self, uri):
        status, _, body = get(urljoin(self.url, uri), BLOCKS_FOR)
        if status != 200:
            self.faults.append(f"{uri} answered {status}")
        return body


def newest(playlist):
    """The number of the newest segment with a part, and of that part."""
    if playlist.open:
        return playlist.open.number, len(playlist.open.parts) - 1
    # All parts of a segment that is finished are there, whatever their number.
    return playlist.segments[-1].number, float("inf")


def next_ask(playlist):
    if playlist.open:
        return f"?_HLS_msn={playlist.open.number}&_HLS_part={len(playlist.open.parts)}"
    return f"?_HLS_msn={playlist.segments[-1].number + 1}&_HLS_part=0"
