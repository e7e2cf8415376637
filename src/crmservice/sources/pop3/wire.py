"""Lines and bodies of POP3 over a socket, each within bounds (RFC 1939 section 3)."""

from __future__ import annotations

import re
import socket
import ssl

from crmservice.errors import BadValue, CrmServiceError
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
    """More bytes came than are taken; ``head`` are the first of them."""

    def __init__(self, head: bytes) -> None:
        super().__init__("more than the limit")
        self.head = head


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
        """Whether bytes are here that nobody asked for."""
        return bool(self._buffer)

    def start_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Go on over TLS. What came before its time is no answer of the server's (CVE-2021-33515)."""
        if self.pending:
            raise ProtocolError("it sent text between STLS and TLS")
        self.sock = context.wrap_socket(self.sock, server_hostname=host)

    def send(self, line: bytes) -> None:
        """Send a command. Raises BadValue if it holds the end of a line (TRUST B6)."""
        if re.search(rb"[\r\n\0]", line):
            raise BadValue("a command would hold a line end; check the login name")
        self.sock.sendall(line + b"\r\n")

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

    def body(self, limit: int) -> bytes:
        """A multi-line answer without its dot-stuffing (RFC 1939 section 3). Raises TooLarge."""
        stop = self.eol + b"." + self.eol
        text = bytearray(self.eol) + self._buffer
        self._buffer = bytearray()
        start = 0
        most = limit * 4 // 3 + 64  # a body of dots alone grows by a third
        while (at := text.find(stop, start)) < 0:
            if len(text) > most:
                raise TooLarge(bytes(text[len(self.eol) : most]))
            start = max(0, len(text) - len(stop) + 1)
            text += self._receive()
        self._buffer = text[at + len(stop) :]
        del text[at + len(self.eol) :]
        del text[: len(self.eol)]
        body = bytes(text[1:] if text.startswith(b"..") else text)
        body = body.replace(self.eol + b"..", self.eol + b".")
        if len(body) > limit:
            raise TooLarge(body)
        return body

    def _line(self) -> bytes:
        while (at := self._buffer.find(b"\n")) < 0:
            if len(self._buffer) > MAX_REPLY_BYTES:
                raise ProtocolError("it sent an endless line")
            self._buffer += self._receive()
        line = bytes(self._buffer[: at + 1])
        del self._buffer[: at + 1]
        # Some servers end all lines with LF; in the others a lone LF is part of a message.
        self.eol = b"\r\n" if line.endswith(b"\r\n") else b"\n"
        return line.rstrip(b"\r\n")

    def _receive(self) -> bytes:
        with self._patience.waiting(self.sock):
            data = self.sock.recv(256 * 1024)
        if not data:
            raise ConnectionResetError
        self._patience.heard(len(data))
        return data


def _text(line: bytes) -> str:
    """A server's line as printable text."""
    return re.sub(r"[^\x20-\x7e\xa0-\uffff]", "?", line.decode("utf-8", "replace")).strip()
