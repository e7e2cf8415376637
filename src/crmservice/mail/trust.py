"""Whether the sender is who the mail says: Authentication-Results of our own servers (SPEC chapter 7, RFC 8601).

Which header counts: of one allowed id the topmost, since our server writes above whatever came with the mail.
Of several ids the first entry into our hops counts: from the topmost allowed header downwards, the next one is
taken instead only if its id is another (our server may leave a forged header of its own id below), and if the
``Received`` lines above it show, without a gap from the top, that our own hops handed the mail to one another:
the upper id's host (``by`` its id) is among them, and each line says that the mail came from a private network, from
a host whose name is an allowed id, or from one of the lower id's domain. Below the first line that says otherwise
all may be forged, but for the header of the hop that wrote that very line. Of a ``Received`` line only what the server itself
found out counts, never what its peer says of itself (HELO). In doubt the upper header counts.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import NamedTuple

from crmservice.mail.addresses import comment_end
from crmservice.mail.message import Message

MICROSOFT = "microsoft"
_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|\(|\)|;|\\.|[^"();\\]+|.', re.DOTALL)
_RESULT = re.compile(r"([a-z0-9-]++)\s*+(?:/\s*+\d++\s*+)?=\s*+([a-z0-9-]++)")
# Possessive, and from the beginning of a word: each character is looked at a few times, whatever the words are.
_PROPERTY = re.compile(r"(?<!\S)([a-z0-9-]++)\s*+\.\s*+([a-z0-9-]++)\s*+=\s*+(\S++)")
_FROM = re.compile(r"\s*from\s+\S+\s+", re.IGNORECASE)
_SPACE = re.compile(r"\s*")
_BY = re.compile(r"by\s+([^\s;()]*[^\s;().])", re.IGNORECASE)
# Postfix, sendmail, Exchange: ``from HELO (name [address])``, the name looked up both ways (``unknown`` where it was not
# found); Exim: ``from name ([address]:port helo=HELO)``. A name has a dot: ``(HELO [address])`` is the peer's word.
_FOUND = re.compile(
    r"\((?:([\w-]+(?:\.[\w-]+)+|unknown|localhost)\.?\s+)?\[(?:ipv6:)?([0-9a-f.:]+)\](?::\d+)?(?:\s+helo=[^\s()]+)?\)",
    re.IGNORECASE | re.ASCII,
)

# RFC 1918, RFC 4193 and the loopback; ``is_private`` counts the documentation's networks too.
_PRIVATE = tuple(
    ipaddress.ip_network(network)
    for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "fc00::/7", "::1/128")
)


class Result(NamedTuple):
    """One method's result (RFC 8601 section 2.2), in lower case: ``properties`` as ``header.from``: value."""

    method: str
    value: str
    properties: dict[str, str]


class Hop(NamedTuple):
    """What a server wrote of itself (``by``), and found out of who gave it the mail: a name and an IP address."""

    by: str
    name: str
    address: str


class Stamp(NamedTuple):
    """One Authentication-Results header; ``id`` is empty where it has none (Microsoft 365)."""

    id: str
    results: tuple[Result, ...]


def sender_verified(message: Message, authserv_ids: tuple[str, ...]) -> bool:
    """Whether one of our servers vouches for the From domain. False without ids or a usable sender.

    ``microsoft`` among the ids stands for a header without an id, and for ``X-MS-Exchange-Organization-AuthAs:
    Internal``; it may be allowed only for mail fetched from that tenant.
    """
    ids = frozenset(name.strip().lower() for name in authserv_ids)
    if message.sender is None or not ids:
        return False
    if MICROSOFT in ids and message.headers.all("x-ms-exchange-organization-authas") == ("Internal",):
        return True
    stamp = _entry_stamp(message, ids)
    return stamp is not None and _vouches(stamp, message.sender.domain)


def _entry_stamp(message: Message, ids: frozenset[str]) -> Stamp | None:
    """The allowed header that was written where the mail entered our hops (see the module)."""
    chosen: Stamp | None = None
    seen: set[str] = set()
    hops: list[Hop | None] = []
    for name, value in message.headers.fields:
        if name == "received":
            hops.append(_hop(value))
        elif name == "authentication-results":
            authserv_id = _authserv_id(value)
            if (authserv_id or MICROSOFT) not in ids or authserv_id == MICROSOFT:
                continue
            if chosen is not None and (authserv_id in seen or not _handed_on(hops, chosen.id, authserv_id, ids)):
                return chosen
            chosen = read(value)
            seen.add(authserv_id)
    return chosen


def _handed_on(hops: list[Hop | None], upper: str, lower: str, ids: frozenset[str]) -> bool:
    """Whether these lines, from the top, show that our hops handed the mail down to the lower id's (see the module)."""
    reached = False
    for n, hop in enumerate(hops, 1):
        if hop is None:
            return False
        reached = reached or hop.by == upper
        if not (_is_private(hop.address) or hop.name in ids or aligned(hop.name, lower)):
            # The mail entered here: what this hop itself stamped may stand below its line.
            return reached and hop.by == lower and n == len(hops)
    return reached


def _hop(received: str) -> Hop | None:
    """A Received line (RFC 5321 section 4.4); None where it does not say who wrote it."""
    start = _FROM.match(received)
    at = start.end() if start else 0
    found = _FOUND.match(received, at)
    # Comments stand between (Postfix tells of TLS there), and may quote the peer: its certificate's name.
    while received.startswith("(", at) and (end := comment_end(received, at)):
        space = _SPACE.match(received, end)
        at = space.end() if space else end
    by = _BY.match(received, at)
    if by is None:
        return None
    name, address = (found[1] or "", found[2]) if found else ("", "")
    return Hop(by[1].lower(), name.lower(), address)


def _is_private(address: str) -> bool:
    try:
        peer = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(peer in network for network in _PRIVATE)


def _vouches(stamp: Stamp, domain: str) -> bool:
    """dmarc=pass for the From domain; where DMARC was not judged, an aligned dkim, spf or auth pass."""
    dmarc = [result for result in stamp.results if result.method == "dmarc"]
    if any(result.value == "pass" for result in dmarc):
        return all(result.value == "pass" and _names(result, domain) for result in dmarc)
    if any(result.value == "fail" for result in dmarc):
        return False
    return any(result.value == "pass" and _is_aligned(result, domain) for result in stamp.results)


def _names(result: Result, domain: str) -> bool:
    return result.properties.get("header.from", domain).rpartition("@")[2] == domain


# The property that names whom a method proved (RFC 8601 section 2.7).
_PROVED = {
    "dkim": ("header.d", "header.i"),
    "spf": ("smtp.mailfrom",),
    "auth": ("smtp.auth", "smtp.mailfrom"),
}


def _is_aligned(result: Result, domain: str) -> bool:
    for name in _PROVED.get(result.method, ()):
        value = result.properties.get(name)
        if value is not None:
            return ("@" in value or result.method != "auth") and aligned(value.rpartition("@")[2], domain)
    return False


def aligned(one: str, other: str) -> bool:
    """Whether two domains belong together: equal, or one below the other (RFC 7489 section 3.1, relaxed)."""
    if one == other:
        return bool(one)
    upper, lower = sorted((one, other), key=len)
    return "." in upper and lower.endswith(f".{upper}")


def read(value: str) -> Stamp:
    """An Authentication-Results header (RFC 8601 section 2.2); one with a torn comment or quote has no results."""
    name = _authserv_id(value)
    try:
        parts = list(_parts(value))
    except _Torn:
        return Stamp(name, ())
    return Stamp(name, tuple(result for part in parts if (result := _result(part))))


def _authserv_id(value: str) -> str:
    """The id that a header begins with, in lower case; empty where it has none. The rest is not looked at."""
    try:
        first = next(_parts(value))
    except _Torn:
        return ""
    return "" if "=" in first or not first else first.split()[0]


class _Torn(Exception):
    """A comment or quote that is not closed, or not opened."""


def _parts(value: str) -> Iterator[str]:
    """The value in lower case at its semicolons, comments dropped and quotes undone. Raises _Torn where it gets there.

    Quotes mean nothing in a comment (RFC 5322 section 3.2.2), where servers repeat what the sender wrote.
    """
    value = value.lower()
    part: list[str] = []
    at = 0
    while found := _TOKEN.match(value, at):
        at = found.end()
        if found[0] == "(":
            at = comment_end(value, found.start())
            if not at:
                raise _Torn
        elif found[0] in (")", '"'):
            raise _Torn
        elif found[0] == ";":
            yield "".join(part).strip()
            part = []
        else:
            part.append(_quoted(found[1]) if found[1] is not None else found[0])
    yield "".join(part).strip()


def _quoted(text: str) -> str:
    """A quoted string as one word that can't be taken for results (reason="dmarc=pass")."""
    return re.sub(r"[\s=;]", "_", text)


def _result(part: str) -> Result | None:
    found = _RESULT.match(part)
    if not found:
        return None
    properties: dict[str, str] = {}
    for kind, name, value in _PROPERTY.findall(part, found.end()):
        properties.setdefault(f"{kind}.{name}", value)
    return Result(found[1], found[2], properties)
