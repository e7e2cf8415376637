"""Where mail comes from: one file for each kind, all with the same methods (SPEC chapter 3).

A round: ``fetch`` yields up to 50 messages, the caller makes each durable, ``confirm`` deletes exactly those
that are (at once, or where the source is Gathering those of several), and again until ``fetch`` yields nothing. A
source offers a message once until it is closed, so that one whose deletion fails never makes the round endless; after
``close`` the same object begins anew.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

from crmservice.errors import CrmServiceError
from crmservice.microsoft.tokens import Token
from crmservice.tls import Timeouts, tls_context
from crmservice.words import Words, system_words

if TYPE_CHECKING:
    from crmservice.config import Box, Endpoint, Login
    from crmservice.microsoft.graph import Graph

BATCH = 50
"""Messages a round."""

MAX_HEADER_BYTES = 256 * 1024
"""What is kept of a message that is too large: enough for any header block."""

Known = Callable[[str], bool]
"""Whether a source id needs no reading (a message set aside for its size, which stays on the server)."""


class SourceError(CrmServiceError):
    """A source could not be read; the text says which, why, and what to do. It never holds a secret."""

    permanent = False


SIGNING_IN = Words("signing in")
DELETING = Words("deleting")
LISTING = Words("listing")
CHECK_SERVER = Words("check the port, and the server's log")
TRIED_AGAIN = Words("it is tried again")


@dataclass(frozen=True, slots=True)
class Fetched:
    """A message as it lay in its source, byte for byte.

    ``oversize``: it is larger than allowed; ``data`` is its header block alone (at most MAX_HEADER_BYTES),
    and it must not be confirmed. ``size``: bytes as far as known (announced, or read).
    """

    source_id: str
    data: bytes = field(repr=False)
    oversize: bool = False
    size: int = 0


@runtime_checkable
class Source(Protocol):
    """A place that messages are taken from. Not thread-safe: one object, one thread.

    ``name``: ``pop3``, ``imap``, ``emlDir``, ``graph``. ``remote``: the box's daily pause holds for it.
    ``faults``: what the last ``fetch`` or ``confirm`` left aside and why, for the log; each is no reason to stop.
    """

    name: str
    remote: bool
    faults: list[Words]

    def fetch(self, known: Known, limit_bytes: int, batch: int = BATCH) -> Iterator[Fetched]:
        """Up to ``batch`` messages not offered yet and not known, in the source's order.

        ``limit_bytes`` is a hard cap whatever size is announced. Raises SourceError; what was yielded before
        may still be confirmed.
        """
        ...

    def confirm(self, source_ids: Sequence[str]) -> Sequence[str]:
        """Delete exactly these; those whose deletion is certain are returned. Raises SourceError."""
        ...

    def close(self) -> None:
        """End the session without deleting anything more, and forget what was offered. Never raises."""
        ...


@runtime_checkable
class Gathering(Protocol):
    """A source where a ``confirm`` costs so much that it is worth gathering many messages for it."""

    def due(self, durable: int) -> bool:
        """Whether so many messages, durable here but not deleted there, are to be confirmed now.

        To be asked after a ``fetch``. The more wait, the more come again after a crash, to be recognised.
        """
        ...


@runtime_checkable
class Probing(Protocol):
    """A source that can be tried without reading mail."""

    def probe(self) -> None:
        """Sign in and look; nothing is read or deleted. Raises SourceError."""
        ...


@runtime_checkable
class Waiting(Protocol):
    """A source that hears of new mail by itself (IMAP IDLE)."""

    def wait(self, seconds: float, wake: int | None = None) -> bool:
        """Between two rounds: until mail may be there (True), or the time is over or ``wake`` is readable (False).

        To be called instead of ``close``: the round is over, what it offered is forgotten, the session is kept and
        the next ``fetch`` goes on with it. What arrived since the last ``fetch`` counts at once. It lasts as long
        where the server can't tell of mail. ``wake``: a file descriptor. Raises SourceError when the connection is gone.
        """
        ...


@runtime_checkable
class Listing(Protocol):
    """A source that can be listed without reading mail."""

    def present(self) -> Collection[str]:
        """The source ids that lie in the source now, as far as they can be told without reading; the session ends.

        Nothing is read or deleted. Raises SourceError.
        """
        ...


def gathered(durable: int, box: int) -> bool:
    """Whether so many messages are worth a ``confirm`` that looks at the whole box, of so many: a twentieth of it.

    Then these looks cost no more in a full box than in a small one, a message; and no more than that comes
    again when the last answer is lost (TRUST C11).
    """
    return durable + BATCH > max(BATCH, box // 20)


class Room(NamedTuple):
    """What a mailbox may hold: ``name`` of the limit (``user STORAGE``), in the server's units."""

    name: str
    used: int
    limit: int

    @property
    def percent(self) -> int:
        """How full it is."""
        return 100 * self.used // self.limit


@runtime_checkable
class Measured(Protocol):
    """A source whose server may say how full the mailbox is."""

    def room(self) -> Sequence[Room]:
        """Each limit of the mailbox; none where the server tells none. Raises SourceError."""
        ...


class Offered:
    """The source ids that a round has offered: each once, and hardly more of them than lay there when it began.

    Where deleted messages come again under other ids, the round must end all the same (TRUST C10).
    """

    def __init__(self) -> None:
        self._ids: set[str] = set()
        self._passed_over: set[str] = set()
        self._most: int | None = None

    def begin(self, box: int) -> None:
        """The box holds so many messages; what it held when the round began is what counts."""
        self._most = box + BATCH if self._most is None else self._most

    @property
    def complete(self) -> bool:
        """Whether the round is over, whatever else lies there."""
        return self._most is not None and len(self._ids) >= self._most

    def end(self) -> None:
        """The next round begins."""
        self._ids, self._passed_over = self._passed_over, set()
        self._most = None

    def pass_over(self, source_ids: Iterable[str]) -> None:
        """They broke the session, one after the other: the next round leaves them, so that others get their turn."""
        self._passed_over.update(source_ids)

    def __contains__(self, source_id: str) -> bool:
        return source_id in self._ids

    def add(self, source_id: str) -> None:
        """It is offered."""
        self._ids.add(source_id)

    def take_back(self, source_ids: Iterable[str]) -> None:
        """They were not offered after all, or are to be offered again."""
        self._ids.difference_update(source_ids)


def header_of(data: bytes) -> bytes:
    """The header block of a message, its blank line included, at most MAX_HEADER_BYTES."""
    head = data[:MAX_HEADER_BYTES]
    ends = [(at, len(mark)) for mark in (b"\r\n\r\n", b"\n\n") if (at := head.find(mark)) >= 0]
    if not ends:
        return head
    at, length = min(ends)
    return head[: at + length]


def quotable(said: str, secrets: Iterable[str]) -> str:
    """A server's text for people: printable, without the secrets that it repeats, no more than a line."""
    forms = {form for secret in secrets for form in _forms(secret)} - {""}
    for form in sorted(forms, key=len, reverse=True):
        said = said.replace(form, "***")
    return "".join(letter if letter.isprintable() else "?" for letter in said)[:200]


def _forms(secret: str) -> tuple[str, str]:
    """How a server's text may repeat it: as it is, or as a quoted string of IMAP."""
    return secret, secret.replace("\\", "\\\\").replace('"', '\\"')


def in_base64(said: bytes) -> str:
    """What is said for a SASL mechanism, as it goes over the line: a secret too."""
    return base64.b64encode(said).decode()


def says(said: str, advice: Words) -> Words:
    """What a server says, made ``quotable`` before, and what to do about it."""
    return Words("it says {said!r}; {advice}", said=said, advice=advice)


@dataclass(frozen=True, slots=True)
class TokenLogin:
    """What is said for a SASL mechanism that takes a token, before base64.

    ``end``: the answer to a challenge that explains a refusal; the token must not be sent again (CALENDAR A9).
    """

    mechanism: str
    answer: bytes = field(repr=False)
    end: bytes


def token_logins(user: str, token: str) -> tuple[TokenLogin, ...]:
    """The ways to sign in by a token, in the order of trying: XOAUTH2, OAUTHBEARER (RFC 7628 section 3)."""
    name = user.replace("=", "=3D").replace(",", "=2C")
    return (
        TokenLogin("XOAUTH2", f"user={user}\1auth=Bearer {token}\1\1".encode(), b""),
        TokenLogin("OAUTHBEARER", f"n,a={name},\1auth=Bearer {token}\1\1".encode(), b"\1"),
    )


def oauth_advice(right: str) -> Words:
    """What to look at where Exchange Online refuses a token: its own words never say (CALENDAR A9)."""
    return Words(
        "check {right}, Add-MailboxPermission, and that New-ServicePrincipal was given the object id of the enterprise"
        " application",
        right=right,
    )


@dataclass(frozen=True, slots=True)
class Mailbox:
    """What a fault says of the mailbox that it is about."""

    protocol: str
    endpoint: Endpoint
    login: Login

    def fault(self, doing: Words, why: Words, *, permanent: bool = False) -> SourceError:
        """What went wrong while something was done with it."""
        return SourceError(
            "{protocol}, {doing} ({login} at {server}): {why}",
            permanent=permanent,
            protocol=self.protocol,
            doing=doing,
            login=self.login.name,
            server=f"{self.endpoint.host}:{self.endpoint.port}",
            why=why,
        )

    def no_token(self) -> SourceError:
        """It needs an OAuth2 token, and nobody can give one."""
        return self.fault(SIGNING_IN, Words("no token can be had; check Config/MicrosoftOAuth.json"), permanent=True)


def open_sources(
    box: Box, timeouts: Timeouts | None = None, token: Token | None = None, graph: Graph | None = None
) -> tuple[Source, ...]:
    """The box's sources by its keys, none of them contacted yet: the order is the order of reading.

    ``token`` is asked for an access token whenever a login uses OAuth2; ``graph`` asks about ``graphMailbox``. Raises
    SourceError where ``tlsCaFile`` can't be used.
    """
    from crmservice.sources.eml_folder import EmlFolder
    from crmservice.sources.imap import ImapSource
    from crmservice.sources.pop3 import Pop3Source

    waits = timeouts or Timeouts()
    sources: list[Source] = []
    if box.eml_dir is not None:
        sources.append(EmlFolder(box.eml_dir))
    if box.pop3 is not None and box.pop3_login is not None:
        sources.append(Pop3Source(box.pop3, box.pop3_login, _context(box), waits, token))
    if box.imap is not None and box.imap_login is not None:
        sources.append(ImapSource(box.imap, box.imap_login, _context(box), waits, token, folder=box.imap_folder))
    if box.graph_mailbox and graph is not None:
        from crmservice.sources.graph_mail import GraphMailSource

        sources.append(GraphMailSource(graph, box.graph_mailbox))
    return tuple(sources)


def _context(box: Box) -> ssl.SSLContext:
    try:
        return tls_context(box.tls_ca_file)
    except OSError as error:
        no_pem = isinstance(error, ssl.SSLError)
        why = Words("it holds no certificate in PEM form") if no_pem else system_words(error)
        raise SourceError(
            "tlsCaFile {file} can't be used: {why}; name a PEM file with the CA's certificate",
            permanent=True,
            file=box.tls_ca_file,
            why=why,
        ) from None
