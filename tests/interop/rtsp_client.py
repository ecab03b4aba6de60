"""RTSP by hand: sends any bytes, and keeps answers and packets apart."""

import itertools
import socket

from raw_http import Answer

ANSWERS_WITHIN = 15


class RtspClient:
    """A client that keeps the interleaved packets of the connection, in order, in `packets`."""

    def __init__(self, port, timeout=ANSWERS_WITHIN, seal=None, address="127.0.0.1"):
        """`seal` makes a socket under TLS of one that is connected."""
        self._address = address
        self._connect(port, timeout)
        if seal:
            self.socket = seal(self.socket)
        self.packets = []  # (channel, bytes)
        self.session = None
        self._numbers = itertools.count(1)
        self._buffer = b""

    def _connect(self, port, timeout):
        """A subclass comes by another way."""
        self.socket = socket.create_connection((self._address, port), timeout)

    def send(self, data):
        self.socket.sendall(data)

    def send_packet(self, channel, data):
        self.send(bytes([0x24, channel]) + len(data).to_bytes(2, "big") + data)

    def request(self, method, url, *fields, body=""):
        """Asks with the next number, and within the session if there is one; gives the answer."""
        number = self.ask(method, url, *fields, body=body)
        answer = self.answer()
        assert answer.fields["cseq"] == number, f"{method} {number}: {answer}"
        return answer

    def ask(self, method, url, *fields, body=""):
        """Sends a request, and returns its number."""
        number = str(next(self._numbers))
        lines = [f"{method} {url} RTSP/1.0", f"CSeq: {number}", *fields]
        if self.session and not any(field.startswith("Session:") for field in fields):
            lines.append(f"Session: {self.session}")
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.send(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
        return number

    def answer(self):
        """The next answer; packets before it are kept."""
        while self._take_packet():
            pass
        while b"\r\n\r\n" not in self._buffer:
            self._fill()
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        answer = Answer(head, b"")
        length = int(answer.fields.get("content-length", 0))
        while len(self._buffer) < length:
            self._fill()
        answer.body, self._buffer = self._buffer[:length], self._buffer[length:]
        assert answer.version == "RTSP/1.0", answer
        if "session" in answer.fields:
            self.session = answer.fields["session"].split(";")[0]
        return answer

    def packet(self):
        """The next packet that was not given yet, as (channel, bytes)."""
        if not self.packets:
            while not self._take_packet():
                self._fill()
        return self.packets.pop(0)

    def ends(self):
        """Whether the server closes; what it says before is passed over."""
        try:
            while self.socket.recv(65536):
                pass
            return True
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def close(self):
        self.socket.close()

    def _take_packet(self):
        """Moves a packet at the front of what has come to `packets`.

        False if an answer is there instead.
        """
        self._fill_to(1)
        if self._buffer[0] != 0x24:
            return False
        self._fill_to(4)
        channel, length = self._buffer[1], int.from_bytes(self._buffer[2:4], "big")
        self._fill_to(4 + length)
        self.packets.append((channel, self._buffer[4 : 4 + length]))
        self._buffer = self._buffer[4 + length :]
        return True

    def _fill_to(self, length):
        while len(self._buffer) < length:
            self._fill()

    def _fill(self):
        received = self.socket.recv(65536)
        assert received, f"closed in the middle of an answer: {self._buffer[:200]!r}"
        self._buffer += received


def parameters(field):
    """The parameters of a Transport or an RTP-Info, with "" for those without a value."""
    pairs = (part.partition("=") for part in field.split(";"))
    return {name.strip(): value for name, _, value in pairs}


def pair(text):
    """The two numbers of "10-11"."""
    first, second = text.split("-")
    return int(first), int(second)
