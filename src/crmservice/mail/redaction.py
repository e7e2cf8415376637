"""A mail in which somebody's address is blacked out: where it is another customer's too, it stays without the person.

The address goes from headers (with the name beside it), texts, calendars and mails inside. What the letter says of the
person in words stays: nobody can find that by an address.

It is done in the raw bytes. Whoever writes a mail anew from what a library read gives other headers than came: a bare CR
becomes a line end, and what stood behind it a header of its own. Every byte that is not the person's stays.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Sequence
from email.errors import MessageError
from email.header import Header
from email.utils import formataddr

from crmservice.mail import headers, structure
from crmservice.mail.addresses import MAX_ADDRESSES, mailboxes
from crmservice.mail.mentions import PARTY_HEADERS, in_text, is_text, mentions, replaced, rewritten, text_of
from crmservice.mail.message import Address
from crmservice.mail.structure import Part

MARK = "erased@erased.invalid"
"""What stands in the place of an address; nobody can have it (RFC 2606)."""

MAX_DEPTH = 50
"""Parts in parts and mails in mails together."""

Wanted = Callable[[str], bool]
"""Whether an address (in lower case) is to go."""

_FIELD = re.compile(rb"(?m)^([!-9;-~]+)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)")
_CHARSET = re.compile(rb"""(?i)(;\s*charset\s*=\s*)("[^"]*"|[^\s;]*)""")
_ELEMENT = re.compile(
    r"""=\?[^?\s]+\?[bBqQ]\?[^?]*\?=|"(?:[^"\\]|\\.)*"?|\((?:[^()\\]|\\.)*\)?|<[^>]*>?|[,;]|[^",;(<=]+|=""", re.DOTALL
)
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_UNENCODED = ("", "7bit", "8bit", "binary")


class _Unsure(Exception):
    """It can't be done surely."""


def blacked_out(raw: bytes, wanted: Wanted) -> bytes | None:
    """The mail without these addresses; None where that can't be done surely, so that the whole mail has to go."""
    if len(raw) > structure.MAX_PATIENT_BYTES:
        return None
    try:
        fresh = _as_it_came(raw, wanted)
    except (_Unsure, MessageError, LookupError, ValueError):  # what ``email`` raises of text that it can't encode
        return None
    found = mentions(fresh)
    return fresh if found.whole and not any(map(wanted, found.everybody)) else None


def _as_it_came(raw: bytes, wanted: Wanted) -> bytes:
    """The same, as ``parsing.lines`` reads mail: a byte order mark and an old system's line ends stay."""
    mark = _BYTE_ORDER_MARK if raw.startswith(_BYTE_ORDER_MARK) else b""
    text = raw.removeprefix(mark)
    if b"\r" in text and b"\n" not in text:
        return mark + _mail(text.replace(b"\r", b"\n"), wanted, 1).replace(b"\n", b"\r")
    return mark + _mail(text, wanted, 1)


def marked(text: str, wanted: Wanted) -> str:
    """The text with the mark in the place of these addresses."""
    return replaced(text, lambda address: MARK if wanted(address) else None)


def _masked(text: str, wanted: Wanted) -> str:
    """As long as it was: places in a binary file are counted."""
    return rewritten(text, lambda written, address: "x" * len(written) if wanted(address) else None)


def _names(text: str, wanted: Wanted) -> bool:
    return any(map(wanted, in_text(text)))


def _in_place(data: bytes, wanted: Wanted, instead: Callable[[str, Wanted], str] = marked) -> bytes:
    """The bytes with the mark where an address stands as it is; all others, of whatever character set, stay."""
    return instead(data.decode("utf-8", "surrogateescape"), wanted).encode("utf-8", "surrogateescape")


# The tree --------------------------------------------------------------------------------------------------------


def _mail(raw: bytes, wanted: Wanted, depth: int) -> bytes:
    """A mail, or a part of one with its headers."""
    if depth > MAX_DEPTH:
        raise _Unsure
    block = headers.read(raw)
    if "limit-header-block" in block.limits:
        raise _Unsure
    part = structure.describe(block.headers)
    encoding = block.headers.first("content-transfer-encoding").strip().lower()
    head, body = raw[: block.body], raw[block.body :]
    if part.container and (pieces := list(_pieces(body, part.parameters.get("boundary", "")))):
        return _head(head, wanted) + _parts(body, pieces, wanted, depth)
    if part.content_type in ("message/rfc822", "message/global"):
        return _head(head, wanted) + (_mail(body, wanted, depth + 1) if encoding in _UNENCODED else body)
    if part.container:  # torn: all of it is shown as text
        part.content_type = "text/plain"
    return _leaf(_head(head, wanted), part, encoding, body, wanted)


def _pieces(body: bytes, boundary: str) -> Iterator[tuple[int, int]]:
    """Where the parts of a multipart begin and end (RFC 2046 section 5.1.1)."""
    if not boundary:
        return
    begin = -1
    for line in re.finditer(rb"(?m)^--" + re.escape(boundary.encode()) + rb"(--)?[ \t]*\r?$", body):
        if begin >= 0:
            end = line.start() - (2 if body.endswith(b"\r\n", begin, line.start()) else 1)
            yield begin, max(begin, end)
        if line[1]:
            return
        begin = min(line.end() + 1, len(body))
    if begin >= 0:
        yield begin, len(body)


def _parts(body: bytes, pieces: Sequence[tuple[int, int]], wanted: Wanted, depth: int) -> bytes:
    """Each part without them, and what stands around the parts."""
    fresh, last = [], 0
    for begin, end in pieces:
        fresh += [_in_place(body[last:begin], wanted), _mail(body[begin:end], wanted, depth + 1)]
        last = end
    return b"".join([*fresh, _in_place(body[last:], wanted)])


# Headers ---------------------------------------------------------------------------------------------------------


def _head(head: bytes, wanted: Wanted) -> bytes:
    fresh, last = [], 0
    for field in _FIELD.finditer(head):
        begin, end = field.span(2)
        value, line_end = field[2].removesuffix(b"\r"), b"\r" if field[2].endswith(b"\r") else b""
        name = field[1].decode("ascii").lower()
        fresh += [_in_place(head[last:begin], wanted), _value(name, value, wanted), line_end]
        last = end
    return b"".join([*fresh, _in_place(head[last:], wanted)])


def _value(name: str, raw: bytes, wanted: Wanted) -> bytes:
    plain = _unfolded(raw)
    if name in PARTY_HEADERS and _names(headers.decode(plain), wanted) and (boxes := mailboxes(plain)):
        return _recipients(raw, boxes, wanted)
    fresh = _in_place(raw, wanted, _marked_value)
    text = headers.decode(_unfolded(fresh))
    if not _names(text, wanted):
        return fresh
    if name.startswith("content-"):  # as text alone it would say nothing of the part
        raise _Unsure
    return b" " + _encoded(marked(text, wanted))


def _marked_value(text: str, wanted: Wanted) -> str:
    """In encoded words too (RFC 2047): each stays as it is, or is written anew."""

    def fresh(word: re.Match[str]) -> str:
        plain = headers.decode(word[0])
        return _encoded(marked(plain, wanted)).decode() if _names(plain, wanted) else word[0]

    return marked(headers.ENCODED_WORD.sub(fresh, text), wanted)


def _unfolded(raw: bytes) -> str:
    """A value as it is read (``headers.split``)."""
    return headers.split(b"x:" + raw).first("x")


def _encoded(text: str) -> bytes:
    """A value that holds no line end."""
    fresh = text if text.isascii() else Header(text, "utf-8").encode(maxlinelen=0)
    if not fresh.isprintable():
        raise _Unsure
    return fresh.encode("ascii")


def _recipients(raw: bytes, there: Sequence[Address], wanted: Wanted) -> bytes:
    """The mark in the place of each of these, without the name beside it; the others as they are, where that can be done."""
    boxes = [_box(box, wanted) for box in there]
    text = raw.decode("utf-8", "surrogateescape")
    fresh = "".join(_element(one, wanted) for one in _elements(text)).encode("utf-8", "surrogateescape")
    if [(box.name, box.email) for box in mailboxes(_unfolded(fresh))] == boxes:
        return fresh
    if len(boxes) >= MAX_ADDRESSES:  # there may be more
        raise _Unsure
    return b" " + _encoded(", ".join(formataddr(box, "utf-8") for box in boxes))


def _box(box: Address, wanted: Wanted) -> tuple[str, str]:
    return ("", MARK) if wanted(box.email) or _names(box.name, wanted) else (box.name, box.email)


def _elements(text: str) -> Iterator[str]:
    """Mailboxes and what separates them, in turn. An unquoted comma in a name separates nothing."""
    waiting: list[str] = []
    there = False
    for piece in _ELEMENT.findall(text):
        if piece in ",;" and there:
            yield "".join(waiting)
            yield piece
            waiting, there = [], False
        else:
            waiting.append(piece)
            there = there or "@" in piece
    yield "".join(waiting)


def _element(text: str, wanted: Wanted) -> str:
    if not _names(headers.decode(text), wanted):
        return text
    inner = text.strip()
    begin = text.index(inner)
    mark = f"<{MARK}>" if inner.startswith("<") else MARK
    return text[:begin] + mark + text[begin + len(inner) :]


# Leaves ----------------------------------------------------------------------------------------------------------


def _leaf(head: bytes, part: Part, encoding: str, body: bytes, wanted: Wanted) -> bytes:
    """A leaf as little changed as can be: in its own bytes, in those that it decodes to, in its text alone."""
    content = structure.undo(body, encoding)
    if not _names(text_of(part, content), wanted):
        return head + (body if encoding == "base64" else _in_place(body, wanted, _masked))
    if encoding in (*_UNENCODED, "quoted-printable"):
        fresh = _changed(part, body, wanted)
        if not _names(text_of(part, structure.undo(fresh, encoding)), wanted):
            return head + fresh
    fresh = _changed(part, content, wanted)
    if not _names(text_of(part, fresh), wanted):
        return _as_base64(head, fresh)
    if not is_text(part):
        raise _Unsure
    text = marked(text_of(part, content), wanted)
    return _as_base64(_as_utf8(head), text.encode("utf-8", "surrogatepass"))


def _changed(part: Part, data: bytes, wanted: Wanted) -> bytes:
    if is_text(part) or part.content_type.startswith("message/"):
        return _in_place(data, wanted)
    return _masked(data.decode("latin-1"), wanted).encode("latin-1")


def _as_base64(head: bytes, content: bytes) -> bytes:
    line_end = b"\r\n" if b"\r\n" in head else b"\n"
    head = _with(head, b"content-transfer-encoding", lambda _value: b" base64", line_end)
    if not head.endswith((b"\n\n", b"\n\r\n")):  # the body began with the first line that is no header
        head += line_end
    return head + base64.encodebytes(content).replace(b"\n", line_end)


def _as_utf8(head: bytes) -> bytes:
    def fresh(value: bytes) -> bytes:
        named, count = _CHARSET.subn(rb"\1utf-8", value)
        return named if count else (value.rstrip() or b" text/plain") + b"; charset=utf-8"

    head = _with(head, b"content-type", fresh, b"\r\n" if b"\r\n" in head else b"\n")
    if structure.describe(headers.split(head)).parameters.get("charset") != "utf-8":
        raise _Unsure
    return head


def _with(head: bytes, name: bytes, fresh: Callable[[bytes], bytes], line_end: bytes) -> bytes:
    """A header block whose header of this name, or a new one above the others, has a value made of its old one."""
    found = [field for field in _FIELD.finditer(head) if field[1].lower() == name]
    if not found:
        start = head.find(b"\n") + 1 if head.startswith((b"From ", b">From ")) else 0
        return head[:start] + name.title() + b":" + fresh(b"") + line_end + (head[start:] or line_end)
    begin, end = found[0].span(2)
    value = head[begin:end].removesuffix(b"\r")
    return head[:begin] + fresh(value) + head[begin + len(value) :]
