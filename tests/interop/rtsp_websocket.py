"""RTSP over WebSocket by hand: every message is kept as it came."""

import os

import rtsp_client
import websocket


class Socket(websocket.WebSocket):
    """One that also sends long frames, and parts of messages."""

    def send_frame(self, opcode, payload, final=True):
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        if len(payload) <= 125:
            length = bytes([0x80 | len(payload)])
        else:
            length = bytes([0x80 | 126]) + len(payload).to_bytes(2, "big")
        self._socket.sendall(bytes([0x80 * final | opcode]) + length + mask + masked)


class RtspWebSocket(rtsp_client.RtspClient):
    """The same client; `received` has the messages, and `others` what is no data."""

    def __init__(self, port, *headers, timeout=rtsp_client.ANSWERS_WITHIN):
        self._where = f"ws://127.0.0.1:{port}/", headers
        self.received = []
        self.others = []  # (opcode, bytes)
        super().__init__(port, timeout)

    def _connect(self, port, timeout):
        url, headers = self._where
        self.socket = Socket(url, timeout, headers)
        self._messages = self.socket.messages()

    def send(self, data):
        self.socket.send_frame(websocket.BINARY, data)

    def ends(self):
        """Whether the server closes; what it says before is passed over."""
        try:
            for message in self._messages:
                self.others.append(message)
            return True
        except ConnectionResetError:
            return True
        except TimeoutError:
            return False

    def _fill(self):
        opcode, payload = next(self._messages)
        while opcode != websocket.BINARY:
            self.others.append((opcode, payload))
            opcode, payload = next(self._messages)
        self.received.append(payload)
        self._buffer += payload


def faults(messages):
    """The messages that are not exactly one answer or one packet."""
    for message in messages:
        if message[:1] == b"$":
            if len(message) != 4 + int.from_bytes(message[2:4], "big"):
                yield f"not one packet: {len(message)} bytes, {message[:20]}"
        else:
            head, end, body = message.partition(b"\r\n\r\n")
            length = 0
            for line in head.lower().split(b"\r\n"):
                if line.startswith(b"content-length:"):
                    length = int(line.split(b":")[1])
            if not (head.startswith(b"RTSP/1.0 ") and end and len(body) == length):
                yield f"not one answer: {message[:200]}"
