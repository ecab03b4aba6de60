"""Follows a live HLS playlist in the background and keeps all it offers."""

import http.client
import threading
import time
from urllib.parse import urljoin, urlsplit

import certificate
import hls
import waiting

POLL = 0.2
# Without a map, and with one.
TYPES = ("video/mp2t", "video/mp4")


class HlsCapture:
    def __init__(self, url):
        self.url = url
        self.playlists = []  # without repeats
        self.segments = []  # (hls.Segment, bytes)
        self.faults = []
        self._maps = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def until(self, condition, timeout, what):
        """Waits until `condition(self)` is true."""
        return waiting.until(
            lambda: condition(self),
            timeout,
            lambda: f"{what} on {self.url}: {self.playlists[-1:]} {self.faults}",
        )

    def stop(self):
        self._stopping.set()
        self._thread.join(5)

    def _follow(self):
        while not self._stopping.wait(POLL):
            try:
                self._look()
            except (OSError, ValueError, http.client.HTTPException) as error:
                self.faults.append(f"{time.strftime('%H:%M:%S')} {error!r}")

    def _look(self):
        status, _, body = get(self.url)
        if status == 404 and not self.playlists:
            return  # not published yet, or no segment is complete yet
        if status != 200:
            self.faults.append(f"playlist answered {status}")
            return
        text = body.decode()
        if self.playlists and self.playlists[-1].text == text:
            return
        playlist = hls.read(text)
        self.faults += playlist.faults
        if self.playlists:
            self.faults += hls.changes(self.playlists[-1], playlist)
        self.playlists.append(playlist)
        for segment in playlist.segments:
            if not self.segments or segment.number > self.segments[-1][0].number:
                self._fetch(segment)

    def _fetch(self, segment):
        status, headers, body = get(urljoin(self.url, segment.uri))
        if status != 200:
            self.faults.append(f"{segment.uri} answered {status}")
        elif headers.get("Content-Type", "").lower() != TYPES[segment.map is not None]:
            self.faults.append(f"{segment.uri} is {headers.get('Content-Type')}")
        self.segments.append((segment, self._map(segment.map) + body))

    def _map(self, uri):
        """The bytes before the segment; empty if it needs none."""
        if uri is None:
            return b""
        if uri not in self._maps:
            status, headers, body = get(urljoin(self.url, uri))
            if (status, headers.get("Content-Type")) != (200, "video/mp4"):
                self.faults.append(f"{uri} answered {status}")
            self._maps[uri] = body
        return self._maps[uri]


def get(url, within=5):
    """(status, headers, body)"""
    parts = urlsplit(url)
    connection = certificate.connection(url, within)
    try:
        query = f"?{parts.query}" if parts.query else ""
        connection.request("GET", parts.path + query)
        response = connection.getresponse()
        return response.status, response.headers, response.read()
    finally:
        connection.close()
