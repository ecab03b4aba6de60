"""The base of the tests of what goes under TLS."""

import contextlib
import socket
import subprocess

import certificate
import rtsp_client
from rtsp_case import RtspCase

CLOSES_WITHIN = 10


class TlsCase(RtspCase):
    def serve_sealed(self, max=8, **sections):
        self.serve(
            tls=certificate.make(self.directory, max=max), memory={"total": "128MiB"}, **sections
        )

    @property
    def believing(self):
        """The environment of a program that believes the certificate and no other.

        ffmpeg has an option that it does not hand on when it speaks RTMP.
        """
        return {"SSL_CERT_FILE": str(self.directory / "cert.pem")}

    def connect_sealed(self):
        client = rtsp_client.RtspClient(self.server.rtsps_port, seal=certificate.seal)
        self.addCleanup(client.close)
        return client

    def connect_raw(self, port):
        """TCP, and no TLS yet."""
        connection = socket.create_connection(("127.0.0.1", port), CLOSES_WITHIN)
        self.addCleanup(connection.close)
        return connection

    def is_refused(self, port):
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port), 5).close()
            return False
        return True

    def s_client(self, port, *how):
        """openssl's own client: what it says, and how it ends."""
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", *how]
        return subprocess.run(
            command, input="Q\n", capture_output=True, text=True, timeout=10, check=False
        )
