"""Viewers that read slowly: a connection of which one takes what one likes, and when."""

import socket
import threading
import time

# Little is on its way unseen.
RECEIVE_BUFFER = 4096
TURN = 0.1


def connect(port):
    """A connection whose other end soon feels how slowly it is read."""
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    one.connect(("127.0.0.1", port))
    return one


class Straw:
    """Reads all that comes for `free` seconds, and then no more than `rate` bytes each second."""

    def __init__(self, source, free, rate, sink=None):
        self.source, self._sink = source, sink
        self._chunks = []
        # The reason for its end: None while it goes on.
        self.ended = None
        self._slow_from = time.monotonic() + free
        self._rate = rate
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def data(self):
        return b"".join(self._chunks)

    @property
    def is_slow(self):
        return time.monotonic() > self._slow_from

    def _read(self):
        owed = 1.0
        try:
            while True:
                if self.is_slow:
                    owed = min(owed + self._rate * TURN, max(self._rate * TURN, 1.0))
                    time.sleep(TURN)
                    if owed < 1:
                        continue
                chunk = self.source.recv(int(owed) if self.is_slow else 65536)
                if not chunk:
                    break
                owed -= len(chunk)
                self._chunks.append(chunk)
                if self._sink:
                    self._sink.sendall(chunk)
            self.ended = "the server closed it"
        except OSError as error:
            self.ended = repr(error)


class Between:
    """A port for one program, which gets through a straw what the server at `port` sends."""

    def __init__(self, case, port, free, rate):
        self._port, self._free, self._rate = port, free, rate
        self.straw = None
        self._listener = socket.create_server(("127.0.0.1", 0))
        case.addCleanup(self._listener.close)
        self.port = self._listener.getsockname()[1]
        self._sockets = []
        case.addCleanup(lambda: [one.close() for one in self._sockets])
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self):
        try:
            program, _ = self._listener.accept()
            server = connect(self._port)
            self._sockets += [program, server]
            self.straw = Straw(server, self._free, self._rate, program)
            while chunk := program.recv(65536):
                server.sendall(chunk)
        except OSError:
            pass
