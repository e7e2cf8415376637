"""What a MIME tree holds for a reader: bodies, attachments, calendars, mails inside (SPEC chapter 4)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote

from crmservice.mail import headers
from crmservice.mail.body import html_to_texts, unflow
from crmservice.mail.charsets import to_text
from crmservice.mail.message import Attachment
from crmservice.mail.names import safe_name
from crmservice.mail.structure import MAX_DEPTH, MAX_PARTS, Part

MAX_TEXT = 25 * 1024 * 1024
_CALENDAR_FILES = (".ics", ".vcs")
_CALENDAR_TYPES = ("text/calendar", "application/ics")
_SEALED = ("application/pkcs7-mime", "application/x-pkcs7-mime")
_META_CHARSET = re.compile(rb"""<meta\b[^<>]{0,200}?charset\s{0,8}=\s{0,8}["']?([\w.:-]{1,40})""", re.IGNORECASE)
_FOLD = re.compile(rb"(?:\r?\n|\r)[ \t]")
_CID = re.compile(r"""cid:([^\s"'<>)]{1,300})""", re.IGNORECASE)


@dataclass(slots=True)
class Content:
    """What was found; ``defects`` as in ``Message``, ``limits`` are codes of the caps of TRUST.md B8.

    ``marked``: the text with what HTML shows as quoted behind ``>``.
    """

    text: str = ""
    marked: str = ""
    html: str = ""
    attachments: list[Attachment] = field(default_factory=list)
    inline: list[Attachment] = field(default_factory=list)
    calendars: list[str] = field(default_factory=list)
    nested: list[bytes] = field(default_factory=list)
    defects: list[str] = field(default_factory=list)
    limits: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Finder:
    """The walk's state: bodies as (plain, HTML) sections, in their order."""

    sections: list[tuple[str, str]] = field(default_factory=list)
    files: list[Part] = field(default_factory=list)
    calendars: list[Part] = field(default_factory=list)
    defects: dict[str, None] = field(default_factory=dict)
    limits: dict[str, None] = field(default_factory=dict)
    parts: int = 0
    characters: int = 0


def collect(tree: Part) -> Content:
    """Everything a tree holds. Attachments stay undecoded; nested mails are read from their transfer encoding."""
    finder = _Finder()
    _visit(finder, tree, "root", 1)
    texts = [(plain, plain) if plain else html_to_texts(html) for plain, html in finder.sections]
    content = Content(
        text="\n".join(text for text, _ in texts),
        marked="\n".join(marked for _, marked in texts),
        html="\n".join(html for _, html in finder.sections if html),
        defects=list(finder.defects),
        limits=list(finder.limits),
    )
    _add_files(content, finder.files)
    calendars = finder.calendars or [part for part in finder.files if _is_calendar_file(part)]
    content.calendars = [_calendar(part) for part in calendars]
    return content


def _visit(finder: _Finder, part: Part, parent: str, depth: int) -> None:
    finder.parts += 1
    if finder.parts > MAX_PARTS:
        finder.limits["limit-parts"] = None
    elif depth > MAX_DEPTH:
        finder.limits["limit-depth"] = None
    elif part.content_type == "multipart/alternative":
        _alternative(finder, part, depth)
    elif part.container:
        if part.content_type == "multipart/encrypted":
            finder.defects["encrypted"] = None
        for child in part.children:
            _visit(finder, child, part.content_type, depth + 1)
    else:
        _leaf(finder, part, parent)


def _alternative(finder: _Finder, part: Part, depth: int) -> None:
    """Forms of one body: one section, its plain form and its HTML."""
    before = len(finder.sections)
    for child in part.children:
        _visit(finder, child, part.content_type, depth + 1)
    forms = finder.sections[before:]
    del finder.sections[before:]
    plain = "\n".join(text for text, _ in forms if text)
    html = "\n".join(text for _, text in forms if text)
    if plain or html:
        finder.sections.append((plain if plain.strip() else "", html))


def _leaf(finder: _Finder, part: Part, parent: str) -> None:
    if part.content_type == "text/calendar":
        finder.calendars.append(part)
    elif _is_body(finder, part, parent):
        text = _body(finder, part)
        if text:
            finder.sections.append(("", text) if part.content_type == "text/html" else (text, ""))
    elif not _is_other_form(part, parent):
        if part.content_type in _SEALED:
            finder.defects[_seal(part)] = None
        finder.files.append(part)


def _is_body(finder: _Finder, part: Part, parent: str) -> bool:
    """A text that is shown; one with a file name is a file, unless it is where the body must be."""
    if part.content_type not in ("text/plain", "text/html") or part.disposition == "attachment" or part.nested:
        return False
    if not part.filename or parent in ("multipart/alternative", "multipart/related"):
        return True
    return not part.disposition and not finder.sections


def _is_other_form(part: Part, parent: str) -> bool:
    """A further form of the body (AMP, watch): neither shown nor a file."""
    return parent == "multipart/alternative" and part.content_type.startswith("text/") and not part.filename


def _seal(part: Part) -> str:
    """Why a body can't be read that S/MIME put into one part (RFC 8551 section 3.2)."""
    kind = part.parameters.get("smime-type", "").lower()
    return "opaque-signed" if kind in ("signed-data", "certs-only", "compressed-data") else "encrypted"


def _body(finder: _Finder, part: Part) -> str:
    room = MAX_TEXT - finder.characters
    text = _text(part, room)
    if len(text) >= room or part.size > 2 * MAX_TEXT:
        finder.limits["limit-text"] = None
    finder.characters += len(text)
    if part.parameters.get("format", "").lower() == "flowed" and part.content_type == "text/plain":
        return unflow(text, part.parameters.get("delsp", "").lower() == "yes")
    return text


def _text(part: Part, room: int) -> str:
    """A part's text: LF line ends, no NUL, at most ``room`` characters; empty where it is far too large."""
    if part.size > 2 * MAX_TEXT or room <= 0:
        return ""
    data = part.load()[: 4 * room]
    text = to_text(data, _charset(part, data))[:room]
    return _clean(text)


def _clean(text: str) -> str:
    """LF line ends, no NUL, no byte order mark."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text.replace("\0", "\ufffd").removeprefix("\ufeff")


def _charset(part: Part, data: bytes) -> str:
    """The declared character set; of HTML without one that of its ``meta`` (HTML section 4.2.5.4)."""
    declared = part.parameters.get("charset", "")
    if declared or part.content_type != "text/html" or data.isascii():
        return declared
    found = _META_CHARSET.search(data, 0, 2048)
    return found[1].decode("ascii") if found else ""


def _calendar(part: Part) -> str:
    """A calendar's text, unfolded first: lines may be folded within a character (RFC 5545 section 3.1)."""
    if part.size > 2 * MAX_TEXT:
        return ""
    data = part.load()
    if not data.isascii() and b"\0" not in data:
        data = _FOLD.sub(b"", data)
    return _clean(to_text(data[:MAX_TEXT], part.parameters.get("charset", "")))


def _is_calendar_file(part: Part) -> bool:
    return part.filename.lower().endswith(_CALENDAR_FILES) or part.content_type in _CALENDAR_TYPES


def _add_files(content: Content, files: list[Part]) -> None:
    shown = _shown(content.html) if any(part.content_id for part in files) else frozenset()
    for number, part in enumerate(files, 1):
        if part.nested:
            content.nested.append(part.load())
        is_inline = bool(part.content_id) and part.content_id.lower() in shown and not part.nested
        (content.inline if is_inline else content.attachments).append(_attachment(content, part, number))


def _shown(html: str) -> frozenset[str]:
    """The Content-IDs that the HTML refers to (RFC 2392), lower case."""
    return frozenset(unquote(found).lower() for found in _CID.findall(html))


def _attachment(content: Content, part: Part, number: int) -> Attachment:
    name = part.filename
    if part.nested:
        subject = headers.decode(headers.split(content.nested[-1]).first("subject")).replace("/", "-")
        name = f"{subject or name.removesuffix('.eml') or 'message'}.eml"
    return Attachment(safe_name(name, part.content_type, number), part.content_type, part.load, part.content_id)


def leaves(part: Part) -> Iterator[Part]:
    """The leaves of a tree in their order, without recursion."""
    waiting = [part]
    while waiting:
        node = waiting.pop()
        if node.container:
            waiting.extend(reversed(node.children))
        else:
            yield node
