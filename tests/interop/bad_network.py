"""A bad network between a publisher by RTSP over UDP and the server, the same each time.

It stands in the middle: the publisher connects to it, and sends its packets to it,
for it puts ports of its own into the server's answers.
"""

import random
import re
import select
import socket
import threading
import time

# Seconds: less than the server waits for a packet, and more than a picture takes.
LATE_BY = (0.045, 0.07)


class BadNetwork:
    """Of all packets these parts are lost, come twice, or come late."""

    def __init__(self, server_port, lost=0.0, doubled=0.0, late=0.0):
        self._lost, self._doubled, self._late = lost, doubled, late
        self._server_port = server_port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._sockets = [self._listener]
        self._stopping = threading.Event()
        self._start(self._carry_connection)

    def stop(self):
        self._stopping.set()
        for one in self._sockets:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            one.close()

    def _start(self, body, *arguments):
        threading.Thread(target=self._quietly, args=(body, *arguments), daemon=True).start()

    def _quietly(self, body, *arguments):
        try:
            body(*arguments)
        except (OSError, ValueError):
            assert self._stopping.wait(5), "the bad network failed by itself"

    def _carry_connection(self):
        client, _ = self._listener.accept()
        server = socket.create_connection(("127.0.0.1", self._server_port))
        self._sockets += [client, server]
        other = {client: server, server: client}
        while True:
            for one in select.select([client, server], [], [])[0]:
                data = one.recv(65536)
                if not data:
                    self.stop()
                    return
                other[one].sendall(self._with_our_ports(data) if one is server else data)

    def _with_our_ports(self, answer):
        def replaced(match):
            first, second = int(match.group(1)), int(match.group(2))
            ours = self._carry(first, bad=True), self._carry(second, bad=False)
            return b"server_port=%d-%d" % ours

        return re.sub(rb"server_port=(\d+)-(\d+)", replaced, answer)

    def _carry(self, port, bad):
        """Takes packets to this port of the server; gives the port where it takes them."""
        relay = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        relay.bind(("127.0.0.1", 0))
        self._sockets.append(relay)
        self._start(self._carry_packets, relay, ("127.0.0.1", port), bad)
        return relay.getsockname()[1]

    def _carry_packets(self, relay, server, bad):
        chance = random.Random(7)
        late = []  # (when it comes, packet), the earliest first
        while True:
            wait = max(0, late[0][0] - time.monotonic()) if late else None
            if not select.select([relay], [], [], wait)[0]:
                relay.sendto(late.pop(0)[1], server)
                continue
            data = relay.recv(65536)
            if not bad:
                relay.sendto(data, server)
            elif chance.random() < self._lost:
                pass
            elif chance.random() < self._late:
                late.append((time.monotonic() + chance.uniform(*LATE_BY), data))
                late.sort()
            else:
                for _ in range(2 if chance.random() < self._doubled else 1):
                    relay.sendto(data, server)
