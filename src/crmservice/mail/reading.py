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
    bounce = bounces.find(message)
    # In this order: a bounce is never an automatic reply, and neither of them a newsletter.
    auto_reply = bounce is None and automatic.is_auto_reply(message)
    return replace(
        message,
        fresh=_fresh(message),
        bounce=bounce,
        invitation=invitations.read(message.calendars, zone) if message.calendars else None,
        auto_reply=auto_reply,
        bulk=automatic.bulk(message.headers, answers=auto_reply or bounce is not None),
    )


def _fresh(message: Message) -> str:
    """What is new in the text; all of it where nothing is, or nobody knows what."""
    fresh = quoting.fresh_part(message.fresh)
    return message.text if fresh == message.fresh else fresh
