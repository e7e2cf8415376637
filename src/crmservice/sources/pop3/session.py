"""One connection to a POP3 server: TLS, signing in, the list of messages, commands that are under way together."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import re
import ssl
import time
from collections import deque
from collections.abc import Iterable, Sequence

from crmservice.config import Endpoint, Login
from crmservice.microsoft.tokens import Token
from crmservice.sources import Fetched, token_logins
from crmservice.sources.pop3.wire import ProtocolError, Refused, TooLarge, Wire
from crmservice.tls import Timeouts, connect

MAX_LIST_BYTES = 32 * 1024 * 1024
"""A UIDL answer: some 400,000 messages."""

TOGETHER = 20
"""RETRs under way at once with PIPELINING (RFC 2449 section 6.8): enough for most lines, few to read in vain."""

DELETED_TOGETHER = 100
"""DELEs under way at once: their answers fit into any socket's buffer, so that neither side waits for the other."""

CAPABILITIES_SECONDS = 5.0
"""How long a server that says yes to CAPA is waited for to go on (TRUST C10)."""

_UID = re.compile(rb"[\x21-\x7e]{1,70}")
_STATUS = re.compile(rb"[\r\n](?:\+OK|-ERR)")

Entry = tuple[int, str]
"""A message's number in this session, and its source id; "" where the server gives none that can be used."""


class Merged(Exception):
    """What came may be several answers, the end of one missing: they must be asked for one by one."""


class Session:
    """One connection. Its methods raise Refused, ProtocolError or OSError.

    ``secrets`` is filled with what must not be quoted of the server's texts.
    ``waiting``: messages still to be asked for; ``count``: how many there were when they were listed, at ``since``.
    ``together``: how many RETRs may be under way, 0 while that is not known. ``asked``: those that are; ``begun``: the
    first of them was answered with ``+OK``. ``numbers``: of the messages read, by their source ids; ``passed``: of those passed over.
    ``held``: a message that was read, but not yet what comes behind it. ``announced``: bytes of the message at hand, as
    far as the server says so with it.
    """

    def __init__(self, endpoint: Endpoint, context: ssl.SSLContext, timeouts: Timeouts, secrets: list[str]) -> None:
        tls = context if endpoint.security == "tls" else None
        self.endpoint = endpoint
        self.wire = Wire(connect(endpoint.host, endpoint.port, timeouts, tls), timeouts)
        self.secrets = secrets
        self.waiting: deque[Entry] = deque()
        self.count, self.since = 0, time.monotonic()
        self.together = 0
        self.asked: deque[Entry] = deque()
        self.begun = False
        self.numbers: dict[str, int] = {}
        self.passed: dict[str, int] = {}
        self.held: Fetched | None = None
        self.announced: int | None = None

    def command(self, line: bytes) -> bytes:
        """The text behind a command's ``+OK``."""
        self.wire.send(line)
        return self.wire.reply()

    def close(self) -> None:
        """Let the connection go as it is."""
        self.wire.sock.close()

    # Signing in

    def secure(self, context: ssl.SSLContext) -> None:
        """The greeting, and STLS where it is due (RFC 2595 section 4): no credential goes before it."""
        self.wire.greeting()
        if self.endpoint.security == "starttls":
            try:
                self.command(b"STLS")
            except Refused:
                raise ProtocolError(
                    "it does not offer STLS, and no password goes over a line that can be read; try port 995",
                    permanent=True,
                ) from None
            self.wire.start_tls(context, self.endpoint.host)
        if self.wire.pending:
            raise ProtocolError("it spoke out of turn")

    def sign_in(self, login: Login, token: Token | None) -> None:
        """USER and PASS, or the token."""
        if token is not None:
            self._sign_in_by_token(login.name, token)
            return
        password = login.password.reveal() if login.password else ""
        self.secrets[:] = [password]
        self.command(b"USER " + login.name.encode())
        self.command(b"PASS " + password.encode())

    def _sign_in_by_token(self, name: str, token: Token) -> None:
        given = token()
        self.secrets[:] = [given]
        refusals = []
        for sasl in token_logins(name, given):
            self.wire.send(b"AUTH " + sasl.mechanism.encode())
            try:
                said = self.wire.challenge()
            except Refused as refusal:  # it does not know the mechanism; nothing secret went out
                refusals.append(refusal)
                continue
            if said.startswith(b"+OK"):
                raise ProtocolError("it let us in without asking who we are")
            try:
                self._answer(sasl.answer, sasl.end)
            except Refused:
                token.refused(given)
                raise
            return
        raise refusals[0]

    def _answer(self, answer: bytes, end: bytes) -> None:
        """In a line of its own: Exchange refuses the form with one line (CALENDAR A9)."""
        line = base64.b64encode(answer)
        self.secrets.append(line.decode())
        self.wire.send(line)
        if not self.wire.challenge().startswith(b"+OK"):
            self.wire.send(base64.b64encode(end))  # the challenge says in JSON why not; this asks for the -ERR
            self.wire.reply()

    # What is there

    def look(self) -> None:
        """List the messages. A server without UIDL is asked for their numbers alone, and one that has mail and names none."""
        try:
            lines = self._lines(b"UIDL")
            named = lines or not self._counted()
        except Refused:
            named = False
        if not named:
            lines = [line.partition(b" ")[0] for line in self._lines(b"LIST")]
        self.waiting = deque(_entries(lines))
        self.count, self.since = len(self.waiting), time.monotonic()

    def _counted(self) -> int:
        """How many messages there are by STAT; 0 where the server does not say."""
        with contextlib.suppress(Refused):
            if count := re.match(rb"[0-9]{1,10}", self.command(b"STAT")):
                return int(count[0])
        return 0

    def ask_what_it_can(self) -> None:
        """Find out whether commands may be under way together (CAPA, RFC 2449)."""
        self.together = 1
        with contextlib.suppress(Refused):
            if any(line.upper() == b"PIPELINING" for line in self._lines(b"CAPA", CAPABILITIES_SECONDS)):
                self.together = TOGETHER

    def _lines(self, command: bytes, within: float | None = None) -> list[bytes]:
        """The lines of a command's answer, without the empty ones."""
        self.command(command)
        try:
            answer = self.wire.body(MAX_LIST_BYTES, within)
        except TooLarge:
            raise ProtocolError("it sent an endless answer to {command}", command=command.decode()) from None
        return [line.strip() for line in answer.split(b"\n") if line.strip()]

    # Messages

    def ask(self, entries: Sequence[Entry]) -> None:
        """Send RETR for each of these."""
        self.wire.send(*(b"RETR %d" % number for number, _uid in entries))
        self.asked.extend(entries)

    def begin(self) -> None:
        """Read whether the server gives the first message that was asked for; where it does not, that one is done with."""
        try:
            said = self.wire.reply()
        except Refused:
            self.asked.popleft()
            raise
        size = re.match(rb"([0-9]{1,12})(?: |$)", said)
        self.announced = int(size[1]) if size else None
        self.begun = True

    def finish(self, limit: int) -> tuple[str, bytes]:
        """Read the message that has begun: its source id and bytes. Raises TooLarge, Merged."""
        data = self.wire.body(limit)
        # Where the end of one is missing, the next answer seems to be a part of it.
        if len(self.asked) > 1 and len(data) != self.announced and _STATUS.search(data):
            raise Merged
        if len(self.asked) == 1 and self.wire.pending:
            raise ProtocolError("it sent more than the message, which is left there")
        number, uid = self.asked.popleft()
        self.begun = False
        source_id = uid or self._checksum_id(data)
        self.numbers[source_id] = number
        return source_id, data

    def _checksum_id(self, data: bytes) -> str:
        """An id made of the content; equal messages of one session are counted."""
        base = f"sha256:{hashlib.sha256(data).hexdigest()}"
        found, count = base, 1
        while found in self.numbers:
            count += 1
            found = f"{base}#{count}"
        return found

    def look_behind(self) -> None:
        """Have an answer follow where nothing was asked for. Raises ProtocolError if it does not begin as an answer."""
        with contextlib.suppress(Refused):
            self.command(b"NOOP")
        if self.wire.pending:
            raise ProtocolError("it sent more than was asked for")

    def delete(self, numbers: Iterable[int]) -> list[str]:
        """DELE each; for each of them why the server would not, or ""."""
        commands = [b"DELE %d" % number for number in numbers]
        most = DELETED_TOGETHER if self.together > 1 else 1
        refusals: list[str] = []
        for start in range(0, len(commands), most):
            part = commands[start : start + most]
            self.wire.send(*part)
            refusals += [self._refusal() for _ in part]
        return refusals

    def _refusal(self) -> str:
        try:
            self.wire.reply()
        except Refused as error:
            return str(error) or "no reason given"
        return ""


def _entries(lines: Iterable[bytes]) -> list[Entry]:
    """The messages of a UIDL answer in their order; an id that two of them share is none."""
    found: dict[int, str] = {}
    seen: set[str] = set()
    shared = {""}
    for line in lines:
        number, _, uid = line.partition(b" ")
        if re.fullmatch(rb"[1-9][0-9]{0,9}", number):
            source_id = _source_id(uid)
            (shared if source_id in seen else seen).add(source_id)
            found[int(number)] = source_id
    return [(number, "" if uid in shared else uid) for number, uid in sorted(found.items())]


def _source_id(uid: bytes) -> str:
    """The UIDL as id (RFC 1939 section 7); a longer one than allowed by its checksum, "" for none."""
    if _UID.fullmatch(uid):
        return uid.decode("ascii")
    return f"uidl-sha256:{hashlib.sha256(uid).hexdigest()}" if uid else ""
