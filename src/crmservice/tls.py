"""How the service reaches another machine: verified TLS, bounded waiting, and what went wrong in words.

Python 3.11's own clients verify nothing unless a context is passed (gh-72507, gh-91826); this is the one
place that makes it. There is no way to switch verification off: ``tlsCaFile`` names the CA to trust instead.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait, in seconds: for a connection, for the next bytes, for a whole session."""

    connect: float = 10.0
    read: float = 60.0
    session: float = 600.0


def tls_context(ca_file: Path | None = None) -> ssl.SSLContext:
    """A client's context: certificate and host name verified, TLS 1.2 or newer (RFC 8996, RFC 9325).

    ``ca_file`` (PEM): trust these certificates and no others. Raises OSError if it can't be read.
    """
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def connect(host: str, port: int, timeouts: Timeouts, context: ssl.SSLContext | None = None) -> socket.socket:
    """A connection, with TLS from the first byte if a context is given. Raises OSError (ssl.SSLError is one)."""
    sock = socket.create_connection((host, port), timeout=timeouts.connect)
    try:
        if context is not None:
            sock = context.wrap_socket(sock, server_hostname=host)
        sock.settimeout(timeouts.read)
    except BaseException:
        sock.close()
        raise
    return sock


def explain(error: Exception) -> tuple[str, bool]:
    """What a failed connection means, for administrators, and whether trying again soon can't help."""
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message or "it can't be verified"
        return f"its certificate is refused: {why}; have it renewed, or name its CA in tlsCaFile", True
    if isinstance(error, ssl.SSLError):
        return (
            f"TLS failed ({error.reason or 'no reason given'}); check the port, and that the server speaks TLS 1.2",
            False,
        )
    if isinstance(error, socket.gaierror):
        return "its name is not known; check the name and the DNS", False
    if isinstance(error, TimeoutError):
        return "it did not answer in time", False
    if isinstance(error, ConnectionRefusedError):
        return "it refuses the connection; check the port, and that the server runs", False
    if isinstance(error, OSError) and error.strerror:
        return error.strerror, False
    return "the connection broke", False
