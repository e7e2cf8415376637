"""What a message is: one e-mail as it arrived, read once into plain values.

Everything here is a value. ``mail.parsing.parse`` makes it; nothing afterwards looks at raw MIME again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal, NamedTuple


class Address(NamedTuple):
    """A mailbox (RFC 5322 section 3.4): its addr-spec folded to lower case, and its display name."""

    email: str
    name: str = ""

    @property
    def domain(self) -> str:
        """The part after the last ``@``, or an empty text."""
        return self.email.rpartition("@")[2]


@dataclass(frozen=True, slots=True)
class Attachment:
    """A leaf of the MIME tree that is no body; a nested mail is one ``.eml`` (SPEC chapter 4).

    ``load`` decodes the content (bytes) on demand: a mail's attachments stay undecoded until stored.
    """

    name: str
    content_type: str
    load: Callable[[], bytes] = field(repr=False, compare=False)
    content_id: str = ""

    @property
    def content(self) -> bytes:
        """The decoded bytes."""
        return self.load()

    @property
    def size(self) -> int:
        """Length of the decoded content in bytes."""
        return len(self.load())


@dataclass(frozen=True, slots=True)
class Bounce:
    """What a delivery report says (RFC 3464, the manual's chapter 13).

    ``failed``: addresses given up for good (lower case); ``dead``: those of them whose status says that
    the address itself is dead, which rule 8 marks. ``quoted_ids``: Message-IDs of the returned mail.
    ``source``: ``manual``, ``rfc3464`` or ``provider`` (a known provider's own form).
    """

    failed: tuple[str, ...]
    dead: tuple[str, ...]
    permanent: bool
    source: Literal["manual", "rfc3464", "provider"]
    quoted_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Attendee:
    """ATTENDEE of an event (RFC 5545 section 3.8.4.1); ``state`` is PARTSTAT in lower case."""

    email: str
    name: str = ""
    state: str = "needs-action"


@dataclass(frozen=True, slots=True)
class CalendarEvent:
    """One VEVENT (RFC 5545 section 3.6.1).

    Timed events have aware UTC datetimes, all-day ones dates with an exclusive end. ``occurrence`` is the
    RECURRENCE-ID as UTC text ``2026-03-02T08:15:00+00:00`` (a date for all-day), or an empty text.
    ``rule`` is the RRULE text without its name; ``excluded`` holds EXDATE in the form of ``occurrence``.
    """

    uid: str
    sequence: int = 0
    stamp: datetime | None = None
    summary: str = ""
    location: str = ""
    description: str = ""
    starts: datetime | date | None = None
    ends: datetime | date | None = None
    all_day: bool = False
    organizer: str = ""
    attendees: tuple[Attendee, ...] = ()
    rule: str = ""
    excluded: tuple[str, ...] = ()
    occurrence: str = ""
    zone: str = ""
    cancelled: bool = False


@dataclass(frozen=True, slots=True)
class Invitation:
    """The calendar part of a mail (SPEC chapter 8); ``method`` in upper case, PUBLISH where there is none."""

    method: str
    uid: str
    events: tuple[CalendarEvent, ...]
    defects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Headers:
    """The header block in its own order, split from the raw bytes by us (HOUSE.md, point 7).

    ``fields``: (lower-case name, value with folding undone, bytes above 127 decoded as UTF-8 else
    windows-1250); encoded words are still encoded.
    """

    fields: tuple[tuple[str, str], ...] = ()
    _by_name: dict[str, tuple[str, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_name: dict[str, list[str]] = {}
        for name, value in self.fields:
            by_name.setdefault(name, []).append(value)
        object.__setattr__(self, "_by_name", {name: tuple(values) for name, values in by_name.items()})

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of the header ``name`` (lower case), topmost first."""
        return self._by_name.get(name, ())

    def first(self, name: str) -> str:
        """The topmost value of the header ``name`` (lower case), or an empty text."""
        values = self._by_name.get(name)
        return values[0] if values else ""


@dataclass(frozen=True, slots=True)
class Message:
    """One e-mail, read. Texts are Unicode, addresses lower case, times aware and UTC.

    ``sender``: the one mailbox of the one ``From``, or None when unusable (``sender_problem`` says why, as
    a code). ``sender_marked``: the quoted display name holds another address. ``recipients``: addresses
    of To, Cc and Bcc without repetition, in order. ``text``: the plain body, or the HTML read as text.
    ``html``: the HTML body as it came (not sanitised), or an empty text. ``fresh``: the part of ``text``
    that is not quoted history. ``inline``: parts that the HTML shows by ``cid:``, no attachments.
    ``nested``: mails inside (message/rfc822), also among the attachments.
    ``bulk``: the header that says junk or newsletter, or an empty text. ``defects``: codes of what was
    wrong and repaired; ``limits``: codes of the caps of TRUST.md B8 that it exceeds (it is set aside).
    """

    raw: bytes = field(repr=False)
    headers: Headers = field(default=Headers(), repr=False)
    sender: Address | None = None
    sender_problem: str = ""
    sender_marked: bool = False
    raw_from: str = ""
    to: tuple[Address, ...] = ()
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    recipients: tuple[str, ...] = ()
    delivered_to: tuple[str, ...] = ()
    reply_to: tuple[Address, ...] = ()
    subject: str = ""
    sent: datetime | None = None
    message_id: str = ""
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    text: str = field(default="", repr=False)
    html: str = field(default="", repr=False)
    fresh: str = field(default="", repr=False)
    attachments: tuple[Attachment, ...] = ()
    inline: tuple[Attachment, ...] = ()
    calendars: tuple[str, ...] = field(default=(), repr=False)
    nested: tuple[bytes, ...] = field(default=(), repr=False)
    bounce: Bounce | None = None
    invitation: Invitation | None = None
    auto_reply: bool = False
    bulk: str = ""
    private: bool = False
    defects: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()


class Identity(NamedTuple):
    """What rule 1 (manual 15.1) compares: digests of 16 bytes each, an empty one where the fact is missing."""

    key: bytes
    body: bytes
    message_id: bytes
    dated: bool


def digest(text: str) -> bytes:
    """The first 16 bytes of the SHA-256 of a text."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]


def identity(message: Message) -> Identity:
    """The identity of a message: key (Date in whole seconds, sender, To and Cc as a set, subject), body, id."""
    when = str(int(message.sent.timestamp())) if message.sent else ""
    sender = message.sender.email if message.sender else message.raw_from
    recipients = sorted({address.email for address in (*message.to, *message.cc)})
    subject = " ".join(message.subject.split())
    return Identity(
        key=digest("\0".join((when, sender, "\1".join(recipients), subject))),
        body=digest(" ".join(message.text.split())),
        message_id=digest(message.message_id) if message.message_id else b"",
        dated=message.sent is not None,
    )
