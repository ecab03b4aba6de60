"""RTSP through HTTP by hand: answers come by a GET, requests go by a POST in base64."""

import base64

import rtsp_client
from raw_http import RawHttp

KIND = "application/x-rtsp-tunnelled"


def open_get(port, cookie, path="/live/cam"):
    """The connection and its answer."""
    connection = RawHttp(port)
    fields = f"x-sessioncookie: {cookie}", f"Accept: {KIND}"
    return connection, connection.request("GET", path, *fields)


def open_post(port, cookie, path="/live/cam"):
    """The connection; an answer comes only if it is refused."""
    connection = RawHttp(port)
    head = [
        f"POST {path} HTTP/1.0",
        f"x-sessioncookie: {cookie}",
        f"Content-Type: {KIND}",
        "Content-Length: 32767",
        "Pragma: no-cache",
    ]
    connection.send(("\r\n".join(head) + "\r\n\r\n").encode())
    return connection


class RtspTunnel(rtsp_client.RtspClient):
    """The same client; `get` and `post` are its connections."""

    def __init__(self, port, cookie, timeout=rtsp_client.ANSWERS_WITHIN):
        self.cookie = cookie
        super().__init__(port, timeout)

    def _connect(self, port, timeout):
        self._port = port
        self.get, self.opened = open_get(port, self.cookie)
        assert self.opened.status == 200, self.opened
        self.socket = self.get.socket
        self.socket.settimeout(timeout)
        self.post = open_post(port, self.cookie)

    def post_again(self):
        self.post = open_post(self._port, self.cookie)

    def send(self, data):
        self.post.send(base64.b64encode(data))

    def close(self):
        self.post.close()
        super().close()
