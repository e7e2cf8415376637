"""Until when a certificate is good: a server's, after its own STARTTLS, or one in a file (SPEC 13.7)."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from crmservice.config import Endpoint
from crmservice.tls import Timeouts, connect

MAX_LINE = 1000
MAX_LINES = 100
EXPIRED = 10
"""X509_V_ERR_CERT_HAS_EXPIRED."""

_UTC_TIME, _GENERALIZED_TIME, _VERSION = 0x17, 0x18, 0xA0


class Expired(Exception):
    """The certificate is good no more."""


def of_server(endpoint: Endpoint, protocol: str, context: ssl.SSLContext, waits: Timeouts) -> datetime:
    """Until when the certificate of a server is good; ``protocol``: ``pop3``, ``imap``, ``smtp``.

    Raises Expired, or OSError or ValueError where it can't be had.
    """
    try:
        sock = connect(endpoint.host, endpoint.port, waits, context if endpoint.security == "tls" else None)
        with sock:
            if endpoint.security == "tls":
                return _of_connection(sock)
            _STARTTLS[protocol](_Lines(sock))
            with context.wrap_socket(sock, server_hostname=endpoint.host) as secured:
                return _of_connection(secured)
    except ssl.SSLCertVerificationError as refused:
        if refused.verify_code == EXPIRED:
            raise Expired from None
        raise


def of_file(path: Path) -> datetime:
    """Until when the first certificate of a PEM file is good. Raises OSError or ValueError."""
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    _before, found, rest = path.read_text("ascii", "replace").partition(begin)
    return not_after(ssl.PEM_cert_to_DER_cert(f"{found}{rest.partition(end)[0]}{end}"))


def _of_connection(sock: socket.socket) -> datetime:
    der = sock.getpeercert(binary_form=True) if isinstance(sock, ssl.SSLSocket) else None
    return not_after(der or b"")


def not_after(der: bytes) -> datetime:
    """The end of a certificate's validity (RFC 5280 section 4.1). Raises ValueError where it is none."""
    try:
        _tag, inside, _end = _element(der, 0)
        _tag, at, _end = _element(der, inside)
        tag, _start, end = _element(der, at)
        at = end if tag == _VERSION else at
        for _field in ("serialNumber", "signature", "issuer"):
            _tag, _start, at = _element(der, at)
        _tag, at, _end = _element(der, at)
        _tag, _start, at = _element(der, at)
        tag, start, end = _element(der, at)
        form = {_UTC_TIME: "%y%m%d%H%M%SZ", _GENERALIZED_TIME: "%Y%m%d%H%M%SZ"}[tag]
        return datetime.strptime(der[start:end].decode("ascii"), form).replace(tzinfo=UTC)
    except (LookupError, ValueError) as wrong:
        msg = "that is no certificate"
        raise ValueError(msg) from wrong


def _element(der: bytes, at: int) -> tuple[int, int, int]:
    """Tag, start and end of what stands at this place (X.690 section 8.1)."""
    tag, length, start = der[at], der[at + 1], at + 2
    if length & 0x80:
        more = length & 0x7F
        length, start = int.from_bytes(der[start : start + more], "big"), start + more
    return tag, start, start + length


class _Lines:
    """A server's lines, read byte by byte: what follows STARTTLS belongs to TLS."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def answer(self, line: str = "") -> str:
        """Say a line, and hear one."""
        if line:
            self._sock.sendall(f"{line}\r\n".encode())
        heard = bytearray()
        while not heard.endswith(b"\n"):
            byte = self._sock.recv(1)
            heard += byte
            if not byte or len(heard) > MAX_LINE:
                raise ConnectionError
        return heard.decode("ascii", "replace")

    def answers(self, line: str = "") -> str:
        """Say a line, and hear an SMTP reply; its last line."""
        for _ in range(MAX_LINES):
            heard = self.answer(line)
            if heard[3:4] != "-":
                return heard
            line = ""
        raise ConnectionError


def _stls(lines: _Lines) -> None:
    lines.answer()
    _expect(lines.answer("STLS"), "+OK")


def _imap(lines: _Lines) -> None:
    lines.answer()
    _expect(lines.answer("a STARTTLS"), "a OK")


def _smtp(lines: _Lines) -> None:
    lines.answers()
    lines.answers("EHLO [127.0.0.1]")
    _expect(lines.answers("STARTTLS"), "220")


def _expect(heard: str, begin: str) -> None:
    if not heard.startswith(begin):
        raise ConnectionError


_STARTTLS: dict[str, Callable[[_Lines], None]] = {"pop3": _stls, "imap": _imap, "smtp": _smtp}
