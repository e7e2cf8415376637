"""Bytes to Message: total, never raises; what was wrong is data (HOUSE.md habit 9).

The header block is split by us, the MIME tree read by one of two readers (``structure``, ``patient``), the
content gathered from it (``content``). ``bounce``, ``invitation``, ``auto_reply`` and ``bulk`` keep their defaults here, and
``fresh`` is the whole text, with what HTML shows as quoted behind ``>``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from crmservice.mail import content, headers, patient, structure
from crmservice.mail.addresses import MAX_ADDRESSES, mailboxes, strict_sender
from crmservice.mail.message import Address, Headers, Message

MAX_REFERENCES = 32
YEARS = range(1990, 2101)
_DELIVERY = ("delivered-to", "x-original-to", "x-forwarded-to", "resent-from")
_PRIVATE = ("private", "personal", "company-confidential", "confidential")
_MESSAGE_ID = re.compile(r"<([^<>\s\x00-\x1f\x7f]+)>")


def parse(raw: bytes) -> Message:
    """The message that ``raw`` is. Never raises: ``defects`` and ``limits`` say what was wrong."""
    text = lines(raw)
    block = headers.read(text)
    return assembled(raw, block, lambda: _tree(text, block))


def lines(raw: bytes) -> bytes:
    """The message with line feeds, where an old system wrote bare returns, and without a byte order mark."""
    if b"\r" in raw and b"\n" not in raw:
        raw = raw.replace(b"\r", b"\n")
    return raw.removeprefix(b"\xef\xbb\xbf")


def parts(raw: bytes) -> structure.Part | None:
    """The MIME tree of a mail (``lines`` of it); None where it is beyond what is read. Never raises."""
    try:
        return _tree(raw, headers.read(raw))[0]
    except Exception:  # noqa: BLE001  (as above: whatever a mail breaks)
        return None


Tree = tuple[structure.Part, tuple[str, ...]]


def assembled(raw: bytes, block: headers.Block, read_tree: Callable[[], Tree]) -> Message:
    """The message of a header block and the MIME tree that ``read_tree`` gives, which is not asked beyond a limit."""
    fields = block.headers
    sender = strict_sender(fields)
    to, cc, bcc = (_addresses(fields, name) for name in ("to", "cc", "bcc"))
    written = fields.first("date")
    sent = _date(written) if written else None
    undated = () if sent else ("date-unusable" if written else "date-missing",)
    crowded = ("limit-addresses",) if len(to) + len(cc) + len(bcc) > MAX_ADDRESSES else ()
    limits = block.limits + crowded
    found = content.Content() if limits else _content(read_tree)
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
        recipients=tuple(dict.fromkeys([address.email for address in (*to, *cc, *bcc)])),
        delivered_to=_delivered_to(fields),
        reply_to=_addresses(fields, "reply-to"),
        subject=headers.decode(fields.first("subject")).strip(),
        sent=sent,
        message_id=_message_id(fields.first("message-id")),
        in_reply_to=_message_ids(fields.first("in-reply-to"))[-MAX_REFERENCES:],
        references=_message_ids(" ".join(fields.all("references")))[-MAX_REFERENCES:],
        text=found.text,
        html=found.html,
        fresh=found.marked,
        attachments=tuple(found.attachments),
        inline=tuple(found.inline),
        calendars=tuple(found.calendars),
        nested=tuple(found.nested),
        private=fields.first("sensitivity").strip().lower() in _PRIVATE,
        defects=(*block.defects, *undated, *found.defects),
        limits=(*limits, *found.limits),
    )


def _content(read_tree: Callable[[], Tree]) -> content.Content:
    """What the MIME tree holds; a reader that fails is a limit, never an exception."""
    try:
        tree, defects = read_tree()
        found = content.collect(tree)
    except (RecursionError, structure.TooDeep):
        return content.Content(limits=["limit-depth"])
    except MemoryError:
        return content.Content(limits=["limit-memory"])
    except Exception:  # noqa: BLE001  (the last fence: the message is set aside with this code)
        return content.Content(limits=["limit-reader"])
    found.defects[:0] = defects
    return found


def _addresses(fields: Headers, name: str) -> tuple[Address, ...]:
    """The mailboxes of every header of that name; one more than allowed shows that there are too many."""
    values = fields.all(name)
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


def _tree(raw: bytes, block: headers.Block) -> Tree:
    """The MIME tree and codes of what was repaired."""
    raw, block = _readable(raw, block)
    tree = structure.read_fast(raw, block)
    if tree is not None:
        return tree, ()
    if len(raw) <= structure.MAX_PATIENT_BYTES:
        return patient.read(raw, block), ("structure-repaired",)
    # What is torn and as large as that is read at its beginning alone, and of that the text.
    tree = patient.read(raw[: structure.MAX_PATIENT_BYTES], block)
    return _first_text(tree), ("structure-repaired", "too-large-to-repair")


def _first_text(tree: structure.Part) -> structure.Part:
    bodies = (p for p in content.leaves(tree) if p.content_type.startswith("text/") and p.disposition != "attachment")
    return next(bodies, structure.Part())


def _readable(raw: bytes, block: headers.Block) -> tuple[bytes, headers.Block]:
    """The message as both readers take it: where our header block ends elsewhere than theirs, rebuilt."""
    if not block.defects and not raw.startswith((b"From ", b">From ", b"\n", b"\r\n")):
        return raw, block
    lines = (f"{name}: {value}\n" for name, value in block.headers.fields if name.startswith("content-"))
    head = "".join(lines).encode() + b"\n"
    return head + raw[block.body :], block._replace(body=len(head))
