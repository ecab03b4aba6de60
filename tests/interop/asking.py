"""Those who ask for something again and again, or of whom half a message comes, and who read
nothing. Each gives the connection, and what it sends on and on."""

import base64
import contextlib

import hoarder
import rtmp_server

LITTLE = 4 << 10
OPTIONS = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n"
UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
CREATE_STREAM = rtmp_server.encode("createStream", 2, None)
# To more than the messages have, on a chunk stream of its own.
SET_CHUNK_SIZE = b"\x02\0\0\0\0\0\x04\x01\0\0\0\0\0\0\xff\xff"


def rtsp(server, _):
    return hoarder.connect(server.rtsp_port, receive=LITTLE), OPTIONS * 20


def rtsp_in_a_tunnel(server, number):
    """Every second one posts to the one before."""
    one = hoarder.connect(server.http_port, receive=LITTLE)
    method = "POST" if number % 2 else "GET"
    kind = "application/x-rtsp-tunnelled"
    head = f"{method} /live/cam HTTP/1.0\r\nx-sessioncookie: {number // 2:022}\r\n"
    one.sendall(f"{head}Accept: {kind}\r\nContent-Type: {kind}\r\n\r\n".encode())
    if method == "POST":
        return one, base64.b64encode(OPTIONS * 60)
    hoarder.read_until(one, b"\r\n\r\n")
    return one, b""


def rtmp(server, _):
    return _connected(server), _message(len(CREATE_STREAM), CREATE_STREAM)


def half_a_message_of_rtmp(server, _):
    one = _connected(server)
    one.sendall(SET_CHUNK_SIZE + _message(15_500, bytes(15_000)))
    return one, b""


def half_a_packet_of_rtsp(server, _):
    one = hoarder.connect(server.rtsp_port, receive=LITTLE)
    one.sendall(OPTIONS + b"$\0" + (23_000).to_bytes(2, "big") + bytes(22_900))
    return one, b""


def half_a_head(server, _):
    one = hoarder.connect(server.http_port, receive=LITTLE)
    one.sendall(b"GET / HTTP/1.1\r\nA: " + b"a" * 7900)
    return one, b""


HALF_A_HEAD = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nA: " + b"a" * 11_000


def half_a_head_in_a_tunnel(server, number):
    one, _ = rtsp_in_a_tunnel(server, number)
    return one, base64.b64encode(HALF_A_HEAD) if number % 2 else b""


def half_a_head_in_a_websocket(server, _):
    one = hoarder.connect(server.rtsp_websocket_port, receive=LITTLE)
    one.sendall(UPGRADE)
    hoarder.read_until(one, b"\r\n\r\n")
    length = len(HALF_A_HEAD).to_bytes(2, "big")
    one.sendall(b"\x82\xfe" + length + bytes(4) + HALF_A_HEAD)
    return one, b""


def a_file(server, _):
    one = hoarder.connect(server.http_port, receive=LITTLE)
    one.sendall(b"GET /large.bin HTTP/1.1\r\nHost: h\r\n\r\n")
    return one, b""


def absent_files(server, _):
    one = hoarder.connect(server.http_port, receive=LITTLE)
    return one, b"GET /no/such.bin HTTP/1.1\r\nHost: h\r\n\r\n" * 20


# Those of whom what is kept is charged, and bounded for all together.
CHARGED = [
    half_a_message_of_rtmp,
    half_a_packet_of_rtsp,
    half_a_head,
    half_a_head_in_a_tunnel,
    half_a_head_in_a_websocket,
    a_file,
]
WAYS = [*CHARGED, rtsp, rtsp_in_a_tunnel, rtmp, absent_files]
# All connections are made so many times. What each asks for is looked for, and the holes that
# the last ones have left do not fit.
TIMES = {absent_files: 3}


def send(one, data):
    """As much as there is room for."""
    one.settimeout(0)
    with contextlib.suppress(OSError):
        while data:
            data = data[one.send(data) :]


def _connected(server):
    one = hoarder.connect(server.rtmp_port, receive=LITTLE)
    hoarder.greet(one)
    return one


def _message(length, body):
    return b"\x03\0\0\0" + length.to_bytes(3, "big") + b"\x14\0\0\0\0" + body
