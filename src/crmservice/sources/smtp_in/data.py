"""What follows DATA: where the message ends, what its bytes are, and a place for them that is not memory."""

from __future__ import annotations

import contextlib
from pathlib import Path
from tempfile import SpooledTemporaryFile

IN_MEMORY = 1024 * 1024
"""Bytes of a message that wait in memory; a larger one goes to a file without a name. A hundred senders fit."""

_END = b"\r\n.\r\n"


class Transparency:
    """Finds the end of a message and takes its doubled dots away, chunk by chunk (RFC 5321 section 4.5.2).

    CR LF . CR LF alone is the end: with a bare CR or LF in its place somebody could hide a second message in
    the first (SMTP smuggling, VU#302671). Such bytes are the message's own and stay.
    """

    def __init__(self) -> None:
        # The line end of DATA itself: a message may begin with its end.
        self._held = b"\r\n"
        self._ours = len(self._held)

    def feed(self, chunk: bytes) -> tuple[bytes, bytes | None]:
        """The next bytes of the message, and what came behind its end; None while there was no end."""
        text = self._held + chunk
        end = text.find(_END)
        if end >= 0:
            return self._undoubled(text[: end + 2]), text[end + len(_END) :]
        keep = next(size for size in range(len(_END) - 1, -1, -1) if text.endswith(_END[:size]))
        self._held = text[len(text) - keep :]
        return self._undoubled(text[: len(text) - keep]), None

    def _undoubled(self, text: bytes) -> bytes:
        if not text:
            return b""
        skip, self._ours = self._ours, 0
        return text.replace(b"\r\n.", b"\r\n")[skip:]


class Spool:
    """A message on its way in. ``limit`` bytes are kept at most, ``size`` counts all that came.

    ``fault``: why its bytes could not be kept (a full disk); it takes no more then.
    """

    def __init__(self, limit: int, folder: Path, in_memory: int = IN_MEMORY) -> None:
        self.size = 0
        self.fault: OSError | None = None
        self._limit = limit
        self._file = SpooledTemporaryFile(max_size=in_memory, dir=str(folder))  # noqa: SIM115 (closed by close)

    @property
    def too_large(self) -> bool:
        """Whether more than ``limit`` came."""
        return self.size > self._limit

    def add(self, part: bytes) -> None:
        """Take the next bytes; never raises."""
        self.size += len(part)
        if self.fault is not None:
            return
        if self.too_large:
            self.close()
            return
        try:
            self._file.write(part)
        except OSError as fault:
            self.fault = fault
            self.close()

    def read(self) -> bytes:
        """The message. Raises OSError where the file can't be read, or not all of it was written."""
        self._file.seek(0)
        return bytes(self._file.read())

    def close(self) -> None:
        """Let go of the bytes; a second call does nothing."""
        with contextlib.suppress(OSError):  # a full disk refuses the rest of what we throw away
            self._file.close()
