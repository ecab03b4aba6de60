"""An RTMP server that asks of its clients what others than ours do."""

import socket
import struct
import threading

import paths

WINDOW_ACK, BANDWIDTH, CONTROL, ACK, COMMAND = 5, 6, 4, 3, 20
PING = b"\x00\x06" + b"ping"
CHUNK = 60_000
FLV_HEADER, TAG_HEADER, TAG_END = 13, 11, 4


class RtmpServer:
    """`number` is that of its message streams. It has no more than `window` bytes under way
    that are not acknowledged. `answers` has what commands are answered with instead."""

    def __init__(self, case, number=1, window=2_500_000, **answers):
        self._number, self._window, self.answers = number, window, answers
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.commands = []  # (message stream, name, arguments)
        self.messages = []  # (type, message stream, time, body) of all others
        self.sent = 0
        case.addCleanup(self.stop)
        threading.Thread(target=self._quietly, args=(self._accept,), daemon=True).start()

    def url(self, path):
        return f"rtmp://127.0.0.1:{self._listener.getsockname()[1]}/{path}"

    def asked(self, name):
        return [(stream, *values) for stream, one, values in self.commands if one == name]

    def of_type(self, *types):
        return [message for message in self.messages if message[0] in types]

    def stop(self):
        # It wakes the thread that waits for somebody to come.
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()

    def _quietly(self, body, *arguments):
        try:
            body(*arguments)
        except OSError:
            pass

    def _accept(self):
        while True:
            client, _ = self._listener.accept()
            threading.Thread(target=self._quietly, args=(self._serve, client), daemon=True).start()

    def _serve(self, client):
        with client, client.makefile("rb") as stream:
            hello = stream.read(1537)
            client.sendall(b"\x03" + bytes(1536) + hello[1:])
            stream.read(1536)
            acknowledged = threading.Condition()
            acknowledged.bytes = 0
            for kind, number, time, body in messages(stream):
                if kind == COMMAND:
                    name, transaction, *values = decode(body)
                    self.commands.append((number, name, values))
                    self._answer(client, name, transaction, acknowledged)
                    continue
                self.messages.append((kind, number, time, body))
                if kind == ACK:
                    with acknowledged:
                        acknowledged.bytes = int.from_bytes(body, "big")
                        acknowledged.notify()

    def _answer(self, client, name, transaction, acknowledged):
        if name in self.answers:
            answer, info = self.answers[name]
            # Before its size is told a chunk has 128 bytes.
            size = 128 if name == "connect" else CHUNK
            send(client, COMMAND, 0, encode(answer, transaction, None, info), size=size)
        elif name == "connect":
            window = struct.pack(">I", self._window)
            send(client, WINDOW_ACK, 0, window)
            send(client, BANDWIDTH, 0, struct.pack(">IB", 777_777, 2))
            send(client, 1, 0, struct.pack(">I", CHUNK))
            send(client, CONTROL, 0, PING)
            send(client, COMMAND, 0, encode("_result", transaction, {}, {"level": "status"}))
        elif name == "createStream":
            send(client, COMMAND, 0, encode("_result", transaction, None, self._number))
        elif name in ("publish", "play"):
            code = f"NetStream.{name.capitalize()}.Start"
            info = {"level": "status", "code": code, "description": ""}
            send(client, COMMAND, self._number, encode("onStatus", 0, None, info))
            if name == "play":
                player = threading.Thread(
                    target=self._quietly, args=(self._play, client, acknowledged), daemon=True
                )
                player.start()

    def _play(self, client, acknowledged):
        """All of a file, as far as it is acknowledged."""
        sent = 0
        for kind, time, body in tags(paths.media("demo").read_bytes()):
            with acknowledged:
                acknowledged.wait_for(lambda: sent - acknowledged.bytes < self._window)
            sent += send(client, kind, self._number, body, time)
            self.sent = sent


def tags(data):
    at = FLV_HEADER
    while at + TAG_HEADER < len(data):
        end = at + TAG_HEADER + int.from_bytes(data[at + 1 : at + 4], "big")
        time = int.from_bytes(data[at + 7 : at + 8] + data[at + 4 : at + 7], "big")
        yield data[at], time, data[at + TAG_HEADER : end]
        at = end + TAG_END


def send(client, kind, number, body, time=0, size=CHUNK):
    length = len(body).to_bytes(3, "big")
    data = bytes([3]) + time.to_bytes(3, "big") + length + bytes([kind]) + struct.pack("<I", number)
    chunks = [body[at : at + size] for at in range(0, len(body), size)] or [b""]
    data += b"\xc3".join(chunks)
    client.sendall(data)
    return len(data)


def messages(stream):
    """A message that comes in chunks: type, message stream, time, body."""
    size, heads, bodies = 128, {}, {}
    while first := stream.read(1):
        shape, chunk_stream = first[0] >> 6, first[0] & 0x3F
        head = list(heads.get(chunk_stream, (0, 0, 0, 0)))  # time, length, type, message stream
        if shape < 3:
            head[0] = int.from_bytes(stream.read(3), "big")
        if shape < 2:
            head[1], head[2] = int.from_bytes(stream.read(3), "big"), stream.read(1)[0]
        if shape == 0:
            head[3] = int.from_bytes(stream.read(4), "little")
        heads[chunk_stream] = head
        body = bodies.get(chunk_stream, b"")
        body += stream.read(min(size, head[1] - len(body)))
        bodies[chunk_stream] = body
        if len(body) == head[1]:
            del bodies[chunk_stream]
            if head[2] == 1:
                size = int.from_bytes(body, "big")
            yield head[2], head[3], head[0], body


def encode(*values):
    """AMF0."""
    out = b""
    for value in values:
        if value is None:
            out += b"\x05"
        elif isinstance(value, str):
            out += b"\x02" + struct.pack(">H", len(value)) + value.encode()
        elif isinstance(value, dict):
            members = [
                struct.pack(">H", len(key)) + key.encode() + encode(member)
                for key, member in value.items()
            ]
            out += b"\x03" + b"".join(members) + b"\x00\x00\x09"
        else:
            out += b"\x00" + struct.pack(">d", value)
    return out


def decode(data):
    values, at = [], 0
    while at < len(data):
        value, at = _value(data, at)
        values.append(value)
    return values


def _value(data, at):
    marker, at = data[at], at + 1
    if marker == 0:
        return struct.unpack_from(">d", data, at)[0], at + 8
    if marker == 1:
        return bool(data[at]), at + 1
    if marker == 2:
        end = at + 2 + int.from_bytes(data[at : at + 2], "big")
        return data[at + 2 : end].decode(), end
    if marker == 3:
        members = {}
        while data[at : at + 3] != b"\x00\x00\x09":
            end = at + 2 + int.from_bytes(data[at : at + 2], "big")
            members[data[at + 2 : end].decode()], at = _value(data, end)
        return members, at + 3
    if marker == 10:
        count, at = int.from_bytes(data[at : at + 4], "big"), at + 4
        values = []
        for _ in range(count):
            value, at = _value(data, at)
            values.append(value)
        return values, at
    return None, at
