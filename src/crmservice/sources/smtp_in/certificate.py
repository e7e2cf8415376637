"""The certificate for STARTTLS, taken up anew when its files change."""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from pathlib import Path

from crmservice.config import Box
from crmservice.sources.smtp_in import BadCertificate
from crmservice.tls import server_context
from crmservice.words import Words, library_words

Seen = tuple[tuple[int, int, int], ...]


class Certificate:
    """The certificate of a box. Where a renewed one can't be used, the last good one goes on; ``tell`` says why."""

    def __init__(self, box: Box, tell: Callable[[BadCertificate], object]) -> None:
        self._files = tuple(file for file in (box.smtp_listen_cert, box.smtp_listen_key) if file is not None)
        self._tell = tell
        self._seen: Seen | None = None
        self._fault = ""
        self._context: ssl.SSLContext | None = None

    def context(self) -> ssl.SSLContext | None:
        """What a new session uses; None while there is no good certificate. Never raises; a fault is told once."""
        if not self._files:
            return None
        try:
            seen = tuple(_look(file) for file in self._files)
            if seen != self._seen:
                self._seen = seen
                self._context = server_context(*self._files)
            self._fault = ""
        except OSError as fault:
            self._say(_told(self._files[0], fault))
        return self._context

    def _say(self, fault: BadCertificate) -> None:
        if str(fault) != self._fault:
            self._fault = str(fault)
            self._tell(fault)


def try_certificate(box: Box) -> None:
    """Raises BadCertificate where the box has a certificate that can't be used."""

    def refuse(fault: BadCertificate) -> None:
        raise fault

    Certificate(box, refuse).context()


def _told(cert: Path, fault: OSError) -> BadCertificate:
    return BadCertificate("smtpListenCert {file} can't be used: {why}", file=cert, why=_why(fault))


def _why(fault: OSError) -> Words:
    if not isinstance(fault, ssl.SSLError):
        return Words("{file}: {why}", file=fault.filename, why=library_words(fault.strerror or "?"))
    if fault.reason == "KEY_VALUES_MISMATCH":
        return Words("certificate and key do not belong together")
    return Words("it must hold a certificate in PEM form, and it or smtpListenKey the private key without a password")


def _look(file: Path) -> tuple[int, int, int]:
    """What tells that a file is another than before. It is opened for that, so that a fault names it."""
    with file.open("rb") as stream:
        found = os.fstat(stream.fileno())
    return found.st_mtime_ns, found.st_size, found.st_ino
