"""Our own notices and canaries, recognised by an HMAC header that nobody else can make (SPEC chapter 7).

The seal covers Message-ID, Date (in whole seconds) and the sender's address: what a forwarding rule leaves as it is,
where gateways write into subjects and bodies. Whoever has seen such a mail can put its seal on a text of his own, with
our sender and that date; it is then left alone, so nothing comes of it, kept in the backup and listed as OWN NOTICE.
Rule 0 believes a seal for 30 days.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import datetime

from crmservice.mail.message import Message
from crmservice.mail.parsing import parse

HEADER = "X-CRMService"
CANARY = "canary."
"""How the Message-ID of a canary begins (SPEC 13.6); its token follows, up to the ``@``."""


def header(message_id: str, sent: datetime, sender: str, key: bytes) -> tuple[str, str]:
    """Name and value of the header that marks a mail as ours: Message-ID without brackets, address in lower case."""
    sealed = "\n".join((message_id, str(int(sent.timestamp())), sender))
    return HEADER, hmac.new(key, sealed.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


def sealed(raw: bytes, key: bytes) -> bytes:
    """The mail with its seal on top. Raises ValueError where it lacks what the seal covers."""
    message = parse(raw)
    if not (key and message.message_id and message.sent and message.sender):
        msg = "a notice of ours needs a key, a Message-ID, a Date and a sender"
        raise ValueError(msg)
    name, value = header(message.message_id, message.sent, message.sender.email, key)
    return f"{name}: {value}\r\n".encode() + raw


def is_ours(message: Message, key: bytes) -> bool:
    """Whether the message carries our seal. An empty key knows no mail."""
    given = message.headers.first(HEADER.lower())
    if not (given and key and message.message_id and message.sent and message.sender):
        return False
    right = header(message.message_id, message.sent, message.sender.email, key)[1]
    return hmac.compare_digest(given.strip().encode(), right.encode())


def canary_token(message: Message) -> str:
    """The token of a canary of ours; empty for any other mail of ours."""
    local = message.message_id.rpartition("@")[0]
    return local.removeprefix(CANARY) if local.startswith(CANARY) else ""
