"""Clients behind real proxies: nginx by X-Forwarded-For and the PROXY protocol, curl; and the Unix socket of the API."""

import json
import os
import stat
import subprocess
import unittest

import certificate
import paths
import waiting
from case import Case
from nginx import LISTENS_WITHIN, listens, modules
from server import free_port

STREAM = "cam"
WITHIN = 20
NOBODY = 65534
# Where nginx comes from: the clients themselves have 127.0.0.1.
PROXY = "127.0.0.9"
CONFIGURATION = """
load_module {modules}/ngx_stream_module.so;
daemon off;
master_process off;
pid {directory}/forwarding.pid;
error_log {directory}/forwarding.log info;

events {{
}}

stream {{
    server {{
        listen 127.0.0.1:{whole};
        proxy_pass 127.0.0.1:{whole_behind};
        proxy_bind {proxy};
        proxy_protocol on;
    }}
}}

http {{
    access_log off;
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass http://127.0.0.1:{behind};
            proxy_bind {proxy};
            proxy_buffering off;
            proxy_set_header Host $host;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        }}
    }}
}}
"""


class Forwarding:
    """nginx before a port of the server by HTTP, and before another by the PROXY protocol."""

    def __init__(self, case, behind, whole_behind):
        self.port, self.whole = free_port(), free_port()
        self.http = f"http://127.0.0.1:{self.port}"
        file = case.directory / "forwarding.conf"
        ports = {"port": self.port, "whole": self.whole, "behind": behind, "whole_behind": whole_behind}
        file.write_text(
            CONFIGURATION.format(directory=case.directory, modules=modules(), proxy=PROXY, **ports)
        )
        log = case.directory / "forwarding.log"
        program = case.start("nginx", ["nginx", "-e", log, "-p", case.directory, "-c", file])
        waiting.until(lambda: listens(self.port) and listens(self.whole), LISTENS_WITHIN, program.describe)


class Proxies(Case):
    def curl(self, *options):
        """The status of an answer, and its body."""
        command = ["curl", "-sS", "-w", "\n%{http_code}", *options]
        done = subprocess.run(command, capture_output=True, check=True, text=True, timeout=WITHIN)
        body, status = done.stdout.rsplit("\n", 1)
        return int(status), body

    def kick(self, url, *options):
        """The status of an answer to a change: 404 for who may."""
        return self.curl("-X", "DELETE", *options, f"{url}/api/v1/sessions/NOBODY1")[0]

    def until_peer(self, action, fits):
        def peers():
            items = json.loads(self.curl(f"{self.server.http}/api/v1/sessions")[1])["items"]
            return [one["peer"] for one in items if one["action"] == action]

        waiting.until(lambda: len(peers()) == 1 and fits(peers()[0]), WITHIN, lambda: str(peers()))
        return peers()[0]


class Nginx(Proxies):
    def test_a_player_has_the_address_that_it_names(self):
        self.serve(connections={"trusted_proxies": [PROXY, "10.0.0.0/8"]})
        self.publish_live(STREAM)
        proxy = Forwarding(self, self.server.http_port, self.server.rtmp_port)
        url = f"{proxy.http}/live/{STREAM}.flv"
        self.start("player", ["curl", "-sS", "-o", "/dev/null", url])
        self.until_peer("play", lambda peer: peer == "127.0.0.1:0")

    def test_only_a_proxy_that_is_not_listed_makes_operators(self):
        self.serve()
        proxy = Forwarding(self, self.server.api_port, self.server.rtmp_port)
        self.assertEqual(self.kick(proxy.http, "-H", "X-Forwarded-For: 203.0.113.9"), 403)
        self.serve(connections={"trusted_proxies": [PROXY]})
        proxy = Forwarding(self, self.server.api_port, self.server.rtmp_port)
        self.assertEqual(self.kick(proxy.http), 403, "a proxy's word makes nobody local")
        self.assertEqual(self.kick(proxy.http, "-H", "X-Forwarded-For: 127.0.0.1", "--interface", PROXY), 403)
        self.assertEqual(self.kick(proxy.http, "-H", "X-Forwarded-For: 203.0.113.9", "--interface", PROXY), 403)
        api = f"http://127.0.0.1:{self.server.api_port}"
        self.assertEqual(self.kick(api, "--interface", PROXY), 403, "it names nobody")

    def test_a_publisher_has_its_address_by_the_proxy_protocol(self):
        self.serve(connections={"trusted_proxies": [PROXY], "proxy_protocol": ["rtmp"]})
        proxy = Forwarding(self, self.server.http_port, self.server.rtmp_port)
        url = f"rtmp://127.0.0.1:{proxy.whole}/live/{STREAM}"
        command = ["ffmpeg", "-v", "error", "-re", "-i", paths.media("demo"), "-c", "copy", "-f", "flv", url]
        self.start("publisher", command)
        self.until_live(STREAM)
        self.until_peer("publish", lambda peer: peer.startswith("127.0.0.1:") and not peer.endswith(":0"))
        # who is no proxy sends no header
        self.publish_live("other")


class Curl(Proxies):
    def test_its_header_stands_before_tls(self):
        self.serve(
            connections={"trusted_proxies": [PROXY], "proxy_protocol": ["https"], "handshake": "2s"},
            tls=certificate.make(self.directory),
            memory={"total": "128MiB"},
        )
        url = f"https://127.0.0.1:{self.server.https_port}/healthz"
        proxied = ["-k", "--interface", PROXY, "--haproxy-protocol"]
        self.assertEqual(self.curl(*proxied, url), (200, "ok\n"))
        self.assertEqual(self.curl("-k", url), (200, "ok\n"), "who is no proxy sends none")
        done = subprocess.run(["curl", "-sSk", "--interface", PROXY, url], capture_output=True, check=False)
        self.assertNotEqual(done.returncode, 0)
        said = "is refused https: connections.proxy_protocol: peer: there is no PROXY header"
        waiting.until(lambda: said in self.server.log, WITHIN, lambda: self.server.log)


class Socket(Proxies):
    def test_curl_and_ctl_come_by_it(self):
        path = self.directory / "s.sock"
        self.serve(api={"socket": path})
        self.publish_live(STREAM)
        at = ["--unix-socket", path]
        self.assertEqual(self.curl(*at, "http://page.example/api/v1/info")[0], 200, "no host is checked")
        self.assertEqual(self.kick("http://localhost", *at), 404)
        told = subprocess.run([paths.SERVER, "ctl", "--socket", path, "sessions"], capture_output=True, check=True)
        head, row = [line.split() for line in told.stdout.decode().splitlines()]
        self.assertEqual((head[0], row[1]), ("ID", STREAM))
        subprocess.run([paths.SERVER, "ctl", "--socket", path, "kick", row[0]], check=True)

    @unittest.skipUnless(os.geteuid() == 0, "only root may become somebody else")
    def test_it_belongs_to_the_servers_user_and_goes_where_that_may_take_it(self):
        folder = self.directory / "run"
        folder.mkdir()
        self.directory.chmod(0o755)
        path = folder / "s.sock"
        for owner in (NOBODY, 0):
            os.chown(folder, owner, owner)
            self.serve(api={"socket": path}, process={"user": f"{NOBODY}:{NOBODY}"})
            about = path.stat()
            self.assertEqual((about.st_uid, stat.S_IMODE(about.st_mode)), (NOBODY, 0o600))
            self.assertEqual(self.kick("http://localhost", "--unix-socket", path), 404)
            self.server.stop()
            self.assertEqual(path.exists(), owner == 0)
        self.serve(api={"socket": path}, process={"user": f"{NOBODY}:{NOBODY}"})
        self.assertEqual(self.kick("http://localhost", "--unix-socket", path), 404, "what is left is replaced")
