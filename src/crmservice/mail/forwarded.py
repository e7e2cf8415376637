"""A mail forwarded by hand: who wrote the original, to whom, when (SPEC chapter 4, the safe mode).

Only a nested mail is the original itself. A quoted header block is what the forwarding client made of it, with the
forwarder's spelling of names and dates; it may be used for a suggestion alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo

from crmservice.mail.addresses import IN_TEXT
from crmservice.mail.keywords import Keywords
from crmservice.mail.message import Address, Message
from crmservice.mail.prefixes import is_forward
from crmservice.mail.quoted_dates import read_date
from crmservice.mail.quoted_headers import Block, Blocks

MAX_ADDRESSES = 200
MAX_TEXT = 1_000_000


@dataclass(frozen=True, slots=True)
class Forwarded:
    """The original of a mail forwarded by hand.

    With ``raw`` (bytes of the nested mail) the other fields are empty: they are the nested mail's own, which
    ``mail.parsing.parse`` reads. Else they come from a quoted header block; ``sent`` is aware UTC or None.
    """

    raw: bytes | None = None
    sender: Address | None = None
    recipients: tuple[str, ...] = ()
    subject: str = ""
    sent: datetime | None = None
    text: str = ""


def original(message: Message, words: Keywords, zone: tzinfo = UTC) -> Forwarded | None:
    """The original inside a mail whose subject says that it is forwarded ("Fwd:"), or None.

    One nested mail (message/rfc822) is it; of several nobody knows which. Else the first header block quoted in
    the text, if it has a sender's address. ``zone``: of dates without an offset (the clients write local time).
    """
    if not is_forward(message.subject, words) or message.bounce is not None:
        return None
    if message.nested:
        return Forwarded(raw=message.nested[0]) if len(message.nested) == 1 else None
    return _from_block(message.text, zone)


def _from_block(text: str, zone: tzinfo) -> Forwarded | None:
    lines = text[:MAX_TEXT].split("\n")
    block = _first_block(lines)
    sender = next(iter(addresses(block.fields["from"])), None) if block else None
    if block is None or sender is None:
        return None
    receivers = addresses(block.fields.get("to", "")) + addresses(block.fields.get("cc", ""))
    return Forwarded(
        sender=sender,
        recipients=tuple(dict.fromkeys(address.email for address in receivers)),
        subject=block.fields.get("subject", ""),
        sent=read_date(block.fields.get("sent", ""), zone),
        text=_text_behind(lines, block),
    )


def _first_block(lines: Sequence[str]) -> Block | None:
    blocks = Blocks(lines)
    return next((block for at in range(len(lines)) if (block := blocks.at(at))), None)


def _text_behind(lines: Sequence[str], block: Block) -> str:
    """What follows the block: without the quote signs, if the block has them, and without Seznam's quotation marks."""
    rest = list(lines[block.end :])
    if lines[block.start].lstrip().startswith(">"):
        rest = [re.sub(r"^\s{0,3}> ?", "", line) for line in rest]
    text = "\n".join(rest).strip()
    return text[1:-1].strip() if len(text) > 1 and text[0] == text[-1] == '"' else text


def addresses(value: str) -> tuple[Address, ...]:
    """The mailboxes of a quoted header's value, each address once, in lower case; names without one are left out.

    The forms are ``Jan Novák <jan@x.cz>``, ``"Jan" [mailto:jan@x.cz]``, ``jan@x.cz<mailto:jan@x.cz>``.
    """
    found: dict[str, Address] = {}
    behind = 0
    for match in IN_TEXT.finditer(value):
        email = match[0].strip("'`*").lower()
        found.setdefault(email, Address(email, _name(value[behind : match.start()])))
        behind = match.end()
        if len(found) == MAX_ADDRESSES:
            break
    return tuple(found.values())


def _name(between: str) -> str:
    """The display name in what stands between two addresses ("Novák, Petr" is one)."""
    last = between.rpartition(";")[2].strip(" \t>")
    return last.removesuffix("mailto:").strip(" \t'\"<>[](*,")
