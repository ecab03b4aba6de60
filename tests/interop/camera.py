"""A camera, as far as a server that fetches from it can tell: RTSP with G.711 from silence."""

import itertools
import re
import socket
import threading

import rtp

KIND, SSRC, EACH = 8, 0x0CA3E4A1, 160
SILENCE = b"\xd5" * EACH
PACE = EACH / 8000
DESCRIPTION = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\na=control:*\r\n"
    "m=audio 0 RTP/AVP 8\r\na=control:track1\r\n"
)


class Camera:
    """`way` is the one that it can do, "tcp" or "udp"; `moved_to` is where all is instead.

    `number` stands in its answers as CSeq, `noise` between its packets, and behind so many
    of them as `hangs_up` says it does so. It describes what it has once `may_describe` is set.
    """

    def __init__(
        self, case, way="tcp", moved_to=None, number=None, noise=b"", hangs_up=None, may_describe=None
    ):
        self._way, self._moved_to = way, moved_to
        self._may_describe = may_describe
        self.asked = threading.Event()
        self._number, self._noise, self._hangs_up = number, noise, hangs_up
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._stopping = threading.Event()
        self.requests = []  # (method, status)
        case.addCleanup(self.stop)
        threading.Thread(target=self._quietly, args=(self._accept,), daemon=True).start()

    def may_describe(self):
        self._may_describe.set()

    @property
    def url(self):
        return f"rtsp://127.0.0.1:{self._listener.getsockname()[1]}/h264/ch1"

    def moves_to(self, url):
        self._moved_to = url

    def statuses(self, method):
        return [status for one, status in self.requests if one == method]

    def stop(self):
        self._stopping.set()
        if self._may_describe:
            self._may_describe.set()
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
        send = None
        buffer = b""
        with client:
            while data := client.recv(65536):
                buffer += data
                while buffer[:1] == b"$" or b"\r\n\r\n" in buffer:
                    if buffer[:1] == b"$":  # a report
                        buffer = buffer[4 + int.from_bytes(buffer[2:4], "big") :]
                        continue
                    head, buffer = buffer.split(b"\r\n\r\n", 1)
                    head = head.decode()
                    method = head.split(" ", 1)[0]
                    status, fields, body, agreed = self._answer(method, head, client)
                    send = agreed or send
                    self.requests.append((method, status))
                    number = self._number or re.search(r"(?im)^CSeq: *(\d+)", head)[1]
                    lines = [f"RTSP/1.0 {status} x", f"CSeq: {number}", *fields]
                    lines.append(f"Content-Length: {len(body)}")
                    client.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode())
                    if method == "PLAY" and send:
                        arguments = (self._send, send, client)
                        threading.Thread(target=self._quietly, args=arguments, daemon=True).start()

    def _answer(self, method, head, client):
        """(status, fields, body, what sends a packet)"""
        if method == "DESCRIBE":
            self.asked.set()
            if self._may_describe:
                self._may_describe.wait()
        if method == "DESCRIBE" and self._moved_to:
            return 302, [f"Location: {self._moved_to}"], "", None
        if method == "DESCRIBE":
            fields = ["Content-Type: application/sdp", f"Content-Base: {self.url}/"]
            return 200, fields, DESCRIPTION, None
        if method != "SETUP":
            return 200, ["Session: 7;timeout=60"], "", None
        transport = re.search(r"(?im)^Transport: *(.*?)\r?$", head)[1]
        if ("TCP" in transport) != (self._way == "tcp"):
            return 461, [], "", None
        if self._way == "tcp":
            send = _interleaved(client, self._noise)
        else:
            send, port = _datagrams(int(re.search(r"client_port=(\d+)", transport)[1]))
            transport += f";server_port={port}-{port + 1}"
        return 200, [f"Transport: {transport}", "Session: 7;timeout=60"], "", send

    def _send(self, send, client):
        for number in itertools.count():
            if self._stopping.wait(PACE):
                return
            if number == self._hangs_up:
                return client.shutdown(socket.SHUT_RDWR)
            send(rtp.write(KIND, number & 0xFFFF, number * EACH, SSRC, SILENCE))


def _interleaved(client, noise):
    return lambda packet: client.sendall(b"$\0" + len(packet).to_bytes(2, "big") + packet + noise)


def _datagrams(port):
    outgoing = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    outgoing.bind(("127.0.0.1", 0))
    own = outgoing.getsockname()[1]
    return lambda packet: outgoing.sendto(packet, ("127.0.0.1", port)), own
