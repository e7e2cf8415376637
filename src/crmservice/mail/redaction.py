"""A mail in which somebody's address is blacked out: where it is another customer's too, it stays without the person.

The address goes from headers (with the name beside it), texts, calendars and mails inside. What the letter says of the
person in words stays: nobody can find that by an address.
"""

from __future__ import annotations

import base64
import email
from collections.abc import Callable, Iterator
from email.header import Header
from email.message import Message as EmailMessage
from email.policy import compat32
from email.utils import formataddr

from crmservice.mail import headers, structure
from crmservice.mail.addresses import mailboxes
from crmservice.mail.mentions import PARTY_HEADERS, in_text, mentions, replaced, text_of
from crmservice.mail.message import Headers

MARK = "erased@erased.invalid"
"""What stands in the place of an address; nobody can have it (RFC 2606)."""

Wanted = Callable[[str], bool]
"""Whether an address (in lower case) is to go."""


def blacked_out(raw: bytes, wanted: Wanted) -> bytes | None:
    """The mail without these addresses; None where that can't be done surely, so that the whole mail has to go."""
    if len(raw) > structure.MAX_PATIENT_BYTES:
        return None
    try:
        mail = email.message_from_bytes(raw, policy=compat32)
        for node in mail.walk():
            _headers(node, wanted)
            if not node.is_multipart():
                _leaf(node, wanted)
        line_end = "\r\n" if b"\r\n" in raw else "\n"
        fresh = mail.as_bytes(policy=compat32.clone(linesep=line_end, max_line_length=None))
    except (RecursionError, LookupError, ValueError, TypeError, AttributeError):  # what ``email`` raises of broken mail
        return None
    found = mentions(fresh)
    return fresh if found.whole and not any(map(wanted, found.everybody)) else None


def marked(text: str, wanted: Wanted) -> str:
    """The text with the mark in the place of these addresses."""
    return replaced(text, lambda address: MARK if wanted(address) else None)


def _headers(node: EmailMessage, wanted: Wanted) -> None:
    """The headers again, in their order, those that name one of them rewritten."""
    kept = [(name, _header(name.lower(), str(value), wanted)) for name, value in node.raw_items()]
    for name in {name for name, _ in kept}:
        del node[name]
    for name, value in kept:
        node[name] = value


def _header(name: str, value: str, wanted: Wanted) -> str:
    # The library keeps bytes above 127 in surrogates.
    raw = value.encode("utf-8", "surrogateescape").replace(b"\r", b"").replace(b"\n", b"\n ")
    (_name, plain), *_ = headers.split(b"x: " + raw).fields or (("", ""),)
    text = headers.decode(plain)
    if not any(map(wanted, in_text(text))):
        return value
    return ", ".join(_mailboxes(plain, wanted)) if name in PARTY_HEADERS else _encoded(marked(text, wanted))


def _mailboxes(value: str, wanted: Wanted) -> Iterator[str]:
    """The other mailboxes as they are, and the mark for each of these, without the name beside it."""
    for box in mailboxes(value) or ():
        gone = wanted(box.email) or any(map(wanted, in_text(box.name)))
        yield MARK if gone else formataddr((box.name, box.email), "utf-8")


def _encoded(text: str) -> str:
    return text if text.isascii() else Header(text, "utf-8").encode(maxlinelen=0)


def _leaf(node: EmailMessage, wanted: Wanted) -> None:
    content = node.get_payload(decode=True)
    if not isinstance(content, bytes):
        return
    described = structure.describe(Headers(tuple((n.lower(), str(v)) for n, v in node.items())))
    text = text_of(described, content)
    if not any(map(wanted, in_text(text))):
        return
    if described.content_type.startswith("text/") or described.content_type.endswith(("/ics", "/xml", "/json")):
        fresh = marked(text, wanted).encode("utf-8", "surrogatepass")
        node.set_param("charset", "utf-8")
    else:  # as long as it was: places in a binary file are counted
        fresh = _masked(text, wanted).encode("latin-1")
    del node["content-transfer-encoding"]
    node["Content-Transfer-Encoding"] = "base64"
    node.set_payload(base64.encodebytes(fresh).decode("ascii"))


def _masked(text: str, wanted: Wanted) -> str:
    for address in set(filter(wanted, in_text(text))):
        local, _, domain = address.partition("@")
        for sign in ("@", "%40"):
            text = _same_length(text, f"{local}{sign}{domain}")
    return text


def _same_length(text: str, what: str) -> str:
    lower, at = text.lower(), 0
    while (at := lower.find(what, at)) >= 0:
        text = text[:at] + "x" * len(what) + text[at + len(what) :]
        at += len(what)
    return text
