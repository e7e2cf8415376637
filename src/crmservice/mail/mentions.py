"""Whom a mail names: every address in it, wherever it stands, so that an erasure finds them all.

Not a reading of addresses as RFC 5322 has them (``addresses`` does that, for what is decided by them): here whatever looks
like an address counts, in headers, texts, calendars, mails inside and links (``%40``). Not looked into are archives, PDF
and office files, which keep their text compressed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from crmservice.mail import headers, parsing, structure
from crmservice.mail.addresses import strict_sender
from crmservice.mail.charsets import to_text
from crmservice.mail.content import leaves

MAX_NESTED = 20

CORRESPONDENTS = ("from", "reply-to", "to", "cc", "bcc")
PARTY_HEADERS = frozenset((
    "from", "sender", "reply-to", "to", "cc", "bcc", "resent-from", "resent-sender", "resent-to", "resent-cc", "resent-bcc",
    "delivered-to", "x-original-to", "x-forwarded-to", "x-forwarded-for", "envelope-to", "x-envelope-to", "return-path",
    "errors-to", "disposition-notification-to",
))  # fmt: skip
"""Who stands in one of these takes part in the mail."""

_AT = re.compile(r"@|%40|&#(?:64|x40);", re.IGNORECASE)
_LOCAL = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-/=?^_`{|}~."
_PUNCTUATION = "!#$%&'*+-/=?^_`{|}~."
_INNER = re.compile(r"['=/|`]")
_DOMAIN = re.compile(r"[^\W_](?:[\w.-]{0,253}[^\W_])?")
_BINARY = re.compile(rb"[A-Za-z0-9](?:@|%40)[A-Za-z0-9-]{1,63}\.[A-Za-z]{2}")
_EXTENSION = re.compile(
    r"\.(?:csv|docx?|eml|html?|ics|jpe?g|json|log|msg|odt|pdf|png|rtf|txt|vcf|xlsx?|xml|zip)$", re.IGNORECASE
)
_FOLD = re.compile(r"\r?\n[ \t]")
_MAX_LOCAL = 64


@dataclass(frozen=True, slots=True)
class Mentions:
    """Addresses in lower case.

    ``sender``: the one usable sender; ``correspondents``: who wrote it and to whom; ``parties``: who takes part in any way, in
    a mail inside too; ``others``: who is named elsewhere. ``whole``: False where the mail is beyond what is read, so that
    some may be missing.
    """

    sender: str
    correspondents: frozenset[str]
    parties: frozenset[str]
    others: frozenset[str]
    whole: bool = True

    @property
    def everybody(self) -> frozenset[str]:
        """All of them."""
        return self.parties | self.others


@dataclass(slots=True)
class _Finder:
    parties: set[str] = field(default_factory=set)
    others: set[str] = field(default_factory=set)
    whole: bool = True

    def read(self, raw: bytes, depth: int = 0) -> headers.Block:
        """Take in a mail and the mails inside it."""
        block = headers.read(raw)
        for name, value in block.headers.fields:
            found = self.parties if name in PARTY_HEADERS else self.others
            found.update(in_text(headers.decode(value)))
        parts = parsing.parts(raw)
        if parts is None or depth > MAX_NESTED:
            self.whole = False
            self.others.update(in_text(to_text(raw[block.body :])))
        else:
            for part in leaves(parts):
                self._leaf(part, depth)
        return block

    def _leaf(self, part: structure.Part, depth: int) -> None:
        self.others.update(in_text(part.filename))
        content = part.load()
        if part.nested:
            self.read(content, depth + 1)
        else:
            self.others.update(in_text(text_of(part, content)))


def mentions(raw: bytes) -> Mentions:
    """Whom a mail names. Never raises."""
    finder = _Finder()
    top = finder.read(parsing.lines(raw)).headers
    sender = strict_sender(top).address
    values = (headers.decode(value) for name, value in top.fields if name in CORRESPONDENTS)
    return Mentions(
        sender.email if sender else "",
        frozenset(address for value in values for address in in_text(value)),
        frozenset(finder.parties),
        frozenset(finder.others),
        finder.whole,
    )


def text_of(part: structure.Part, content: bytes) -> str:
    """The text of a leaf that addresses are looked for in; of a binary one only where it seems to hold any."""
    if is_text(part):
        text = to_text(content, part.parameters.get("charset", ""))
        return unfolded(text) if part.content_type.endswith(("/calendar", "/ics")) else text
    return content.decode("latin-1") if _BINARY.search(content) else ""


def is_text(part: structure.Part) -> bool:
    """Whether a leaf is read as text, in its character set."""
    return part.content_type.startswith("text/") or part.content_type.endswith(("/ics", "/xml", "/json"))


def unfolded(text: str) -> str:
    """A calendar's lines whole (RFC 5545 section 3.1): a fold may lie in the middle of an address."""
    return _FOLD.sub("", text)


def in_text(text: str) -> Iterator[str]:
    """Every address in a text, in lower case; where it is not clear where one begins, each that it may be."""
    for at in _AT.finditer(text):
        for _begin, _end, address in _around(text, at):
            yield address


def replaced(text: str, instead: Callable[[str], str | None]) -> str:
    """The text with something else in the place of addresses: what ``instead`` gives for one in lower case, None keeps it."""
    return rewritten(text, lambda _written, address: instead(address))


def rewritten(text: str, instead: Callable[[str, str], str | None]) -> str:
    """The same; ``instead`` is given the address as it is written, too (``Eva%40acme.cz``). One pass over the text."""
    parts = []
    last = 0
    for at in _AT.finditer(text):
        for begin, end, address in _around(text, at):
            if begin >= last and (new := instead(text[begin:end], address)) is not None:
                parts += [text[last:begin], new]
                last = end
                break
    return "".join([*parts, text[last:]])


def _around(text: str, at: re.Match[str]) -> Iterator[tuple[int, int, str]]:
    """The addresses that may stand around this sign: where they begin and end, and how they read."""
    begin = at.start()
    domain = _DOMAIN.match(text, at.end())
    before = text[max(0, begin - _MAX_LOCAL) : begin]
    local = before[len(before.rstrip(_LOCAL)) :]
    if domain is None or not local:
        return
    name = _EXTENSION.sub("", domain[0])
    for one in _locals(local):
        yield begin - len(one), domain.end(), f"{one}@{domain[0]}".lower()
        if name != domain[0]:
            yield begin - len(one), at.end() + len(name), f"{one}@{name}".lower()


def _locals(local: str) -> Iterator[str]:
    """The local part as it stands, without signs before it (``_eva_``, ``--eva``), and behind the last of these in it."""
    seen = {local}
    yield local
    for one in (local.lstrip(_PUNCTUATION), _INNER.split(local)[-1]):
        if one and one not in seen:
            seen.add(one)
            yield one
