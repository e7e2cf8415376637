"""imaplib and IMAPClient with every read bounded in bytes and time (TRUST M6, B30)."""

from __future__ import annotations

import imaplib
import logging
import select
import socket
import ssl
import time
from io import BufferedReader

from imapclient import IMAPClient, SocketTimeout

from crmservice.config import Endpoint
from crmservice.errors import CrmServiceError
from crmservice.tls import Patience, Timeouts, connect

SLACK_BYTES = 1024 * 1024
"""What an answer may hold beside the messages."""

MAX_LINE_BYTES = 1024 * 1024

# The library logs what a server says, which may be a password; faults reach people through SourceError.
logging.getLogger("imapclient").addHandler(logging.NullHandler())
logging.getLogger("imapclient").propagate = False


class Breach(CrmServiceError, imaplib.IMAP4.abort):
    """The server did what it must not. The libraries may wrap it in an error of their own: see ``breach_under``."""

    permanent = False  # the next session may fare better: one message that is lied about costs no other


def breach_under(error: BaseException | None) -> Breach | None:
    """The breach that an error of the libraries stands for, if any."""
    while error is not None and not isinstance(error, Breach):
        error = error.__cause__ or error.__context__
    return error


class Bounded(imaplib.IMAP4):
    """imaplib with every read bounded in bytes and time: a literal of 3 GB is refused before it is read.

    ``allowance``: bytes that the answer to the present command may have; ``texts``: how many literals, None for any number.
    """

    def __init__(self, endpoint: Endpoint, context: ssl.SSLContext, timeouts: Timeouts) -> None:
        self.allowance = SLACK_BYTES
        self.texts: int | None = None
        self._endpoint, self._context, self._timeouts = endpoint, context, timeouts
        self._patience = Patience(timeouts)
        super().__init__(endpoint.host, endpoint.port, timeouts.connect)

    def _create_socket(self, timeout: float | None = None) -> socket.socket:  # noqa: ARG002 (imaplib's hook)
        context = self._context if self._endpoint.security == "tls" else None
        return connect(self._endpoint.host, self._endpoint.port, self._timeouts, context)

    def allow(self, size: int, texts: int | None = None) -> None:
        """The next answer may have so many bytes, and literals."""
        self.allowance, self.texts = size, texts

    @property
    def _stream(self) -> BufferedReader:
        assert isinstance(self.file, BufferedReader)  # what socket.makefile("rb") gives
        return self.file

    def read(self, size: int) -> bytes:
        """A literal of this many bytes, piece by piece: memory grows with what arrives, not with what is announced."""
        self._spend(size)
        if self.texts is not None:
            self.texts -= 1
            if self.texts < 0:
                raise Breach("the server sent more texts than were asked for")
        parts = bytearray()
        while len(parts) < size:
            piece = self._stream.read(min(len(self._ready()), size - len(parts)))
            self._patience.heard(len(piece))
            parts += piece
        return bytes(parts)

    def readline(self) -> bytes:
        """A line with its end; b"" at the end of the connection."""
        line = bytearray()
        while not line.endswith(b"\n"):
            ready = self._ready(at_end=b"")
            if not ready:
                break
            line += self._stream.read(ready.find(b"\n") + 1 or len(ready))
            if len(line) > MAX_LINE_BYTES:
                raise Breach("the server sent an endless line")
        self._patience.heard(len(line))
        self._spend(len(line))
        return bytes(line)

    def leftover(self) -> bool:
        """Whether the server has said something that nobody asked for; does not wait."""
        return bool(self._peek())

    def _peek(self) -> bytes | None:
        """What lies here without waiting, which may be nothing; None for a part of a TLS record."""
        self.sock.settimeout(0)
        try:
            return self._stream.peek(1)
        except ssl.SSLWantReadError:
            return None
        finally:
            self.sock.settimeout(self._timeouts.read)

    def hear_of_mail(self, seconds: float, wake: int | None) -> None:
        """During IDLE: until the server tells of a message (RFC 2177), ``wake`` is readable, or the time is over."""
        until = time.monotonic() + seconds
        watched: list[socket.socket | int] = [self.sock] if wake is None else [self.sock, wake]
        while (left := until - time.monotonic()) > 0:
            if self.leftover():
                if b" EXISTS" in self._get_line():
                    return
                continue
            ready = select.select(watched, [], [], left)[0]
            if wake in ready:
                return
            here = self._peek() if ready else None
            if here == b"":
                raise Breach("the server ended the connection")
            if ready and here is None:
                time.sleep(min(left, 0.05))  # the rest of the record is on its way

    def _ready(self, at_end: bytes | None = None) -> bytes:
        """What is in the buffer, after one wait at the most. At the end of the connection ``at_end``, or abort."""
        with self._patience.waiting(self.sock):
            ready = self._stream.peek(1)
        if not ready:
            if at_end is None:
                raise Breach("the connection ended within an answer")
            return at_end
        return ready

    def _spend(self, size: int) -> None:
        self.allowance -= size
        if self.allowance < 0:
            raise Breach("the server sent more than was asked for")


def woken(wake: int | None, seconds: float = 0) -> bool:
    """Wait so long at most until this descriptor is readable; whether it is."""
    return bool(select.select([] if wake is None else [wake], [], [], seconds)[0])


class _AfterStartTls:
    """In the place of a context for imaplib's STARTTLS: refuses text sent before TLS (CVE-2021-33515)."""

    def __init__(self, imap: Bounded, context: ssl.SSLContext) -> None:
        self._imap, self._context = imap, context

    def wrap_socket(self, sock: socket.socket, server_hostname: str) -> ssl.SSLSocket:
        """Like SSLContext.wrap_socket."""
        if self._imap.leftover():
            raise Breach("the server sent text between STARTTLS and TLS")
        return self._context.wrap_socket(sock, server_hostname=server_hostname)


class BoundedClient(IMAPClient):  # type: ignore[misc]  # the library ships no types
    """IMAPClient over Bounded, without its log of what is said (a server may repeat a password)."""

    def __init__(self, endpoint: Endpoint, context: ssl.SSLContext, timeouts: Timeouts) -> None:
        self._endpoint, self._context, self._timeouts = endpoint, context, timeouts
        tls = endpoint.security == "tls"
        waits = SocketTimeout(timeouts.connect, timeouts.read)
        super().__init__(endpoint.host, endpoint.port, ssl=tls, ssl_context=context, timeout=waits)
        self.bounded.debug = 0
        self.normalise_times = False

    @property
    def bounded(self) -> Bounded:
        """The connection below."""
        found: Bounded = self._imap
        return found

    def _create_IMAP4(self) -> Bounded:  # noqa: N802 (IMAPClient's hook)
        return Bounded(self._endpoint, self._context, self._timeouts)

    def secure(self) -> None:
        """STARTTLS (RFC 9051 section 6.2.1), and nothing but STARTTLS."""
        # Asking for a login first makes no sense where the server says that we are in already (CVE-2021-39272).
        if self.bounded.state != "NONAUTH":
            raise Breach("the server let us in without asking who we are")
        if self._endpoint.security == "starttls":
            if not self.has_capability("STARTTLS"):
                raise Breach(
                    "it does not offer STARTTLS, and no password goes over a line that can be read; try port 993",
                    permanent=True,
                )
            self.starttls(_AfterStartTls(self.bounded, self._context))
