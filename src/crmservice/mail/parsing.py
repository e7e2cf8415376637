"""Bytes to Message: total, never raises; what was wrong is data (HOUSE.md habit 9).

The header block is split by us, the MIME tree read by one of two readers (``structure``), the content
gathered from it (``content``). ``bounce``, ``invitation``, ``auto_reply``, ``bulk`` and ``fresh`` keep their
defaults here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from crmservice.mail import content, headers, structure
from crmservice.mail.addresses import MAX_ADDRESSES, mailboxes, strict_sender
from crmservice.mail.message import Address, Headers, Message

MAX_REFERENCES = 32
YEARS = range(1990, 2101)
_DELIVERY = ("delivered-to", "x-original-to", "x-forwarded-to", "resent-from")
_PRIVATE = ("private", "personal", "company-confidential", "confidential")
_MESSAGE_ID = re.compile(r"<([^<>\s\x00-\x1f\x7f]+)>")


def parse(raw: bytes) -> Message:
    """The message that ``raw`` is. Never raises: ``defects`` and ``limits`` say what was wrong."""
    bare = b"\r" in raw and b"\n" not in raw
    raw_lines = raw.replace(b"\r", b"\n") if bare else raw
    block = headers.read(raw_lines)
    message = _from_headers(raw, block)
    if message.limits:
        return message
    return filled(message, lambda: _tree(raw_lines, block))


Tree = tuple[structure.Part, tuple[str, ...]]


def filled(message: Message, read_tree: Callable[[], Tree]) -> Message:
    """The message with what its MIME tree holds; a reader that fails is a limit, never an exception."""
    try:
        return _with_content(message, *read_tree())
    except (RecursionError, structure.TooDeep):
        return _limited(message, "limit-depth")
    except MemoryError:
        return _limited(message, "limit-memory")
    except Exception:  # noqa: BLE001  (the last fence: the message is set aside with this code)
        return _limited(message, "limit-reader")


def _limited(message: Message, code: str) -> Message:
    return replace(message, limits=(*message.limits, code))


def _from_headers(raw: bytes, block: headers.Block) -> Message:
    """What the header block alone says."""
    fields = block.headers
    named = _named(fields)
    sender = strict_sender(fields)
    to, cc, bcc = (_addresses(named, name) for name in ("to", "cc", "bcc"))
    defects = list(block.defects)
    limits = list(block.limits)
    if len(to) + len(cc) + len(bcc) > MAX_ADDRESSES:
        limits.append("limit-addresses")
    sent = _date(_first(named, "date"))
    if sent is None:
        defects.append("date-unusable" if _first(named, "date") else "date-missing")
    return Message(
        raw=raw,
        headers=fields,
        sender=sender.address,
        sender_problem=sender.problem,
        sender_marked=sender.marked,
        raw_from=sender.raw,
        to=to,
        cc=cc,
        bcc=bcc,
        recipients=tuple(dict.fromkeys(address.email for address in (*to, *cc, *bcc))),
        delivered_to=_delivered_to(fields),
        reply_to=_addresses(named, "reply-to"),
        subject=headers.decode(_first(named, "subject")).strip(),
        sent=sent,
        message_id=_message_id(_first(named, "message-id")),
        in_reply_to=_message_ids(_first(named, "in-reply-to"))[-MAX_REFERENCES:],
        references=_message_ids(" ".join(named.get("references", ())))[-MAX_REFERENCES:],
        private=_first(named, "sensitivity").strip().lower() in _PRIVATE,
        defects=tuple(defects),
        limits=tuple(limits),
    )


def _named(fields: Headers) -> dict[str, list[str]]:
    """The values of each header, gone through once."""
    named: dict[str, list[str]] = {}
    for name, value in fields.fields:
        named.setdefault(name, []).append(value)
    return named


def _first(named: dict[str, list[str]], name: str) -> str:
    values = named.get(name)
    return values[0] if values else ""


def _addresses(named: dict[str, list[str]], name: str) -> tuple[Address, ...]:
    """The mailboxes of every header of that name; one more than allowed shows that there are too many."""
    values = named.get(name)
    return mailboxes(", ".join(values), MAX_ADDRESSES + 1) if values else ()


def _delivered_to(fields: Headers) -> tuple[str, ...]:
    """Whom the delivery names (SPEC chapter 4), in the order of the headers."""
    values = (value for name, value in fields.fields if name in _DELIVERY)
    return tuple(dict.fromkeys(_emails(values)))[:MAX_ADDRESSES]


def _emails(values: Iterable[str]) -> Iterator[str]:
    return (address.email for value in values for address in mailboxes(value))


def _date(value: str) -> datetime | None:
    """A Date header as an aware UTC time (RFC 5322 section 3.3); None where unusable or out of 1990 to 2100."""
    try:
        when = parsedate_to_datetime(value[:200])
        when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return when if when.year in YEARS else None


def _message_ids(value: str) -> tuple[str, ...]:
    return tuple(_MESSAGE_ID.findall(value))


def _message_id(value: str) -> str:
    """A Message-ID without its brackets; one without brackets is taken as it is if it is one word."""
    found = _MESSAGE_ID.search(value)
    if found:
        return found[1]
    return value if value.isprintable() and not set(value) & set(" <>") else ""


def _with_content(message: Message, tree: structure.Part, defects: tuple[str, ...]) -> Message:
    found = content.collect(tree)
    return replace(
        message,
        text=found.text,
        html=found.html,
        attachments=tuple(found.attachments),
        inline=tuple(found.inline),
        calendars=tuple(found.calendars),
        nested=tuple(found.nested),
        defects=message.defects + defects,
        limits=message.limits + tuple(found.limits),
    )


def _tree(raw: bytes, block: headers.Block) -> Tree:
    """The MIME tree and codes of what was repaired."""
    readable = _readable(raw, block)
    tree = structure.read_fast(readable, block.headers)
    if tree is not None:
        return tree, ()
    if len(raw) <= structure.MAX_PATIENT_BYTES:
        return structure.read_patient(readable, block.headers), ("structure-repaired",)
    # ``email`` takes nine times the size in memory: the beginning alone, and of that the text.
    tree = structure.read_patient(readable[: structure.MAX_PATIENT_BYTES], block.headers)
    return _first_text(tree), ("structure-repaired", "too-large-to-repair")


def _first_text(tree: structure.Part) -> structure.Part:
    bodies = (p for p in content.leaves(tree) if p.content_type.startswith("text/") and p.disposition != "attachment")
    return next(bodies, structure.Part())


def _readable(raw: bytes, block: headers.Block) -> bytes:
    """The message as both readers take it: where our header block ends elsewhere than theirs, rebuilt."""
    if not block.defects and not raw.startswith((b"From ", b">From ", b"\n", b"\r\n")):
        return raw
    lines = (f"{name}: {value}\n" for name, value in block.headers.fields if name.startswith("content-"))
    return "".join(lines).encode() + b"\n" + raw[block.body :]
