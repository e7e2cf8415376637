"""Lines and bodies of POP3 over a socket, each within bounds (RFC 1939 section 3)."""

from __future__ import annotations

import re
import socket
import ssl

from crmservice.errors import BadValue, CrmServiceError
from crmservice.sources import MAX_HEADER_BYTES
from crmservice.tls import Patience, Timeouts

MAX_REPLY_BYTES = 8 * 1024
"""A status line; RFC 2449 section 4 allows 512."""


class ProtocolError(CrmServiceError):
    """The server said what it must not; nothing it says afterwards can be trusted."""

    permanent = False


class NoReply(ProtocolError):
    """It answered ``said``, which is neither ``+OK`` nor ``-ERR``."""

    def __init__(self, said: str) -> None:
        super().__init__("it answered neither +OK nor -ERR")
        self.said = said


class TooLarge(Exception):
    """More bytes came than are taken: ``size`` so far; ``head`` are the first of them."""

    def __init__(self, head: bytes, size: int) -> None:
        super().__init__("more than the limit")
        self.head, self.size = head, size


class Refused(Exception):
    """``-ERR`` with the server's text, an orderly answer."""


class Wire:
    """Lines and dot-stuffed bodies over a socket, each within bounds of bytes and time."""

    def __init__(self, sock: socket.socket, timeouts: Timeouts) -> None:
        self.sock = sock
        self.eol = b"\r\n"
        self._patience = Patience(timeouts)
        self._buffer = bytearray()

    @property
    def pending(self) -> bool:
        """Whether bytes are here already."""
        return bool(self._buffer)

    def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Go on over TLS. What came before its time is no answer of the server's (CVE-2021-33515)."""
        if self.pending:
            raise ProtocolError("it sent text between STLS and TLS")
        self.sock = context.wrap_socket(self.sock, server_hostname=host)

    def send(self, *lines: bytes) -> None:
        """Send commands, together. Raises BadValue if one holds the end of a line (TRUST B6)."""
        if any(re.search(rb"[\r\n\0]", line) for line in lines):
            raise BadValue("a command would hold a line end; check the login name")
        self.sock.sendall(b"".join(line + b"\r\n" for line in lines))

    def reply(self) -> bytes:
        """The text behind ``+OK``. Raises Refused for ``-ERR``, ProtocolError for anything else."""
        line = self._line()
        if line.startswith(b"+OK"):
            return line[3:].strip()
        if line.startswith(b"-ERR"):
            raise Refused(_text(line[4:]))
        raise NoReply(_text(line))

    def challenge(self) -> bytes:
        """The text behind ``+ `` (RFC 5034 section 4); ``+OK`` and ``-ERR`` as in ``reply``."""
        line = self._line()
        if line.startswith(b"-ERR"):
            raise Refused(_text(line[4:]))
        if not line.startswith(b"+"):
            raise NoReply(_text(line))
        return line

    def greeting(self) -> None:
        """The server's first line, whose line end is the server's for the session."""
        self.reply()

    def body(self, limit: int, within: float | None = None) -> bytes:
        """A multi-line answer without its dot-stuffing (RFC 1939 section 3). Raises TooLarge.

        ``within``: seconds to wait for each of its pieces, where that is less than usual.
        """
        empty = b"." + self.eol
        while len(self._buffer) < len(empty):
            self._receive(within)
        if self._buffer.startswith(empty):
            del self._buffer[: len(empty)]
            return b""
        text = self._until(self.eol + empty, limit, within)
        text = (text[1:] if text.startswith(b"..") else text).replace(self.eol + b"..", self.eol + b".")
        if len(text) > limit:
            raise TooLarge(text[:MAX_HEADER_BYTES], len(text))
        return text

    def _until(self, stop: bytes, limit: int, within: float | None) -> bytes:
        """The bytes before this mark, with the line end that it begins with."""
        most = limit * 4 // 3 + 64  # a body of dots alone grows by a third
        start = 0
        while (at := self._buffer.find(stop, start)) < 0:
            if len(self._buffer) > most:
                raise TooLarge(bytes(self._buffer[:MAX_HEADER_BYTES]), len(self._buffer))
            start = max(0, len(self._buffer) - len(stop) + 1)
            self._receive(within)
        text = bytes(self._buffer[: at + len(self.eol)])
        del self._buffer[: at + len(stop)]
        return text

    def _line(self) -> bytes:
        while (at := self._buffer.find(b"\n", 0, MAX_REPLY_BYTES)) < 0:
            if len(self._buffer) >= MAX_REPLY_BYTES:
                raise ProtocolError("it sent an endless line")
            self._receive()
        line = bytes(self._buffer[: at + 1])
        del self._buffer[: at + 1]
        # Some servers end all lines with LF; in the others a lone LF is part of a message.
        self.eol = b"\r\n" if line.endswith(b"\r\n") else b"\n"
        return line.rstrip(b"\r\n")

    def _receive(self, within: float | None = None) -> None:
        with self._patience.waiting(self.sock, within):
            data = self.sock.recv(256 * 1024)
        if not data:
            raise ConnectionResetError
        self._patience.heard(len(data))
        self._buffer += data


def _text(line: bytes) -> str:
    """A server's line as printable text."""
    return re.sub(r"[^\x20-\x7e\xa0-\uffff]", "?", line.decode("utf-8", "replace")).strip()
