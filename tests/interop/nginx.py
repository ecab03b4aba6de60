"""nginx with its RTMP module, as a server that others run."""

import re
import subprocess

import waiting
from server import free_port

LISTENS_WITHIN = 5
CONFIGURATION = """
load_module {modules}/ngx_rtmp_module.so;
daemon off;
master_process off;
pid {directory}/nginx.pid;
error_log {directory}/nginx.log info;

events {{
}}

rtmp {{
    access_log {directory}/rtmp.log;
    server {{
        listen 127.0.0.1:{port};
        application live {{
            live on;
        }}
    }}
}}
"""


class Nginx:
    def __init__(self, case):
        self.port = free_port()
        self._log = case.directory / "nginx.log"
        configuration = case.directory / "nginx.conf"
        configuration.write_text(
            CONFIGURATION.format(modules=modules(), directory=case.directory, port=self.port)
        )
        command = ["nginx", "-e", self._log, "-p", case.directory, "-c", configuration]
        self.program = case.start("nginx", command)
        waiting.until(self._listens, LISTENS_WITHIN, self.program.describe)

    def rtmp(self, name):
        return f"rtmp://127.0.0.1:{self.port}/live/{name}"

    def _listens(self):
        assert self.program.exit_code is None, self.program.describe()
        return listens(self.port)


def modules():
    """The folder of its modules."""
    about = subprocess.run(["nginx", "-V"], stderr=subprocess.PIPE, text=True, check=True)
    return re.search(r"--modules-path=(\S+)", about.stderr)[1]


def listens(port):
    """Whether somebody listens at a port, without a connection to try it."""
    wanted = f"0100007F:{port:04X}", "0A"
    with open("/proc/net/tcp", encoding="ascii") as lines:
        return any(tuple(line.split()[1:4:2]) == wanted for line in lines)


FOLDER = """
daemon off;
master_process off;
pid {directory}/proxy.pid;
error_log {directory}/proxy.log info;

events {{
}}

http {{
    access_log off;
    server {{
        listen 127.0.0.1:{port};
        location /tv/ {{
            proxy_pass http://127.0.0.1:{behind}/;
            proxy_buffering off;
        }}
    }}
}}
"""


class Folder:
    """nginx as a proxy that has another server's paths below /tv/."""

    def __init__(self, case, behind):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}/tv"
        configuration = case.directory / "proxy.conf"
        directory = case.directory
        configuration.write_text(FOLDER.format(directory=directory, port=self.port, behind=behind))
        log = directory / "proxy.log"
        command = ["nginx", "-e", log, "-p", directory, "-c", configuration]
        self.program = case.start("nginx", command)
        waiting.until(lambda: listens(self.port), LISTENS_WITHIN, self.program.describe)
