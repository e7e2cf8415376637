"""Journal reports of Exchange and Microsoft 365: a report around the message that was journaled.

The report's text names the envelope, one field a line (Microsoft, "Journal reports"): ``Sender:``, ``Subject:``,
``Message-Id:``, then ``Recipient:`` (the basic form) or ``To:``, ``Cc:``, ``Bcc:`` (the extended one), each with
one address, which ``Expanded:`` (the list it was a member of) or ``Forwarded:`` (the mailbox that sent it on) may
follow. The message itself is the report's message/rfc822 part.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from crmservice.mail.addresses import IN_TEXT
from crmservice.mail.message import Message

MAX_RECIPIENTS = 1_000
MAX_TEXT = 1_000_000


@dataclass(frozen=True, slots=True)
class Journal:
    """What a report says.

    ``inner``: the message as it was sent. ``sender`` and ``recipients``: the envelope's addresses in lower case,
    blind copies and members of lists among them, each once.
    """

    inner: bytes
    sender: str
    recipients: tuple[str, ...]


def unwrap(message: Message) -> Journal | None:
    """The journaled message, if ``message`` is a journal report, else None.

    Anybody can write a mail that looks like a report: the caller asks only for boxes with ``journal=true``, which
    the public does not know. Of two nested mails (an encrypted one and its readable copy) the first counts.
    """
    if not message.nested or not _is_report(message):
        return None
    fields = list(_fields(message.text[:MAX_TEXT]))
    sender = next((addresses[0] for name, addresses in fields if name == "sender" and addresses), "")
    recipients = dict.fromkeys(address for name, addresses in fields if name in _RECIPIENTS for address in addresses)
    if not sender and not recipients:
        return None
    return Journal(message.nested[0], sender, tuple(recipients)[:MAX_RECIPIENTS])


def _is_report(message: Message) -> bool:
    """By its header (Exchange 2007 and later; 2003 wrote another), else by the three lines each report begins with."""
    names = {name for name, _ in message.headers.fields}
    if names & {"x-ms-journal-report", "x-ms-exchange-organization-journal-report"}:
        return True
    identifiers = message.headers.all("content-identifier") + message.headers.all("content-identifer")
    if any(value.strip().lower() == "exjournalreport" for value in identifiers):
        return True
    first = [line.partition(":")[0].strip().lower() for line in message.text.lstrip("\ufeff\r\n ").split("\n", 3)[:3]]
    return first in (["sender", "subject", "message-id"], ["sender", "message-id", "subject"])


_RECIPIENTS = frozenset({"recipient", "recipients", "to", "cc", "bcc"})
_FIELD = re.compile(r"(sender|on-behalf-of|subject|message-id|recipients?|to|cc|bcc|label)[^\S\n]*:", re.IGNORECASE)
_EXPANDED = re.compile(r",[^\S\n]*expanded[^\S\n]*:", re.IGNORECASE)


def _fields(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each field with its addresses; a line without a name goes on with the field above it (``Recipients:``)."""
    name = ""
    for line in text.split("\n"):
        match = _FIELD.match(line)
        if match:
            name = match[1].lower()
        elif not line.strip():
            # The subject is the sender's text: it ends with its line, and nothing continues across a blank one.
            name = "" if name != "recipients" else name
        if name in _RECIPIENTS or (match and name == "sender"):
            yield name, _addresses(line[match.end() :] if match else line)


def _addresses(value: str) -> tuple[str, ...]:
    """The addresses of a recipient line.

    Of ``member, Expanded: list`` the member alone, for a list has no mailbox; of ``taker, Forwarded: addressee``
    both, for the mail was the addressee's.
    """
    value = _EXPANDED.split(value, maxsplit=1)[0]
    return tuple(address.lower().strip("'") for address in IN_TEXT.findall(value[:10_000]))
