"""Receives one live URL (http or ws) in the background and keeps the bytes."""

import http.client
import socket
import threading
import time
from urllib.parse import urlsplit

import certificate
import flv
import mp4
import ts
import websocket
from recording import Recording

CONNECT_WITHIN = 15
# A live stream that says nothing for this long has ended as far as a test cares.
SILENCE = 60
READERS = {"flv": flv, "ts": ts, "mp4": mp4}


class Capture(Recording):
    def __init__(self, url):
        self.url = url
        self.reader = READERS[urlsplit(url).path.rsplit(".", 1)[1]]
        self.joined_at = time.monotonic()
        # The reason for its end: None while it goes on.
        self.ended = None
        self._chunks = []
        self._arrivals = []
        self._size = 0
        self._source = _open(url)
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    @property
    def data(self):
        return b"".join(self._chunks[: len(self._arrivals)])

    def arrival(self, end):
        """Seconds from joining until the first `end` bytes were all here."""
        return next(at for size, at in list(self._arrivals) if size >= end) - self.joined_at

    def stop(self):
        """Leaves, and returns all the bytes."""
        self._source.close()
        self._thread.join(CONNECT_WITHIN)
        return self.data

    def _receive(self):
        try:
            for chunk in self._source.chunks():
                self._chunks.append(chunk)
                self._size += len(chunk)
                self._arrivals.append((self._size, time.monotonic()))
            self.ended = "the server closed it"
        except (OSError, ValueError, AssertionError, http.client.HTTPException) as error:
            self.ended = repr(error)


def _open(url):
    return _WebSocketSource(url) if url.startswith("ws") else _HttpSource(url)


class _HttpSource:
    def __init__(self, url):
        parts = urlsplit(url)
        self._connection = certificate.connection(url, CONNECT_WITHIN)
        self._connection.connect()
        # Kept apart: http.client lets go of a socket that ends with its response.
        self._socket = self._connection.sock
        query = f"?{parts.query}" if parts.query else ""
        self._connection.request("GET", parts.path + query)

    def chunks(self):
        # The head may come only with the first frame of a stream not yet published.
        self._socket.settimeout(SILENCE)
        response = self._connection.getresponse()
        assert response.status == 200, f"answered {response.status}"
        while chunk := response.read1(65536):
            yield chunk

    def close(self):
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class _WebSocketSource:
    def __init__(self, url):
        self._websocket = websocket.WebSocket(url, timeout=SILENCE)

    def chunks(self):
        for opcode, payload in self._websocket.messages():
            assert opcode != websocket.TEXT, "media in a text message"
            if opcode == websocket.BINARY:
                yield payload

    def close(self):
        self._websocket.close()
