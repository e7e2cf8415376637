"""The header block in its own order, and what its values say (RFC 5322, RFC 2047, RFC 2231).

Split from the raw bytes by us, because a reader that decodes first loses what was quoted, the order across
names, and which bytes were guessed.
"""

from __future__ import annotations

import binascii
import re
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from crmservice.mail.charsets import to_text
from crmservice.mail.message import Headers
from crmservice.mail.text import strip_controls

MAX_BLOCK = 256 * 1024
MAX_HEADERS = 1000

_END = re.compile(rb"\n\r?\n")
_FIELD = re.compile(rb"([!-9;-~]+)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)\n?")
_FOLD = re.compile(rb"(?:\r?\n)[ \t]")
_ENVELOPE = (b"From ", b">From ")


class Block(NamedTuple):
    """A header block: its headers, where the body begins (offset in bytes), and codes of what was wrong."""

    headers: Headers
    body: int
    defects: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()


def split(raw: bytes) -> Headers:
    """The headers of a message or part in their order; never raises."""
    return read(raw).headers


def read(raw: bytes) -> Block:
    """The header block of ``raw``: at most 256 KB and 1,000 headers (``limits``); never raises.

    The first line that is no header ends the block, as mail servers do (RFC 5322 section 2.2); an mbox
    envelope line ("From ") above it is skipped.
    """
    start = _after_envelope(raw)
    end, body = _end(raw, start)
    if end - start > MAX_BLOCK:
        # A folded or torn last header is dropped with the rest.
        end = body = max(raw.rfind(b"\n", start, start + MAX_BLOCK), start)
        block = _fields(raw, start, end, body)
        return block._replace(limits=(*block.limits, "limit-header-block"))
    return _fields(raw, start, end, body)


def _after_envelope(raw: bytes) -> int:
    return raw.find(b"\n") + 1 if raw.startswith(_ENVELOPE) else 0


def _end(raw: bytes, start: int) -> tuple[int, int]:
    """Where the headers end and the body begins; a block without an empty line is all headers."""
    if raw.startswith((b"\n", b"\r\n"), start):
        return start, start + (1 if raw.startswith(b"\n", start) else 2)
    found = _END.search(raw, start, start + MAX_BLOCK + 4)
    if found:
        return found.start(), found.end()
    return len(raw), len(raw)


def _fields(raw: bytes, start: int, end: int, body: int) -> Block:
    fields: list[tuple[str, str]] = []
    at = start
    while at < end:
        found = _FIELD.match(raw, at, end)
        if not found:
            return Block(Headers(tuple(fields)), at, ("header-line",))
        if len(fields) == MAX_HEADERS:
            return Block(Headers(tuple(fields)), body, (), ("limit-headers",))
        fields.append((found[1].decode("ascii").lower(), _value(found[2])))
        at = found.end()
    return Block(Headers(tuple(fields)), body)


def _value(value: bytes) -> str:
    if b"\n" in value:
        value = _FOLD.sub(b" ", value)
    return (value.decode("ascii") if value.isascii() else to_text(value)).strip(" \t\r\n")


# RFC 2047 --------------------------------------------------------------------------------------------------------

ENCODED_WORD = re.compile(r"=\?([^?\s]+)\?([bBqQ])\?([^?]*)\?=")
"""Its groups: character set, encoding, text."""
_ESCAPE = re.compile(rb"=([0-9A-Fa-f]{2})")
_EMPTY_LINES = re.compile(rb"\n\s*\n")
_BASE64_LINE = re.compile(
    rb"[ \t]*(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{4}|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)[ \t]*\r?(?:\n|\Z)"
)


def decode(value: str) -> str:
    """The text of a header value: encoded words decoded (RFC 2047), control characters U+FFFD. Never raises.

    Neighbouring words of one character set are decoded together, since some writers cut inside a character.
    """
    if "=?" in value:
        value = _decode_words(value)
    if "\t" in value:
        value = value.replace("\t", " ")
    return strip_controls(value)


def _decode_words(value: str) -> str:
    out: list[str] = []
    pending, charset, end = bytearray(), "", 0
    for word in ENCODED_WORD.finditer(value):
        declared, encoding, text = word.groups()
        declared = declared.partition("*")[0].lower()
        between = value[end : word.start()]
        adjacent = end > 0 and not between.strip()
        if pending and not (adjacent and declared == charset):
            out.append(to_text(bytes(pending), charset))
            pending.clear()
        if not adjacent:
            out.append(between)
        pending += _word_bytes(encoding, text)
        charset, end = declared, word.end()
    if pending:
        out.append(to_text(bytes(pending), charset))
    out.append(value[end:])
    return "".join(out)


def _word_bytes(encoding: str, text: str) -> bytes:
    data = text.encode("utf-8", "surrogatepass")
    if encoding in "bB":
        return from_base64(data)
    return _ESCAPE.sub(lambda found: bytes((int(found[1], 16),)), data.replace(b"_", b" "))


def from_base64(data: bytes) -> bytes:
    """Base64 decoded as far as it goes (RFC 2045 section 6.8): other characters skipped, a torn end dropped.

    Its padding ends it, and so does an empty line where what follows is none: mailing lists and virus scanners write
    their footers below.
    """
    data = data[: _base64_end(data)]
    try:
        return binascii.a2b_base64(data)
    except binascii.Error:
        # Torn: filled up to one byte more than there is, whichever character of four it ended at.
        return binascii.a2b_base64(data + b"A==")[:-1]


def _base64_end(data: bytes) -> int:
    for empty in _EMPTY_LINES.finditer(data):
        if not is_base64_line(data, empty.end()):
            return empty.start()
    return len(data)


def is_base64_line(data: bytes, start: int) -> bool:
    """Whether the line that begins there is whole base64, as writers break it."""
    return bool(_BASE64_LINE.match(data, start))


# Parameters ------------------------------------------------------------------------------------------------------

_PARAMETER = re.compile(r';\s*([^\s=;"]+)\s*=\s*("(?:[^"\\]|\\.)*"?|[^;]*)', re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_SECTION = re.compile(r"([^*]+)(?:\*(\d{1,3}))?(\*)?\Z")


def parameters(value: str) -> tuple[str, dict[str, str]]:
    """A structured header's main value (lower case) and parameters (RFC 2045, RFC 2231); never raises.

    ``name*0*=`` sections are joined and decoded; encoded words inside a parameter, which no standard allows
    and many writers send, are decoded too. An extended parameter wins over a plain one of its name.
    """
    if not value:
        return "", {}
    main, semicolon, _rest = value.partition(";")
    main = next(iter(main.partition("(")[0].lower().split()), "")
    if not semicolon:
        return main, {}
    plain: dict[str, str] = {}
    sections: dict[str, list[tuple[int, bool, str]]] = {}
    for written, text in _PARAMETER.findall(value):
        name = written.lower()
        found = _SECTION.match(name) if "*" in name else None
        if found and (found[2] or found[3]):
            sections.setdefault(found[1], []).append((int(found[2] or 0), bool(found[3]), _unquote(text)))
        else:
            plain.setdefault(name, decode(_unquote(text)))
    if not sections:
        return main, plain
    return main, plain | {name: _join(pieces) for name, pieces in sections.items()}


def _unquote(text: str) -> str:
    if not text.startswith('"'):
        return text.strip()
    inner = text[1:-1] if text.endswith('"') and len(text) > 1 else text[1:]
    return _QUOTED_PAIR.sub(r"\1", inner) if "\\" in inner else inner


def _join(pieces: list[tuple[int, bool, str]]) -> str:
    """RFC 2231 section 4.1: sections in the order of their numbers, the character set in the first."""
    pieces.sort(key=lambda piece: piece[0])
    charset, data = "", b""
    if pieces[0][1] and pieces[0][2].count("'") >= 2:
        charset, _language, rest = pieces[0][2].split("'", 2)
        pieces[0] = (pieces[0][0], True, rest)
    elif not any(extended for _, extended, _ in pieces):
        return decode("".join(text for _, _, text in pieces))
    data = b"".join(unquote_to_bytes(text) if extended else text.encode() for _, extended, text in pieces)
    return strip_controls(to_text(data, charset))
