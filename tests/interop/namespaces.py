"""Two network namespaces with a wire in between, and who is inside them.

A thread goes into the first with all that it starts; programs go into the second.
"""

import ctypes
import itertools
import os
import socket
import subprocess

import rtp

HERE, THERE = "10.77.0.1", "10.77.0.2"
# An address that means something together with its interface alone. RFC 4007.
LINK_LOCAL = "fe80::77:1%wire"
NEW_NETWORK = 0x40000000
ALL_PROTOCOLS = 0x0003
_numbers = itertools.count(1)
_libc = ctypes.CDLL(None, use_errno=True)


class Unavailable(Exception):
    """There can be none here."""


class Wire:
    """Constructed on the thread that is to be inside; closed on the same."""

    def __init__(self):
        name = f"runnel-{os.getpid()}-{next(_numbers)}"
        self._here, self._there = f"{name}-a", f"{name}-b"
        self._made = []
        self._outside = None
        try:
            for space in (self._here, self._there):
                _ip("netns", "add", space)
                self._made.append(space)
            # Both ends are made inside: the machine's own interfaces stay as they are.
            _ip(
                "-n",
                self._here,
                *"link add wire type veth peer name wire netns".split(),
                self._there,
            )
            for space, address in ((self._here, HERE), (self._there, THERE)):
                _ip("-n", space, "address", "add", f"{address}/24", "dev", "wire")
                for device in ("lo", "wire"):
                    _ip("-n", space, "link", "set", device, "up")
            _ip("-n", self._there, *"route add 224.0.0.0/4 dev wire".split())
            self._outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
            _enter(f"/run/netns/{self._here}")
        except subprocess.CalledProcessError as error:
            self.close()
            raise Unavailable(error.stderr.strip()) from error
        except OSError as error:
            self.close()
            raise Unavailable(str(error)) from error

    @property
    def there(self):
        """The beginning of a command that is to run at the other end."""
        return ["ip", "netns", "exec", self._there]

    def add_link_local(self):
        """Has this end have LINK_LOCAL, and the other one like it, at once."""
        try:
            for space, address in ((self._here, LINK_LOCAL), (self._there, "fe80::77:2")):
                address = address.split("%")[0] + "/64"
                _ip("-n", space, "address", "add", address, "dev", "wire", "nodad")
        except subprocess.CalledProcessError as error:
            raise Unavailable(error.stderr.strip()) from error

    def close(self):
        if self._outside is not None:
            _set_namespace(self._outside)
            os.close(self._outside)
            self._outside = None
        while self._made:
            _ip("netns", "delete", self._made.pop())


class Tap:
    """Everything over UDP that leaves by the wire, from the moment it is made."""

    def __init__(self):
        self._socket = socket.socket(
            socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ALL_PROTOCOLS)
        )
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        self._socket.bind(("wire", 0))
        self._socket.setblocking(False)

    def take(self):
        """The traffic that has left since the last call: (address, port, bytes) of each."""
        found = []
        while True:
            try:
                data, (_, _, kind, *_) = self._socket.recvfrom(65536)
            except BlockingIOError:
                return found
            # IPv4, UDP. RFC 791, RFC 768.
            if kind == socket.PACKET_OUTGOING and data[0] >> 4 == 4 and data[9] == 17:
                header = 4 * (data[0] & 0x0F)
                to = socket.inet_ntoa(data[16:20])
                port = int.from_bytes(data[header + 2 : header + 4], "big")
                found.append((to, port, data[header + 8 :]))

    def close(self):
        self._socket.close()


def packets_of(taken, group):
    """The RTP among them, by port: it goes to the even ones."""
    found = {}
    for to, port, data in taken:
        if to == group and port % 2 == 0:
            found.setdefault(port, []).append(rtp.packet(data))
    return found


def _ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


def _enter(path):
    space = os.open(path, os.O_RDONLY)
    try:
        _set_namespace(space)
    finally:
        os.close(space)


def _set_namespace(space):
    # Of this thread alone.
    if _libc.setns(space, NEW_NETWORK) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
