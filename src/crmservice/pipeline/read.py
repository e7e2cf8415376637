"""From raw bytes to a Reading: the message, and what its words say, before anything is looked up."""

from __future__ import annotations

from dataclasses import replace

from crmservice.config import Box
from crmservice.mail import journal, markers, own_notice, problems, reading
from crmservice.mail.keywords import Keywords
from crmservice.mail.message import Message, identity
from crmservice.pipeline.rule import Reading


def read(raw: bytes, box: Box, words: Keywords, notice_key: bytes = b"") -> Reading:
    """Read one message for this box; a journal report is the message inside (SPEC chapter 2, ``journal``)."""
    message = reading.read(raw, box.zone)
    if box.journal and (report := journal.unwrap(message)) is not None:
        message = _from_journal(reading.read(report.inner, box.zone), report)
    own = own_notice.is_ours(message, notice_key)
    return replace(_reading(message, words), own_notice=own, inner=_inner(message, box, words))


def _reading(message: Message, words: Keywords) -> Reading:
    return Reading(
        message=message,
        identity=identity(message),
        markers=markers.scan(message.subject, message.text, message.fresh, words),
        problem=problems.read(message, words),
    )


def _inner(message: Message, box: Box, words: Keywords) -> Reading | None:
    """The mail inside, where a mail to the box alone carries one (rules=safe: forwarded by hand)."""
    if not box.safe or not message.nested or message.recipients != (box.email,) or message.bounce:
        return None
    inner = reading.read(message.nested[0], box.zone)
    return None if inner.limits else _reading(inner, words)


def _from_journal(message: Message, report: journal.Journal) -> Message:
    """The envelope names recipients too: blind copies and members of lists."""
    more = tuple(address for address in report.recipients if address not in message.recipients)
    return replace(message, recipients=message.recipients + more)
