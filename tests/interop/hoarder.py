"""Those who ask for much, by each protocol, and then read nothing of it."""

import re
import socket

import certificate
import rtmp_server

# The longest TCP segment of other networks than the loopback interface, in bytes.
SEGMENT = 1400
# The room of somebody else: less than a segment.
RECEIVE = 16 << 10
ANSWERS_WITHIN = 30
HANDSHAKE = 1536
COMMAND = rtmp_server.COMMAND


def connect(port, sealed=False, receive=RECEIVE, host="127.0.0.1"):
    one = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    one.settimeout(ANSWERS_WITHIN)
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
    one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
    one.connect((host, port))
    return certificate.seal(one) if sealed else one


class Refused(Exception):
    """There is no place, or are no ports, for one more."""


def http(path, port, more=b"", fields="", **how):
    """`more` comes behind the request, and is not its turn while that is answered."""
    one = connect(port, **how)
    one.sendall(f"GET {path} HTTP/1.1\r\nHost: h\r\n{fields}\r\n".encode() + more)
    return _if_served(one, _read(one, len("HTTP/1.1 200")), b"HTTP/1.1 200", b"HTTP/1.1 101")


def _if_served(one, answer, *good):
    if answer.startswith(good):
        return one
    one.close()
    raise Refused(answer)


def websocket(path, port, **how):
    key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    return http(path, port, fields=f"Upgrade: websocket\r\nConnection: Upgrade\r\n{key}", **how)


def greet(one):
    """The handshake of RTMP."""
    one.sendall(b"\x03" + bytes(HANDSHAKE))
    _read(one, 1 + 2 * HANDSHAKE)
    one.sendall(bytes(HANDSHAKE))


def rtmp(stream, port, command="play", **how):
    """Plays or publishes."""
    one = connect(port, **how)
    greet(one)
    app = {"app": "live", "tcUrl": f"rtmp://127.0.0.1:{port}/live"}
    for number, values in [
        (0, ("connect", 1, app)),
        (0, ("createStream", 2, None)),
        (1, (command, 0, None, stream)),
    ]:
        rtmp_server.send(one, COMMAND, number, rtmp_server.encode(*values), size=128)
    read_until(one, b"NetStream.%s." % command.title().encode())
    return _if_served(one, _read(one, len("Reset")), b"Reset", b"Start")


def rtsp(url, port, transport="RTP/AVP/TCP;unicast;interleaved=0-1", **how):
    """Plays the first track."""
    one = connect(port, **how)
    session = ""
    for number, (method, fields) in enumerate(
        [(f"SETUP {url}/streamid=0", f"Transport: {transport}\r\n"), (f"PLAY {url}", "")]
    ):
        one.sendall(f"{method} RTSP/1.0\r\nCSeq: {number}\r\n{session}{fields}\r\n".encode())
        answer = read_until(one, b"\r\n\r\n")
        _if_served(one, answer, b"RTSP/1.0 200")
        session = re.search(r"Session: [^;\r]+", answer.decode())[0] + "\r\n"
    return one


def rtsp_publisher(url, port, **how):
    """Announces a stream of sound alone."""
    one = connect(port, **how)
    sdp = "v=0\r\ns=x\r\nm=audio 0 RTP/AVP 0\r\na=control:t0\r\n"
    fields = f"CSeq: 1\r\nContent-Type: application/sdp\r\nContent-Length: {len(sdp)}\r\n"
    one.sendall(f"ANNOUNCE {url} RTSP/1.0\r\n{fields}\r\n{sdp}".encode())
    return _if_served(one, read_until(one, b"\r\n\r\n"), b"RTSP/1.0 200")


def rtsp_over_udp(url, port):
    """Its connection, and where its packets go."""
    to = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    to.bind(("127.0.0.1", 0))
    first = to.getsockname()[1]
    try:
        return rtsp(url, port, f"RTP/AVP;unicast;client_port={first}-{first + 1}"), to
    except Refused:
        to.close()
        raise


def read_until(one, end):
    data = b""
    while not data.endswith(end):
        data += _read(one, 1)
    return data


def _read(one, length):
    data = b""
    while len(data) < length:
        received = one.recv(length - len(data))
        if not received:
            raise Refused(data)
        data += received
    return data
