"""The parts of a bounce, in their order and flat: its own words, its report, the mail it returns.

Bounces break MIME in ways that a reader of good mail may refuse: boundaries that differ from the announced
one, a report inside plain text, no boundaries at all. So a line that begins with ``--`` opens a part where
it is an announced boundary (RFC 2046 section 5.1.1) or where the next line is a Content header. One pass, linear.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from crmservice.mail.body import html_to_text
from crmservice.mail.charsets import to_text
from crmservice.mail.headers import Block, parameters, read
from crmservice.mail.message import Headers
from crmservice.mail.structure import undo

MAX_BYTES = 512 * 1024
"""What is read of a bounce: reports stand before the returned mail."""
MAX_PARTS = 200
_MAX_BOUNDARIES = 100
_RETURNED = ("message/rfc822", "text/rfc822-headers", "message/global", "message/global-headers")
# Up to one space before: some servers indent the boundary along with the text above it.
_DASHES = re.compile(rb"^ ?--(?=\S)[^\r\n]{1,200}\r?\n", re.MULTILINE)
_CONTENT = re.compile(rb"(?:content-|mime-version)[a-z-]*[ \t]*:", re.IGNORECASE)


class Part(NamedTuple):
    """A leaf: media type, text, and whether it belongs to the returned mail."""

    kind: str
    text: str
    returned: bool


@dataclass(slots=True)
class _Boundaries:
    """Boundaries of the bounce itself, and of the mail that it returns."""

    outer: set[bytes] = field(default_factory=set)
    inner: set[bytes] = field(default_factory=set)

    def add(self, boundary: bytes, *, returned: bool) -> None:
        if boundary and boundary not in self.outer and len(self.outer) + len(self.inner) < _MAX_BOUNDARIES:
            (self.inner if returned else self.outer).add(boundary)


def split(raw: bytes) -> list[Part]:
    """The leaves of a mail; total: never raises. Reads at most ``MAX_BYTES``."""
    return list(_parts(raw[:MAX_BYTES]))


def _parts(raw: bytes) -> Iterator[Part]:
    boundaries = _Boundaries()
    returned, start = False, 0
    for _ in range(MAX_PARTS):
        block = _block(raw, start)
        kind, settings = parameters(block.headers.first("content-type") or "text/plain")
        opens_returned = kind in _RETURNED
        boundaries.add(settings.get("boundary", "").encode("utf-8", "replace"), returned=returned)
        found = _next_boundary(raw, block.body, boundaries)
        body = raw[block.body : found[0] if found else len(raw)]
        attached = block.headers.first("content-disposition").lower().startswith("attachment")
        hidden = returned or opens_returned or (attached and kind.startswith("text/"))
        if not (kind.startswith("multipart/") and found):  # what stands above the first boundary is for nobody
            yield Part(kind, _text(block.headers, kind, settings, body), hidden)
        returned = returned or opens_returned
        if found is None:
            return
        _, start, boundary = found
        if boundary in boundaries.outer:
            returned = False
        boundaries.add(boundary, returned=returned)


def _block(raw: bytes, start: int) -> Block:
    """The headers of the part at ``start``, and where in ``raw`` its body begins."""
    if start == 0:
        return read(raw)
    block = read(raw[start : start + 16 * 1024])
    return block._replace(body=start + block.body)


def _next_boundary(raw: bytes, start: int, known: _Boundaries) -> tuple[int, int, bytes] | None:
    """Begin and end of the next line that opens or closes a part, and its boundary."""
    for line in _DASHES.finditer(raw, start):
        boundary = line[0].strip()[2:]
        if boundary in known.outer or boundary in known.inner or _CONTENT.match(raw, line.end()):
            return line.start(), line.end(), boundary
        if boundary.endswith(b"--") and boundary[:-2] in known.inner:
            return line.start(), line.end(), boundary[:-2]
    return None


def _text(headers: Headers, kind: str, settings: dict[str, str], body: bytes) -> str:
    """The body as text; what is no text, report or mail is empty."""
    if not kind.startswith(("text/", "message/", "multipart/")):
        return ""
    encoding = headers.first("content-transfer-encoding")
    if not (kind.startswith("multipart/") and "base64" in encoding.lower()):
        body = undo(body, encoding)
    text = to_text(body, settings.get("charset", "")).replace("\r\n", "\n")
    return html_to_text(text) if kind == "text/html" else text
