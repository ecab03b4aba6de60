"""A small WebSocket client (RFC 6455) that trusts nothing the server sends."""

import base64
import hashlib
import os
import socket
import struct
from urllib.parse import urlsplit

import certificate

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

CONTINUATION, TEXT, BINARY = 0, 1, 2
CLOSE, PING, PONG = 8, 9, 10


def masked(opcode, payload=b""):
    """A frame of at most 125 bytes, masked as a client must."""
    assert len(payload) <= 125
    mask = os.urandom(4)
    data = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + mask + data


class WebSocket:
    """Connected when constructed. A broken rule is an AssertionError. The frames `ahead` go with the handshake."""

    def __init__(self, url, timeout, headers=(), ahead=b""):
        parts = urlsplit(url)
        self._socket = socket.create_connection((parts.hostname, parts.port), timeout)
        if parts.scheme == "wss":
            self._socket = certificate.seal(self._socket)
        self._buffer = b""
        try:
            self._handshake(parts, headers, ahead)
        except BaseException:
            self._socket.close()
            raise

    def _handshake(self, parts, headers, ahead):
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            f"GET {parts.path} HTTP/1.1",
            f"Host: {parts.netloc}",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Key: {key}",
            "Sec-WebSocket-Version: 13",
            *headers,
        ]
        self._socket.sendall(("\r\n".join(lines) + "\r\n\r\n").encode() + ahead)
        while b"\r\n\r\n" not in self._buffer:
            self._fill()
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        status, *fields = head.decode("latin-1").split("\r\n")
        assert status.startswith("HTTP/1.1 101 "), f"handshake answered {status!r}"
        self.headers = {
            name.strip().lower(): value.strip()
            for name, value in (field.split(":", 1) for field in fields)
        }
        accept = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        seen = self.headers.get("sec-websocket-accept")
        assert seen == accept, f"Sec-WebSocket-Accept is {seen!r}, not {accept!r}"
        assert self.headers.get("upgrade", "").lower() == "websocket", self.headers
        assert "upgrade" in self.headers.get("connection", "").lower(), self.headers

    def messages(self):
        """Yields (opcode, payload) until the server closes; answers pings."""
        parts, kind = [], None
        while True:
            try:
                final, opcode, payload = self._frame()
            except EOFError:
                return
            if opcode == PING:
                self.send(PONG, payload)
            elif opcode == PONG:
                yield PONG, payload
            elif opcode == CLOSE:
                yield CLOSE, payload
                return
            else:
                assert (opcode == CONTINUATION) == bool(parts), "fragments out of order"
                kind = opcode if not parts else kind
                parts.append(payload)
                if final:
                    yield kind, b"".join(parts)
                    parts = []

    def send(self, opcode, payload=b""):
        """Sends one frame."""
        self._socket.sendall(masked(opcode, payload))

    def send_unmasked(self, opcode, payload):
        """A client must not do this."""
        self._socket.sendall(bytes([0x80 | opcode, len(payload)]) + payload)

    def close(self):
        # Shut down first: it also wakes a thread that waits in recv.
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._socket.close()

    def _frame(self):
        first, second = self._take(2)
        assert first & 0x70 == 0, "a reserved bit is set"
        assert second & 0x80 == 0, "a server must not mask"
        length = second & 0x7F
        if length == 126:
            (length,) = struct.unpack(">H", self._take(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", self._take(8))
        return bool(first & 0x80), first & 0x0F, self._take(length)

    def _take(self, count):
        while len(self._buffer) < count:
            self._fill()
        taken, self._buffer = self._buffer[:count], self._buffer[count:]
        return taken

    def _fill(self):
        received = self._socket.recv(65536)
        if not received:
            raise EOFError("the server closed the connection")
        self._buffer += received
