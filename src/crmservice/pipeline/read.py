"""From raw bytes to a Reading: the message, and what its words say, before anything is looked up."""

from __future__ import annotations

from dataclasses import replace

from crmservice.config import Box
from crmservice.crm.directory import without_tag
from crmservice.mail import forwarded, journal, markers, own_notice, problems, reading
from crmservice.mail.forwarded import Forwarded
from crmservice.mail.keywords import Keywords
from crmservice.mail.message import Message, identity
from crmservice.pipeline.rule import Reading


def read(raw: bytes, box: Box, words: Keywords, notice_key: bytes = b"") -> Reading:
    """Read one message for this box; a journal report is the message inside (SPEC chapter 2, ``journal``)."""
    message, carrier = reading.read(raw, box.zone), None
    if box.journal and (report := journal.unwrap(message)) is not None:
        # Without its body: a report is as large as the mail inside.
        carrier = Message(b"", headers=message.headers, sender=message.sender)
        message = _from_journal(reading.read(report.inner, box.zone), report)
    own = own_notice.is_ours(message, notice_key)
    inner, quoted = _forwarded(message, box, words)
    return replace(_reading(message, words), own_notice=own, inner=inner, quoted=quoted, report=carrier)


def _reading(message: Message, words: Keywords) -> Reading:
    return Reading(
        message=message,
        identity=identity(message),
        markers=markers.scan(message.subject, message.text, message.fresh, words),
        problem=problems.read(message, words),
    )


def _forwarded(message: Message, box: Box, words: Keywords) -> tuple[Reading | None, Forwarded | None]:
    """The mail inside a mail forwarded to the box alone, or what is quoted of it (rules=safe; SPEC chapter 4)."""
    to_box = [without_tag(address, box.our_domains) for address in message.recipients] == [box.email]
    found = forwarded.original(message, words, box.zone) if box.safe and to_box else None
    if found is None or found.raw is None:
        return None, found
    inner = reading.read(found.raw, box.zone)
    return None if inner.limits else _reading(inner, words), None


def _from_journal(message: Message, report: journal.Journal) -> Message:
    """The envelope names recipients too: blind copies and members of lists."""
    more = tuple(address for address in report.recipients if address not in message.recipients)
    return replace(message, recipients=message.recipients + more)
