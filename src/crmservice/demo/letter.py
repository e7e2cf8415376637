"""Letter -> the bytes of a mail, the same ones for the same first day: one small way to write sixty of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from email import message_from_bytes
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from typing import Literal
from zoneinfo import ZoneInfo

HERE = "horizont.example"
OUR_SERVER = f"mx.{HERE}"
ZONE = ZoneInfo("Europe/Prague")

Encoding = Literal["7bit", "8bit", "quoted-printable", "base64"]


@dataclass(frozen=True, slots=True)
class File:
    """A file in a mail. ``inline`` is the Content-ID under which the HTML shows it, or an empty text."""

    name: str
    content: bytes
    kind: str = "application/pdf"
    inline: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail to write. People are ``Name <address>``; several in ``to`` or ``cc`` stand behind commas.

    ``day`` counts from the demo's first day (a Monday), ``at`` is HH:MM in Prague. ``answers`` is the letter
    that this one replies to. ``calendar`` is an iCalendar text with its METHOD. ``headers`` go on top, as
    they are. ``verified``: our own server found the sender's domain to be right (RFC 8601, dmarc=pass).
    """

    slug: str
    sender: str
    to: str
    subject: str
    text: str
    day: int = 0
    at: str = "09:00"
    cc: str = ""
    html: str = ""
    charset: str = "utf-8"
    encoding: Encoding = "quoted-printable"
    answers: Letter | None = None
    files: Sequence[File] = ()
    calendar: str = ""
    nested: bytes = b""
    headers: Sequence[tuple[str, str]] = ()
    verified: bool = True

    @property
    def domain(self) -> str:
        """The sender's domain."""
        return address(self.sender).rpartition("@")[2]


def address(person: str) -> str:
    """The bare address of ``Name <address>``."""
    return person.rpartition("<")[2].rstrip(">").strip()


def moment(start: date, day: int, at: str) -> datetime:
    """The instant ``day`` days after ``start`` at HH:MM in Prague."""
    return datetime.combine(start + timedelta(days=day), time.fromisoformat(at), ZONE)


def message_id(letter: Letter, start: date) -> str:
    """The Message-ID without brackets."""
    return f"{letter.slug}.{start:%Y%m%d}@{letter.domain}"


def write(letter: Letter, start: date) -> bytes:
    """The letter's bytes (RFC 5322, CRLF line ends)."""
    return _header_block(letter, start) + _body(letter).as_bytes()


def _header_block(letter: Letter, start: date) -> bytes:
    lines = [*letter.headers]
    if letter.verified:
        lines.append(("Authentication-Results", f"{OUR_SERVER}; dmarc=pass header.from={letter.domain}"))
    lines += [("From", _people(letter.sender, letter.charset)), ("To", _people(letter.to, letter.charset))]
    if letter.cc:
        lines.append(("Cc", _people(letter.cc, letter.charset)))
    lines += [
        ("Subject", _word(letter.subject, letter.charset, len("Subject: "))),
        ("Date", format_datetime(moment(start, letter.day, letter.at))),
        ("Message-ID", f"<{message_id(letter, start)}>"),
        *_thread(letter, start),
    ]
    return "".join(f"{name}: {value}\r\n" for name, value in lines).encode()


def _thread(letter: Letter, start: date) -> list[tuple[str, str]]:
    """In-Reply-To and References (RFC 5322 section 3.6.4)."""
    if letter.answers is None:
        return []
    chain: list[str] = []
    earlier: Letter | None = letter.answers
    while earlier is not None:
        chain.insert(0, f"<{message_id(earlier, start)}>")
        earlier = earlier.answers
    return [("In-Reply-To", chain[-1]), ("References", " ".join(chain))]


def _word(text: str, charset: str, used: int = 0) -> str:
    """A text as header value: encoded words (RFC 2047) where it is not ASCII."""
    if text.isascii():
        return text
    return Header(text, charset, maxlinelen=76, header_name="x" * used).encode(linesep="\r\n")


def _people(people: str, charset: str) -> str:
    return ", ".join(_person(person.strip(), charset) for person in people.split(","))


def _person(person: str, charset: str) -> str:
    found = re.fullmatch(r"(.+) <(\S+)>", person)
    if found is None:
        return person
    name, mailbox = found.groups()
    shown = f'"{name}"' if name.isascii() and re.search(r"[.()&]", name) else _word(name, charset)
    return f"{shown} <{mailbox}>"


def _body(letter: Letter) -> EmailMessage:
    body = EmailMessage(policy=SMTP.clone(cte_type="8bit"))
    body.set_content(letter.text, charset=letter.charset, cte=letter.encoding)
    if letter.html:
        body.add_alternative(letter.html, subtype="html", charset=letter.charset, cte=letter.encoding)
    if letter.calendar:
        method = re.search(r"^METHOD:(\w+)", letter.calendar, re.MULTILINE)
        params = {"method": method[1]} if method else {}
        body.add_alternative(letter.calendar, subtype="calendar", charset="utf-8", cte="8bit", params=params)
    for file in letter.files:
        _attach(body, file)
    if letter.nested:
        _nest(body, letter.nested)
    for number, part in enumerate(body.walk()):
        if part.is_multipart() and part.get_content_maintype() == "multipart":
            part.set_boundary(f"=_{letter.slug}_{number}")
    return body


def _attach(body: EmailMessage, file: File) -> None:
    main, _, sub = file.kind.partition("/")
    if not file.inline:
        body.add_attachment(file.content, main, sub, filename=file.name)
        return
    html = body.get_body(("html",))
    assert isinstance(html, EmailMessage)
    html.add_related(file.content, main, sub, cid=f"<{file.inline}>", disposition="inline", filename=file.name)


def _nest(body: EmailMessage, raw: bytes) -> None:
    """A whole mail inside, byte for byte (message/rfc822)."""
    inner = message_from_bytes(raw, policy=SMTP.clone(cte_type="8bit"))
    body.add_attachment(inner)
