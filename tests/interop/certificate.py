"""A certificate that nobody has signed, and sockets that believe any."""

import ssl
import subprocess


def make(directory, **keys):
    """Two files as the section [tls] names them, and the other keys of that."""
    cert, key = directory / "cert.pem", directory / "key.pem"
    subprocess.run(
        [
            *"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes".split(),
            *"-days 2 -subj /CN=localhost".split(),
            *["-addext", "basicConstraints=critical,CA:FALSE"],
            *["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
            *["-out", cert, "-keyout", key],
        ],
        check=True,
        capture_output=True,
    )
    return {"cert": cert, "key": key, **keys}


def seal(socket):
    """The handshake of a client that believes what it is shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context.wrap_socket(socket)
