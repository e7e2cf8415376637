"""Our own notices and canaries, recognised by an HMAC header that nobody else can make (SPEC chapter 7)."""

from __future__ import annotations

import hashlib
import hmac

from crmservice.mail.message import Message

HEADER = "X-CRMService"


def header(message_id: str, key: bytes) -> tuple[str, str]:
    """Name and value of the header that marks a mail with this Message-ID (without brackets) as ours."""
    return HEADER, hmac.new(key, message_id.encode(), hashlib.sha256).hexdigest()


def is_ours(message: Message, key: bytes) -> bool:
    """Whether the message carries our header for its own Message-ID. An empty key knows no mail."""
    given = message.headers.first(HEADER.lower())
    if not given or not key or not message.message_id:
        return False
    return hmac.compare_digest(given.strip().encode(), header(message.message_id, key)[1].encode())
