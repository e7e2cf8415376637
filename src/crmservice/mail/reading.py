"""bytes -> Message with everything a rule may ask of it. The one road by which mail is read."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, tzinfo

from crmservice.mail import automatic, bounces, invitations, parsing, quoting
from crmservice.mail.message import Message


def read(raw: bytes, zone: tzinfo = UTC) -> Message:
    """Read a message whole; total like ``parsing.parse``.

    ``zone``: that of calendar times which name none.

    A mail that exceeds a limit is set aside anyway, so nothing more is read of it.
    """
    message = parsing.parse(raw)
    if message.limits:
        return message
    message = replace(
        message,
        fresh=quoting.fresh_part(message.text),
        bounce=bounces.find(message),
        invitation=invitations.read(message.calendars, zone) if message.calendars else None,
    )
    # In this order: a delivery report is never an automatic reply, and an automatic reply is never bulk.
    if automatic.is_auto_reply(message):
        return replace(message, auto_reply=True)
    bulk = automatic.bulk(message)
    return replace(message, bulk=bulk) if bulk else message
