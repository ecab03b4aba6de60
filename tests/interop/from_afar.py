"""The base of the tests in which others than this machine come: that counts for nobody."""

import subprocess
import sys

from case import Case
from namespaces import HERE, THERE, Unavailable, Wire

OTHER = THERE.rsplit(".", 1)[0] + ".3"
# Asks from an address so many times, says how it was answered, and stays.
ASKS = """
import socket, sys
source, host, port, path, count = sys.argv[1:]
kept = []
for _ in range(int(count)):
    one = socket.create_connection((host, int(port)), 10, (source, 0))
    one.sendall(f"GET {path} HTTP/1.1\\r\\nHost: h\\r\\n\\r\\n".encode())
    print(one.recv(4096).split()[1].decode(), flush=True)
    kept.append(one)
sys.stdin.read()
"""


class FromAfar(Case):
    def setUp(self):
        super().setUp()
        try:
            wire = Wire()
        except Unavailable as error:
            self.skipTest(f"no network namespaces: {error}")
        self.addCleanup(wire.close)
        self.there = wire.there
        # One more address over there.
        subprocess.run(
            [*self.there, *f"ip address add {OTHER}/24 dev wire".split()], check=True
        )

    def ask(self, source, path, count):
        """The answers to one address, which keeps its connections."""
        return self.run_there(ASKS, source, self.server.http_port, path, count)

    def run_there(self, script, source, port, *words):
        """The numbers that a script says, as many as its last word asks for."""
        *_, count = words
        asking = subprocess.Popen(
            [*self.there, sys.executable, "-c", script, source, HERE, *map(str, (port, *words))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.addCleanup(asking.stdout.close)
        self.addCleanup(asking.wait, 10)
        self.addCleanup(asking.stdin.close)
        return [int(asking.stdout.readline()) for _ in range(count)]
