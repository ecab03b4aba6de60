"""Chromium with a page of players, served from another origin than the streams."""

import http.server
import json
import shutil
import tempfile
import threading
from pathlib import Path

import paths
import waiting

FILES = Path(__file__).resolve().parent / "browser"
SCRIPTS = {
    "/hls.js": "hls.js/dist/hls.min.js",
    "/mpegts.js": "mpegts.js/dist/mpegts.js",
    "/flv.js": "flv.js/dist/flv.min.js",
    "/shaka4.js": "shaka-player/dist/shaka-player.compiled.js",
    "/shaka5.js": "shaka5/dist/shaka-player.compiled.js",
    "/xgplayer.js": "xgplayer/dist/index.min.js",
    "/xgplayer-hls.js": "xgplayer-hls/dist/index.min.js",
}
SERVED = {"/": (FILES / "page.html", "text/html")} | {
    name: (paths.NODE_MODULES / path, "text/javascript") for name, path in SCRIPTS.items()
}
PLAYS_WITHIN = 30


class Chromium:
    """`plays` is a list of {"name", "kind", "url"}.

    The kind is one of `kinds` in page.html: hls.js, shaka (4), shaka5 or xgplayer for HLS;
    flv or mpegts for mpegts.js; flv.js; native or mse for MP4, or "mse of a subprotocol".
    """

    def __init__(self, case, plays):
        page = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Page)
        threading.Thread(target=page.serve_forever, daemon=True).start()
        case.addCleanup(page.server_close)
        case.addCleanup(page.shutdown)
        profile = tempfile.mkdtemp(prefix="runnel-chromium-")
        case.addCleanup(shutil.rmtree, profile, ignore_errors=True)
        self.origin = f"http://127.0.0.1:{page.server_port}"
        self.program = case.start(
            "chromium",
            [
                *["node", FILES / "play.js", "/usr/bin/chromium", profile],
                *[self.origin + "/", json.dumps(plays)],
            ],
            env={"NODE_PATH": str(paths.NODE_MODULES)},
        )

    def report(self):
        """{name: {"frames", "time", "width", "age", "errors"}} as it was last."""
        assert self.program.exit_code is None, self.program.describe()
        lines = self.program.stdout.split(b"\n")
        # The text behind the last line end is a line that is not yet whole.
        return json.loads(lines[-2]) if len(lines) > 1 else {}

    def until(self, condition, what, timeout=PLAYS_WITHIN):
        """Waits until `condition(name, report)` is true of every player; returns the reports."""

        def met():
            report = self.report()
            return report if report and all(condition(*one) for one in report.items()) else None

        return waiting.until(
            met, timeout, lambda: f"{what}: {self.report()}\n{self.program.describe()}"
        )


class _Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if self.path not in SERVED:
            self.send_error(404)
            return
        path, kind = SERVED[self.path]
        body = path.read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass
