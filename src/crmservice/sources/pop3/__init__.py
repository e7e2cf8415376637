"""POP3 (RFC 1939), with STLS (RFC 2595), XOAUTH2, and a server that is not believed anything (TRUST C10).

Not poplib: its limit of 2,048 bytes a line makes a long line a poison message, it takes whatever size the
server sends into memory, and it goes on after a protocol error with the session out of step (TRUST M4, M6).
"""

from __future__ import annotations

import base64
import hashlib
import re
import ssl
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from crmservice.config import Endpoint, Login
from crmservice.errors import CrmServiceError
from crmservice.microsoft.tokens import Token
from crmservice.sources import (
    BATCH,
    CHECK_SERVER,
    DELETING,
    LISTING,
    SIGNING_IN,
    TRIED_AGAIN,
    Fetched,
    Known,
    Mailbox,
    SourceError,
    header_of,
    oauth_advice,
    quotable,
    says,
)
from crmservice.sources.pop3.wire import NoReply, ProtocolError, Refused, TooLarge, Wire
from crmservice.tls import Timeouts, connect, explain
from crmservice.words import Words, joined

MAX_LIST_BYTES = 32 * 1024 * 1024
"""A UIDL answer: some 400,000 messages."""

MAX_BROKEN = 3
"""After so many broken messages in a row it is the server, not the message."""

# RFC 3206 and RFC 2449 section 8: codes that say that trying again may help.
_TEMPORARY = ("[IN-USE]", "[LOGIN-DELAY]", "[SYS/TEMP]")
_UID = re.compile(rb"[\x21-\x7e]{1,70}")


class Pop3Source:
    """One POP3 mailbox. The source id is the UIDL, or a checksum where the server has no usable one."""

    name = "pop3"
    remote = True

    def __init__(
        self, endpoint: Endpoint, login: Login, context: ssl.SSLContext, timeouts: Timeouts, token: Token | None = None
    ) -> None:
        self.endpoint, self.login = endpoint, login
        self._mailbox = Mailbox("POP3", endpoint, login)
        self.faults: list[Words] = []
        self._context, self._timeouts, self._token = context, timeouts, token
        self._wire: Wire | None = None
        self._numbers: dict[str, int] = {}  # source id -> number in this session
        self._waiting: list[tuple[int, str]] = []  # number and UIDL ("" where unusable) still to be read
        self._offered: set[str] = set()
        self._secrets: list[str] = []

    def fetch(self, known: Known, limit_bytes: int, batch: int = BATCH) -> Iterator[Fetched]:
        """Messages of the mailbox; see Source."""
        self.faults = []
        given = 0
        while given < batch:
            found = self._next(known, limit_bytes)
            if found is None:
                return
            given += 1
            yield found

    def confirm(self, source_ids: Sequence[str]) -> Sequence[str]:
        """DELE each, then QUIT: only its ``+OK`` makes the deletions certain (RFC 1939 section 6)."""
        if not source_ids:
            return []
        try:
            self._session()
            marked = [source_id for source_id in source_ids if self._mark(source_id)]
            self._command(b"QUIT")
        except (Refused, ProtocolError, OSError) as error:
            raise self._trouble(DELETING, error) from None
        finally:
            self._drop()
        return marked

    def close(self) -> None:
        """Drop the connection: without QUIT nothing is deleted."""
        self._drop()
        self._offered.clear()

    def probe(self) -> None:
        """Sign in and list. Raises SourceError."""
        self.present()

    def present(self) -> Collection[str]:
        """The ids that the server's UIDL gives. Raises SourceError."""
        self.close()
        try:
            self._session()
            return set(self._numbers)
        except (Refused, ProtocolError, OSError) as error:
            raise self._trouble(LISTING, error) from None
        finally:
            self.close()

    def _next(self, known: Known, limit_bytes: int) -> Fetched | None:
        """The next message, or None when there is none. One that breaks the session is left behind."""
        broken = 0
        while True:
            number, uid = self._take_number()
            if not number:
                return None
            if uid and (uid in self._offered or known(uid)):
                continue
            self._offered.add(uid)  # read or not, it is tried once: others must not wait behind it
            try:
                found = self._read(number, uid, limit_bytes)
            except (ProtocolError, OSError) as error:
                broken += 1
                trouble = self._trouble(Words("reading message {message}", message=uid or number), error)
                if broken == MAX_BROKEN:
                    raise trouble from None
                self.faults.append(trouble.words)
                continue
            if found is not None and (uid or found.source_id not in self._offered) and not known(found.source_id):
                self._offered.add(found.source_id)
                return found

    def _take_number(self) -> tuple[int, str]:
        """The next number and UIDL of the list; 0 at its end."""
        try:
            self._session()
        except (Refused, ProtocolError, OSError) as error:
            raise self._trouble(LISTING, error) from None
        return self._waiting.pop(0) if self._waiting else (0, "")

    def _read(self, number: int, uid: str, limit: int) -> Fetched | None:
        """A message; None with a fault noted if the server gives none. Raises ProtocolError, OSError."""
        try:
            self._command(b"RETR %d" % number)
            data = self._open().body(limit)
        except Refused as error:
            said = self._clean(str(error))
            words = Words("message {message}: the server will not give it ({said})", message=uid or number, said=said)
            self.faults.append(words)
            return None
        except TooLarge as error:
            self._drop()  # the rest would be read as answers
            head = header_of(error.head)
            found = uid or f"sha256:{hashlib.sha256(head).hexdigest()}"
            return Fetched(found, head, oversize=True, size=len(error.head))
        if self._open().pending:
            raise ProtocolError("it sent more than the message, which is left there")
        source_id = uid or self._checksum_id(data)
        self._numbers[source_id] = number
        return Fetched(source_id, data, size=len(data))

    def _checksum_id(self, data: bytes) -> str:
        """An id made of the content; equal messages of one session are counted."""
        base = f"sha256:{hashlib.sha256(data).hexdigest()}"
        found, count = base, 1
        while found in self._numbers:
            count += 1
            found = f"{base}#{count}"
        return found

    def _mark(self, source_id: str) -> bool:
        number = self._numbers.get(source_id)
        if number is None:
            words = Words("message {message}: it is not in the mailbox under this id any more", message=source_id)
            self.faults.append(words)
            return False
        try:
            self._command(b"DELE %d" % number)
        except Refused as error:
            said = self._clean(str(error))
            words = Words("message {message}: the server will not delete it ({said})", message=source_id, said=said)
            self.faults.append(words)
            return False
        return True

    # The session

    def _open(self) -> Wire:
        assert self._wire is not None
        return self._wire

    def _session(self) -> None:
        """Sign in and list the messages, unless that is done: numbers hold for one session alone."""
        if self._wire is not None:
            return
        try:
            self._connect()
            self._sign_in()
        except (Refused, ProtocolError, OSError, ValueError) as error:
            raise self._trouble(SIGNING_IN, error) from None
        except CrmServiceError:
            self._drop()
            raise
        self._list()

    def _connect(self) -> None:
        tls = self._context if self.endpoint.security == "tls" else None
        wire = Wire(connect(self.endpoint.host, self.endpoint.port, self._timeouts, tls), self._timeouts)
        self._wire = wire
        wire.greeting()
        if self.endpoint.security == "starttls":
            try:
                self._command(b"STLS")
            except Refused:
                raise ProtocolError(
                    "it does not offer STLS, and no password goes over a line that can be read; try port 995",
                    permanent=True,
                ) from None
            wire.start_tls(self._context, self.endpoint.host)

    def _sign_in(self) -> None:
        wire = self._open()
        if wire.pending:
            raise ProtocolError("it spoke out of turn")
        if self.login.oauth:
            self._xoauth2(wire)
            return
        password = self.login.password.reveal() if self.login.password else ""
        self._secrets = [password]
        self._command(b"USER " + self.login.name.encode())
        self._command(b"PASS " + password.encode())

    def _xoauth2(self, wire: Wire) -> None:
        """SASL XOAUTH2 in two lines: Exchange refuses the one-line form (CALENDAR A9)."""
        if self._token is None:
            raise self._mailbox.no_token()
        token = self._token()
        answer = base64.b64encode(f"user={self.login.name}\1auth=Bearer {token}\1\1".encode())
        self._secrets = [token, answer.decode()]
        wire.send(b"AUTH XOAUTH2")
        if wire.challenge().startswith(b"+OK"):
            raise ProtocolError("it let us in without asking who we are")
        wire.send(answer)
        try:
            if not wire.challenge().startswith(b"+OK"):
                wire.send(b"")  # the challenge says why not in JSON; an empty line asks for the -ERR
                wire.reply()
        except Refused:
            self._token.refused(token)
            raise

    def _list(self) -> None:
        """Number and UIDL of each message; a server without UIDL is asked for the numbers alone."""
        self._numbers = {}
        try:
            lines = self._multiline(b"UIDL")
        except Refused:
            lines = [line.partition(b" ")[0] for line in self._multiline(b"LIST")]
        pairs = [line.partition(b" ")[::2] for line in lines]
        seen = Counter(uid for _number, uid in pairs)
        found: dict[int, str] = {}
        for number, uid in pairs:
            if re.fullmatch(rb"[1-9][0-9]{0,9}", number):
                found[int(number)] = _source_id(uid) if seen[uid] == 1 else ""
        self._waiting = sorted(found.items())
        self._numbers = {uid: number for number, uid in self._waiting if uid}

    def _multiline(self, command: bytes) -> list[bytes]:
        self._command(command)
        try:
            answer = self._open().body(MAX_LIST_BYTES)
        except TooLarge:
            raise ProtocolError("it sent an endless answer to {command}", command=command.decode()) from None
        return [line.strip() for line in answer.split(b"\n") if line.strip()]

    def _command(self, line: bytes) -> bytes:
        wire = self._open()
        wire.send(line)
        return wire.reply()

    def _drop(self) -> None:
        """Let the connection go as it is."""
        wire, self._wire = self._wire, None
        self._waiting = []
        if wire is not None:
            wire.sock.close()

    def _trouble(self, doing: Words, error: Exception) -> SourceError:
        """What went wrong, without secrets; the session is gone."""
        self._drop()
        if isinstance(error, Refused):
            permanent = doing == SIGNING_IN and not str(error).upper().startswith(_TEMPORARY)
            why = says(self._clean(str(error)), self._advice() if permanent else TRIED_AGAIN)
            return self._mailbox.fault(doing, why, permanent=permanent)
        if isinstance(error, CrmServiceError):
            why = error.words if error.permanent else joined("; ", (self._broken(error), CHECK_SERVER))
            return self._mailbox.fault(doing, why, permanent=error.permanent)
        return self._mailbox.fault(doing, explain(error))

    def _broken(self, error: CrmServiceError) -> Words:
        if isinstance(error, NoReply):
            return Words("it answered {said!r}", said=self._clean(error.said))
        return error.words

    def _advice(self) -> Words:
        return oauth_advice("POP.AccessAsApp") if self.login.oauth else Words("check pop3Name and pop3Password")

    def _clean(self, text: str) -> str:
        """A server's text for people: no secret that it repeats, no more than a line."""
        return quotable(text, self._secrets)


def _source_id(uid: bytes) -> str:
    """The UIDL as id (RFC 1939 section 7); a longer one than allowed by its checksum, "" for none."""
    if _UID.fullmatch(uid):
        return uid.decode("ascii")
    return f"uidl-sha256:{hashlib.sha256(uid).hexdigest()}" if uid else ""
