"""The MIME tree of a message as plain parts, by the fast reader; where it can't be trusted, ``patient`` reads it.

The fast reader (``fast-mail-parser``) is believed about structure and transfer encodings alone: headers of
the message and all character sets are ours. Seen of it (1.2), and guarded here: it takes a line that only
begins like a boundary for one, its cost grows with the square of the encoded words in one header, it decodes
these before it looks at quotes, it guesses Latin-1 for raw 8-bit part headers, it drops 8-bit bytes from
quoted-printable, it leaves uuencode and commented encodings undecoded.
"""

from __future__ import annotations

import binascii
import quopri
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import fast_mail_parser
from fast_mail_parser import PyLazyMimePart

from crmservice.mail import headers
from crmservice.mail.headers import Block
from crmservice.mail.message import Headers

MAX_DEPTH = 20
MAX_PARTS = 500
MAX_PATIENT_BYTES = 5 * 1024 * 1024
# Encoded words, whose cost to the fast reader is quadratic: from the first on the message's own header is kept from
# it (we read that ourselves), from the second on, of the parts' headers, the whole message.
_MANY_WORDS = 200
_MAX_WORDS = 1000
_MAX_BOUNDARIES = 20
_WORD_BEGINS, _WORD_KEPT = b"=?", b"=\x7f"


class TooDeep(Exception):
    """Parts nested deeper than a reader follows."""


@dataclass(slots=True)
class Part:
    """One node of the MIME tree; ``load`` gives a leaf's bytes, its transfer encoding undone.

    ``content_type`` is ``type/subtype`` in lower case, with its ``parameters`` decoded; ``nested``: the leaf is
    a whole mail. ``size`` is the encoded length in bytes, of a container 0.
    """

    content_type: str = "text/plain"
    parameters: dict[str, str] = field(default_factory=dict)
    disposition: str = ""
    filename: str = ""
    content_id: str = ""
    children: list[Part] = field(default_factory=list)
    nested: bool = False
    size: int = 0
    load: Callable[[], bytes] = bytes

    @property
    def container(self) -> bool:
        """Whether the node is a multipart: no leaf."""
        return self.content_type.startswith("multipart/")


def read_fast(raw: bytes, block: Block) -> Part | None:
    """The tree by the fast reader, or None where it can't be trusted with this message.

    ``block`` is the header block of ``raw`` as we split it. Raises TooDeep where the reader gives up on the depth.
    """
    words = raw.count(_WORD_BEGINS)
    if words > _MANY_WORDS:
        raw = raw[: block.body].replace(_WORD_BEGINS, _WORD_KEPT) + raw[block.body :]
        words = raw.count(_WORD_BEGINS)
        if words > _MAX_WORDS:
            return None
    try:
        tree = fast_mail_parser.parse_email_tree(raw, mode="lazy")
        in_parts = words > 0 and tree.children and words > raw.count(_WORD_BEGINS, 0, block.body)
        named = _with_words_kept(raw) if in_parts else tree
    except fast_mail_parser.MimeStructureError as fault:
        raise TooDeep(str(fault)) from fault
    except fast_mail_parser.ParseError:
        return None
    reader = _Fast(raw)
    part = reader.part(tree, named, block.headers, 1)
    if part is None or len(reader.boundaries) > _MAX_BOUNDARIES:
        return None
    return part if all(_exact(raw, boundary) for boundary in reader.boundaries) else None


def _with_words_kept(raw: bytes) -> PyLazyMimePart:
    """The tree whose headers still have their encoded words: read from a copy in which nothing looks like one."""
    return fast_mail_parser.parse_email_tree(raw.replace(_WORD_BEGINS, _WORD_KEPT), mode="lazy")


@dataclass(slots=True)
class _Fast:
    """Makes our tree from the fast reader's, while it can be trusted; ``count`` numbers the nodes."""

    raw: bytes
    boundaries: set[str] = field(default_factory=set)
    count: int = 0
    as_sent: list[PyLazyMimePart] = field(default_factory=list)
    words_below: bool | None = None

    def part(self, node: PyLazyMimePart, named: PyLazyMimePart, fields: Headers, depth: int) -> Part | None:
        """A part of ours for a node; its children's headers are those of ``named``. None: not to be trusted."""
        part = describe(fields)
        number = self.count
        self.count += 1
        if part.container:
            self.boundaries.add(part.parameters.get("boundary", ""))
            return self._with_children(part, node, named, depth)
        if node.children and not node.is_message:
            return None
        part.nested = node.is_message
        part.content_type = "message/rfc822" if node.is_message else part.content_type
        part.size = node.encoded_size or 0
        encoding = fields.first("content-transfer-encoding")
        part.load = lambda: self.load(node, number, encoding)
        return part

    def _with_children(self, part: Part, node: PyLazyMimePart, named: PyLazyMimePart, depth: int) -> Part | None:
        if self.count > MAX_PARTS or depth > MAX_DEPTH:
            return part
        children, named_children = node.children, named.children
        if len(children) != len(named_children):
            return None
        for child, of_child in zip(children[: MAX_PARTS + 1], named_children, strict=False):
            fields = _fast_headers(of_child.headers)
            made = None if fields is None else self.part(child, of_child, fields, depth + 1)
            if made is None:
                return None
            part.children.append(made)
        return part if part.children else None

    def load(self, node: PyLazyMimePart, number: int, encoding: str) -> bytes:
        """A leaf's bytes. Where the reader refuses base64 or would drop 8-bit bytes, its encoding is undone here."""
        name = encoding.strip().lower()
        if name == "quoted-printable" and not self.raw.isascii():
            return undo(self.undecoded(number), name)
        if name == "base64" and self.words_below_base64():
            return undo(self.undecoded(number), name)
        try:
            data = node.content or b""
        except fast_mail_parser.ParseError:
            return headers.from_base64(self.undecoded(number))
        return data if name in ("", "7bit", "8bit", "binary", "quoted-printable", "base64") else undo(data, name)

    def words_below_base64(self) -> bool:
        """Whether words that may be read as base64 stand below some: the reader would take them for its continuation."""
        if self.words_below is None:
            self.words_below = any(_ends_base64(self.raw, empty) for empty in _WORDS_BELOW.finditer(self.raw))
        return self.words_below

    def undecoded(self, number: int) -> bytes:
        """A leaf as it was sent: the tree read once more with the encodings' header renamed, lengths kept."""
        if not self.as_sent:
            renamed = _ENCODING.sub(b"\nX", b"\n" + self.raw)[1:]
            self.as_sent = list(_outer(fast_mail_parser.parse_email_tree(renamed, mode="lazy")))
        content = self.as_sent[number].content if number < len(self.as_sent) else None
        return _RENAMED.sub(b"C", content or b"")


def _fast_headers(named: dict[str, list[str]]) -> Headers | None:
    """The headers that describe a part, as many as are read of a mail; None where the reader guessed about their bytes."""
    described = (
        (name.lower(), value.replace("=\x7f", "=?"))
        for name, values in named.items()
        if name[:8].lower() == "content-"
        for value in values
    )
    fields = tuple(islice(described, headers.MAX_HEADERS))
    return Headers(fields) if all(value.isascii() for _, value in fields) else None


# Empty lines, and a line in the letters of base64 under them, if there is one.
_WORDS_BELOW = re.compile(rb"\n\s*\n(?:(?=([A-Za-z0-9+/= ]+)\r?(?:\n|\Z)))?")


def _ends_base64(raw: bytes, empty: re.Match[bytes]) -> bool:
    """Whether base64 stands above the empty lines, and what is below does not continue it (``headers.from_base64``)."""
    if not empty[1]:
        return False
    above = raw.rfind(b"\n", 0, empty.start()) + 1
    padded = raw[above : empty.start()].rstrip().endswith(b"=")
    return headers.is_base64_line(raw, above) and (padded or not headers.is_base64_line(raw, empty.end()))


# A line end first, which is found fast.
_ENCODING = re.compile(rb"\n[Cc](?=(?i:ontent-Transfer-Encoding:))")
_RENAMED = re.compile(rb"(?im)^X(?=ontent-Transfer-Encoding:)")


def _outer(node: PyLazyMimePart, depth: int = 1) -> Iterator[PyLazyMimePart]:
    """The nodes in the order of ``_Fast.part``, without those inside nested mails."""
    yield node
    if not node.is_message and depth <= MAX_DEPTH:
        for child in node.children[: MAX_PARTS + 1]:
            yield from _outer(child, depth + 1)


_AFTER_BOUNDARY = re.compile(rb"(?:--)?[ \t]*(?:\r?\n|\r?\Z)")


def _exact(raw: bytes, boundary: str) -> bool:
    """Whether every line that begins like this boundary is one (RFC 2046 section 5.1.1)."""
    if not boundary:
        return False
    line = b"\n--" + boundary.encode()
    at = raw.find(line)
    while at >= 0:
        if not _AFTER_BOUNDARY.match(raw, at + len(line)):
            return False
        at = raw.find(line, at + len(line))
    return True


def describe(fields: Headers) -> Part:
    """A part as its headers describe it (RFC 2045, RFC 2183); a torn Content-Type is text/plain."""
    content_type, parameters = headers.parameters(fields.first("content-type"))
    if content_type.count("/") != 1 or content_type.startswith("/") or content_type.endswith("/"):
        content_type = "text/plain"
    disposition, of_disposition = headers.parameters(fields.first("content-disposition"))
    return Part(
        content_type=content_type,
        parameters=parameters,
        disposition=disposition,
        filename=of_disposition.get("filename") or parameters.get("name", ""),
        content_id=fields.first("content-id").strip().strip("<>"),
    )


def undo(data: bytes, encoding: str) -> bytes:
    """A transfer encoding undone as far as it goes (RFC 2045 section 6; uuencode as old writers use it)."""
    name = encoding.partition("(")[0].strip(' \t";').lower()
    if name == "base64":
        return headers.from_base64(data)
    if name == "quoted-printable":
        return quopri.decodestring(data)
    if name in ("x-uuencode", "uuencode", "x-uue", "uue"):
        return b"".join(map(_uu_line, _uu_lines(data)))
    return data


def _uu_lines(data: bytes) -> Iterator[bytes]:
    """The lines that hold something, up to ``end``."""
    for line in data.splitlines():
        if line.rstrip() == b"end":
            return
        # The library takes an empty line for 32 bytes.
        if line and not line.startswith(b"begin "):
            yield line


def _uu_line(line: bytes) -> bytes:
    try:
        return binascii.a2b_uu(line)
    except binascii.Error:
        return b""
