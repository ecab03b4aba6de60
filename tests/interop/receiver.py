"""A receiver of notifications: a server of HTTP, which keeps what is posted to it."""

import hashlib
import hmac
import http.server
import json
import ssl
import threading

import waiting


class Receiver:
    """`answer` gives the status for an event, or takes its time; `cert` makes it HTTPS."""

    def __init__(self, case, answer=lambda post: 200, cert=None):
        self.posts = []
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                post = Post(self.path, self.headers, body)
                receiver.posts.append(post)
                self.send_response(answer(post))
                self.end_headers()

            def log_message(self, *args):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._scheme = "http"
        if cert:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(cert["cert"], cert["key"])
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
            self._scheme = "https"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        case.addCleanup(self.close)

    @property
    def url(self):
        return f"{self._scheme}://127.0.0.1:{self._server.server_address[1]}/told"

    def close(self):
        """Nobody listens from here on."""
        self._server.shutdown()
        self._server.server_close()

    def events(self, *without):
        return [post.event for post in list(self.posts) if post.event not in without]

    def of(self, event):
        return [post for post in list(self.posts) if post.event == event]

    def until(self, event, count=1, timeout=15):
        """Waits until it was told this so often; the last of these."""

        def told():
            return len(self.of(event)) >= count

        waiting.until(told, timeout, lambda: f"{count} {event} in {self.events()}")
        return self.of(event)[count - 1]


class Post:
    def __init__(self, path, headers, body):
        self.path, self.headers, self.body = path, headers, body
        self.event = headers["X-Runnel-Event"]
        self.id = headers["X-Runnel-Id"]

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def number(self):
        return int(self.id.split("-")[1])

    def is_signed_by(self, secret):
        signature = dict(part.split("=") for part in self.headers["X-Runnel-Signature"].split(","))
        signed = f"{signature['t']}.".encode() + self.body
        return signature["v1"] == hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
