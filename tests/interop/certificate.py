"""A certificate that nobody has signed, and sockets that believe any."""

import http.client
import ssl
import subprocess
from urllib.parse import urlsplit


def make(directory, host="localhost", **keys):
    """Two files as the section [tls] names them, and the other keys of that."""
    cert, key = directory / "cert.pem", directory / "key.pem"
    subprocess.run(
        [
            *"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes".split(),
            *f"-days 2 -subj /CN={host}".split(),
            *["-addext", "basicConstraints=critical,CA:FALSE"],
            *["-addext", f"subjectAltName=DNS:{host},IP:127.0.0.1"],
            *["-out", cert, "-keyout", key],
        ],
        check=True,
        capture_output=True,
    )
    return {"cert": cert, "key": key, **keys}


def make_signed(directory, **keys):
    """The same, but signed, and the certificate of the authority that did."""
    authority, signed = directory / "authority.pem", directory / "signed.pem"
    own = make(directory, **keys)
    curve = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2".split()
    subject = ["-subj", "/CN=authority", "-addext", "basicConstraints=critical,CA:TRUE"]
    secret = directory / "authority.key"
    root = ["openssl", "req", "-x509", *curve, *subject, "-out", authority, "-keyout", secret]
    subprocess.run(root, check=True, capture_output=True)
    subprocess.run(
        [
            *["openssl", "x509", "-in", own["cert"], "-CA", authority, "-CAkey", secret],
            *["-days", "2", "-set_serial", "7", "-out", signed],
        ],
        check=True,
        capture_output=True,
    )
    return {**own, "cert": signed}, authority


def believing_any():
    """The context of a client that trusts any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def seal(socket):
    """The handshake of such a client."""
    return believing_any().wrap_socket(socket)


def connection(url, timeout):
    """A connection of http.client to where a URL is; any certificate will do."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        sealed = believing_any()
        return http.client.HTTPSConnection(parts.netloc, timeout=timeout, context=sealed)
    return http.client.HTTPConnection(parts.netloc, timeout=timeout)
