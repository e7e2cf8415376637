"""A mail of ours as bytes: plain text, marked as automatic and sealed, so that nobody answers it and it is known again."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import datetime, tzinfo
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, formataddr

from crmservice.mail import own_notice
from crmservice.notices.text import printable

NAME = "CRMService"


@dataclass(frozen=True, slots=True)
class Letter:
    """What is written to whom. Addresses are those of the configuration, never of a mail (TRUST.md B5)."""

    sender: str
    recipient: str
    subject: str
    text: str


@dataclass(frozen=True, slots=True)
class Sealed:
    """A mail ready to be sent; ``message_id`` without brackets."""

    message_id: str
    raw: bytes


def seal(letter: Letter, key: bytes, now: datetime, zone: tzinfo, *, token: str = "") -> Sealed:
    """The mail with its headers and our seal (``mail.own_notice``); a canary has a token.

    Raises ValueError without a key.
    """
    local = f"{own_notice.CANARY}{token}" if token else f"notice.{uuid.uuid4().hex}"
    message_id = f"{local}@{letter.sender.rpartition('@')[2]}"
    mail = EmailMessage(policy=SMTP)
    mail["From"] = formataddr((NAME, letter.sender))
    mail["To"] = letter.recipient
    mail["Subject"] = printable(letter.subject)
    mail["Date"] = format_datetime(now.astimezone(zone).replace(microsecond=0))
    mail["Message-ID"] = f"<{message_id}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834 section 5
    mail["Precedence"] = "bulk"
    mail["X-Auto-Response-Suppress"] = "All"  # what Exchange heeds
    mail.set_content(letter.text, cte="quoted-printable")
    return Sealed(message_id, own_notice.sealed(mail.as_bytes(), key))
