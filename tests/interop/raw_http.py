"""HTTP by hand: sends any bytes and reads answers strictly."""

import socket

ANSWERS_WITHIN = 15


class Answer:
    def __init__(self, head, body):
        first, *fields = head.decode("latin-1").split("\r\n")
        self.version, status, self.reason = first.split(" ", 2)
        self.status = int(status)
        self.fields = {}
        for field in fields:
            name, value = field.split(":", 1)
            self.fields[name.lower()] = value.strip()
        self.body = body

    def __repr__(self):
        return f"{self.status} {self.reason} {self.fields} {self.body[:80]!r}"


class RawHttp:
    def __init__(self, port, timeout=ANSWERS_WITHIN):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self._buffer = b""

    def send(self, data):
        self.socket.sendall(data)

    def request(self, method, target, *fields, version="HTTP/1.1"):
        """Asks with a Host, and returns the answer."""
        lines = [f"{method} {target} {version}", "Host: localhost", *fields]
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        return self.answer(has_body=method != "HEAD")

    def answer(self, has_body=True):
        """The next answer; its body only if a length is given."""
        while b"\r\n\r\n" not in self._buffer:
            self._fill()
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        answer = Answer(head, b"")
        length = int(answer.fields.get("content-length", 0)) if has_body else 0
        while len(self._buffer) < length:
            self._fill()
        answer.body, self._buffer = self._buffer[:length], self._buffer[length:]
        return answer

    def ends(self):
        """Whether the server closes without another byte."""
        try:
            return not self._buffer and not self.socket.recv(1)
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def close(self):
        self.socket.close()

    def _fill(self):
        received = self.socket.recv(65536)
        assert received, f"closed in the middle of an answer: {self._buffer[:200]!r}"
        self._buffer += received
