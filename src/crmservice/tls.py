"""How the service reaches another machine: verified TLS, bounded waiting, and what went wrong in words.

Python 3.11's own clients verify nothing unless a context is passed (gh-72507, gh-91826); this is the one
place that makes it. There is no way to switch verification off: ``tlsCaFile`` names the CA to trust instead.
"""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from crmservice.words import Words, library_words, system_words

SLOWEST = 4096
"""Bytes a second: a server that sends at least this much may take as long as its mail needs."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long to wait, in seconds: for a connection, for the next bytes, and in all while little comes.

    ``idle``: after this an IMAP server's IDLE is begun anew; it may end it after 29 minutes (RFC 2177 section 3).
    """

    connect: float = 10.0
    read: float = 60.0
    session: float = 600.0
    idle: float = 28 * 60.0


class Patience:
    """How long a session may still be waited for: silence ends it at once, a trickle soon, bytes buy time.

    Only the time spent waiting counts, not what is done with the mail in between; a large message over a slow
    line gets through, a server that sends a byte a minute does not hold its box for ever (TRUST C10).
    """

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self._left = timeouts.session

    @contextmanager
    def waiting(self, sock: socket.socket, within: float | None = None) -> Iterator[None]:
        """Around one read of this socket, of so many seconds at most. Raises TimeoutError where none are left."""
        if self._left <= 0:
            raise TimeoutError
        sock.settimeout(min(self._left, within or self._timeouts.read, self._timeouts.read))
        begun = time.monotonic()
        try:
            yield
        finally:
            self._left -= time.monotonic() - begun

    def heard(self, size: int) -> None:
        """So many bytes came."""
        self._left = min(self._timeouts.session, self._left + size / SLOWEST)


def tls_context(ca_file: Path | None = None) -> ssl.SSLContext:
    """A client's context: certificate and host name verified, TLS 1.2 or newer (RFC 8996, RFC 9325).

    ``ca_file`` (PEM): trust these certificates and no others. Raises OSError if it can't be read.
    """
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def server_context(cert: Path, key: Path | None = None) -> ssl.SSLContext:
    """A server's context with this certificate (PEM, its chain behind it); the key may be in the same file.

    TLS 1.2 or newer. Raises OSError (ssl.SSLError is one) where a file can't be read or used; a key with a password
    can't, as nobody is asked.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(cert, key, password=lambda: b"")
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


def explain(error: Exception) -> Words:
    """What a failed connection means and what to do, for administrators. Nothing of it is for ever: it may work later."""
    if isinstance(error, ssl.SSLCertVerificationError):
        why, advice = _certificate_why(error), _certificate_advice(error.verify_code)
        return Words("its certificate is refused: {why}; {advice}", why=why, advice=advice)
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, "reason", None) or Words("no reason given")
        if reason == "WRONG_VERSION_NUMBER":
            return Words(
                "it does not speak TLS from the first byte on this port ({reason}); try 993 for IMAP, 995 for POP3",
                reason=reason,
            )
        return Words(
            "TLS failed ({reason}); check the port, and that the server speaks TLS 1.2 or newer there", reason=reason
        )
    if isinstance(error, socket.gaierror):
        return Words("its name is not known; check the name and the DNS")
    if isinstance(error, TimeoutError):
        return Words(
            "it did not answer in time; check host and port, the firewalls between, and whether the port speaks TLS"
        )
    if isinstance(error, ConnectionRefusedError):
        return Words("it refuses the connection; check the port, and that the server runs")
    if isinstance(error, ConnectionError):
        return Words("it broke the connection off; check the port, and the server's log")
    if isinstance(error, OSError) and error.strerror:
        return Words("{why}; check host, port and network", why=system_words(error))
    return Words("the connection broke; check the server's log")


# Codes of X509_verify_cert_error_string(3); Python names them in the message alone.
_NOT_YET_VALID, _EXPIRED, _OTHER_HOST, _OTHER_ADDRESS = 9, 10, 62, 64


def _certificate_why(error: ssl.SSLCertVerificationError) -> Words:
    if error.verify_code in {_OTHER_HOST, _OTHER_ADDRESS}:
        return Words("it is another server's")
    said = error.verify_message.rstrip(".")
    return library_words(said) if said else Words("it can't be verified")


def _certificate_advice(code: int) -> Words:
    if code == _EXPIRED:
        return Words("have it renewed")
    if code == _NOT_YET_VALID:
        return Words("check this machine's clock, then have it renewed")
    if code in {_OTHER_HOST, _OTHER_ADDRESS}:
        return Words("write the server's name as it stands in the certificate")
    return Words("if you trust who issued it, name that CA's PEM file in tlsCaFile")
