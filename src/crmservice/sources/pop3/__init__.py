"""POP3 (RFC 1939), with STLS, PIPELINING, tokens, and a server that is not believed anything (TRUST C10).

Not poplib: its limit of 2,048 bytes a line makes a long line a poison message, it takes whatever size the
server sends into memory, and it goes on after a protocol error with the session out of step (TRUST M4, M6).
"""

from __future__ import annotations

import hashlib
import re
import ssl
import time
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
    Offered,
    SourceError,
    gathered,
    header_of,
    oauth_advice,
    quotable,
    says,
)
from crmservice.sources.pop3.session import Entry, Merged, Session
from crmservice.sources.pop3.wire import NoReply, ProtocolError, Refused, TooLarge
from crmservice.tls import Timeouts, explain
from crmservice.words import Words, joined

GATHER_SECONDS = 30.0
"""So long at most messages are gathered for a QUIT: on a line that breaks often something must stay done."""

MAX_BROKEN = 3
"""After so many broken messages in a row it is the server, not the message."""

# RFC 3206 and RFC 2449 section 8: codes that say that trying again may help; servers without codes say it in words.
_TEMPORARY = re.compile(
    r"^\[(IN-USE|LOGIN-DELAY|SYS/TEMP)\]|\b(lock(ed)?|busy|in use|temporar(y|ily)|try again)\b", re.IGNORECASE
)


class _Again(Exception):
    """The same once more in a new session, more carefully."""


class Pop3Source:
    """One POP3 mailbox. The source id is the UIDL, or a checksum where the server has no usable one.

    A message is given only when what comes behind it begins as an answer: of a server that lets a line of one dot
    stand within a message we would keep the first half, and delete the whole.
    """

    name = "pop3"
    remote = True

    def __init__(
        self, endpoint: Endpoint, login: Login, context: ssl.SSLContext, timeouts: Timeouts, token: Token | None = None
    ) -> None:
        self.endpoint, self.login = endpoint, login
        self._mailbox = Mailbox("POP3", endpoint, login)
        self.faults: list[Words] = []
        self._context, self._timeouts, self._token = context, timeouts, token
        self._session: Session | None = None
        self._offered = Offered()
        self._numbered: set[str] = set()  # what is offered and has no id but its number, until a QUIT makes new numbers
        self._doubtful: set[str] = set()  # given, but perhaps another message's text: not to be deleted
        self._secrets: list[str] = []
        self._limit = 0
        self._capable = True  # as far as is known, the server can what CAPA says
        self._alone = False  # the next message is asked for alone

    def fetch(self, known: Known, limit_bytes: int, batch: int = BATCH) -> Iterator[Fetched]:
        """Messages of the mailbox; see Source."""
        self.faults = []
        self._limit = limit_bytes
        for given in range(batch):
            found = self._next(known, given, batch) if not self._offered.complete else None
            if found is None:
                return
            yield found

    def confirm(self, source_ids: Sequence[str]) -> Sequence[str]:
        """DELE each, then QUIT: only its ``+OK`` makes the deletions certain (RFC 1939 section 6)."""
        if not source_ids:
            return []
        try:
            self._drain()
            session = self._signed_in()
            numbers = self._numbers_of(session, source_ids)
            refusals = session.delete(numbers.values())
            session.command(b"QUIT")
        except (Refused, ProtocolError, OSError) as error:
            if self._session is not None and isinstance(error, ProtocolError):
                self._out_of_step(self._session, error)
            raise self._trouble(DELETING, error) from None
        finally:
            self._drop()
            self._offered.take_back(self._numbered)
            self._numbered.clear()
        refused = {source_id: why for source_id, why in zip(numbers, refusals, strict=True) if why}
        for source_id, why in refused.items():
            said = self._clean(why)
            words = Words("message {message}: the server will not delete it ({said})", message=source_id, said=said)
            self.faults.append(words)
        return [source_id for source_id in numbers if source_id not in refused]

    def due(self, durable: int) -> bool:
        """Whether a QUIT is worth it now: each costs a login, and the list of the whole box."""
        session = self._session
        if session is None or not (session.waiting or session.asked):
            return True
        return gathered(durable, session.count) or time.monotonic() - session.since > GATHER_SECONDS

    def close(self) -> None:
        """Drop the connection: without QUIT nothing is deleted."""
        self._drop()
        self._offered.end()
        self._numbered.clear()
        self._doubtful.clear()

    def probe(self) -> None:
        """Sign in and list. Raises SourceError."""
        self.present()

    def present(self) -> Collection[str]:
        """The ids that the server's UIDL gives. Raises SourceError."""
        self.close()
        try:
            return {uid for _number, uid in self._signed_in().waiting if uid}
        except (Refused, ProtocolError, OSError) as error:
            raise self._trouble(LISTING, error) from None
        finally:
            self.close()

    # Reading

    def _next(self, known: Known, given: int, batch: int) -> Fetched | None:
        """The next message, or None when there is none. One that breaks the session is left behind."""
        broken: list[str] = []
        while True:
            try:
                session = self._signed_in()
            except (Refused, ProtocolError, OSError) as error:
                raise self._trouble(LISTING, error) from None
            try:
                return self._read_on(session, known, batch - given)
            except _Again:
                self._drop()
            except (ProtocolError, OSError) as error:
                self._drop()
                if self._out_of_step(session, error):
                    if given:
                        return None  # no message twice in a batch
                    continue
                if session.held is not None and isinstance(error, OSError):
                    return session.held  # it was whole when the connection broke; what comes behind is tried again
                if self._undecided(session):
                    continue
                broken.append(self._blamed(session))
                doing = Words("reading message {message}", message=broken[-1].strip())
                trouble = self._trouble(doing, error)
                if len(broken) == MAX_BROKEN:
                    self._offered.pass_over(broken)
                    raise trouble from None
                self.faults.append(trouble.words)

    def _read_on(self, session: Session, known: Known, most: int) -> Fetched | None:
        """Read until a message is whole and the answer behind it has begun, or nothing is left."""
        while True:
            self._ask(session, known, most)
            if session.asked and not session.begun:
                self._begin(session)
            elif session.held is not None:
                session.look_behind()
            if session.held is not None:
                held, session.held, self._alone = session.held, None, False
                return held
            if session.begun:
                if (large := self._finish(session, known)) is not None:
                    return large
            elif not session.asked and not session.waiting:
                return None

    def _ask(self, session: Session, known: Known, most: int) -> None:
        """Have as many RETRs under way as the server allows and the batch needs."""
        if self._alone:
            most = 1
        together = min(self._together(session), most - (session.held is not None))
        if len(session.asked) > together // 2:
            return
        entries: list[Entry] = []
        while session.waiting and len(session.asked) + len(entries) < together:
            number, uid = session.waiting.popleft()
            if _key(number, uid) not in self._offered and not (uid and known(uid)):
                entries.append((number, uid))
            elif uid:
                session.passed[uid] = number
        if entries:
            session.ask(entries)

    def _together(self, session: Session) -> int:
        """How many RETRs may be under way. The server is asked when there is more than one to send."""
        if not session.together and self._capable and len(session.waiting) > 1:
            try:
                session.ask_what_it_can()
            except (ProtocolError, OSError):
                self._capable = False
                raise _Again from None
        return session.together or 1

    def _begin(self, session: Session) -> None:
        number, uid = session.asked[0]
        try:
            session.begin()
        except Refused as error:
            self._leave(number, uid)
            said = self._clean(str(error))
            words = Words("message {message}: the server will not give it ({said})", message=uid or number, said=said)
            self.faults.append(words)

    def _finish(self, session: Session, known: Known) -> Fetched | None:
        """Hold the message that has begun, if it is to be given at all. One that is too large is returned."""
        number, uid = session.asked[0]
        try:
            source_id, data = session.finish(self._limit)
        except Merged:
            self._alone = True
            raise _Again from None
        except TooLarge as error:
            self._drop()  # the rest would be read as answers
            self._leave(number, uid)
            head = header_of(error.head)
            source_id = uid or f"sha256:{hashlib.sha256(head).hexdigest()}"
            if not uid and (source_id in self._offered or known(source_id)):
                raise _Again from None
            self._offered.add(source_id)
            return Fetched(source_id, head, oversize=True, size=error.size)
        if not data and session.announced:
            self._offered.add(source_id)
            words = Words("message {message}: the server gave no text of it; it is left there", message=source_id)
            self.faults.append(words)
        elif source_id not in self._offered and not known(source_id):
            self._offered.add(source_id)
            self._doubtful.discard(source_id)
            session.held = Fetched(source_id, data, size=len(data))
        return None

    def _out_of_step(self, session: Session, error: Exception) -> bool:
        """Whether an answer may have been left out, or given twice, while several were awaited (PIPELINING).

        Then what came in this session may be other messages than were asked for: it is all read again, one by one.
        """
        if session.together < 2 or isinstance(error, ConnectionError):
            return False
        self._capable = False
        self._doubtful |= session.numbers.keys()
        self._offered.take_back(session.numbers)
        return True

    def _undecided(self, session: Session) -> bool:
        """Whether it is not clear which of several messages broke the session: the first is tried again then, alone."""
        if self._alone or (session.held is None and len(session.asked) < 2):
            return False
        if session.held is not None:
            self._offered.take_back([session.held.source_id])
        self._alone = True
        return True

    def _blamed(self, session: Session) -> str:
        """The message that broke the session. It is not tried again: others must not wait behind it."""
        if session.held is not None:
            return session.held.source_id
        number, uid = session.asked[0]
        self._leave(number, uid)
        return _key(number, uid)

    def _leave(self, number: int, uid: str) -> None:
        """Ask for it no more in this round."""
        self._offered.add(_key(number, uid))
        if not uid:
            self._numbered.add(_key(number, uid))

    # Deleting

    def _drain(self) -> None:
        """Read what was asked for and is not wanted now; it is offered again."""
        session = self._session
        if session is None:
            return
        if session.held is not None:
            self._offered.take_back([session.held.source_id])
        try:
            while session.asked:
                if not session.begun:
                    self._begin(session)
                if session.begun:
                    session.finish(self._limit)
        except (ProtocolError, OSError, TooLarge, Merged):
            self._drop()

    def _numbers_of(self, session: Session, source_ids: Sequence[str]) -> dict[str, int]:
        """The numbers in this session of those messages that it has."""
        wanted = dict.fromkeys(one for one in source_ids if one not in self._doubtful)
        numbers = {uid: number for number, uid in session.waiting if uid in wanted} | session.passed | session.numbers
        for source_id in wanted:
            if source_id not in numbers:
                words = Words("message {message}: it is not in the mailbox under this id any more", message=source_id)
                self.faults.append(words)
        return {source_id: numbers[source_id] for source_id in wanted if source_id in numbers}

    # The session

    def _signed_in(self) -> Session:
        """The session, begun with a list of the messages: numbers hold for one session alone."""
        if self._session is None:
            if self.login.oauth and self._token is None:
                raise self._mailbox.no_token()
            try:
                self._session = session = Session(self.endpoint, self._context, self._timeouts, self._secrets)
                session.secure(self._context)
                session.sign_in(self.login, self._token if self.login.oauth else None)
            except (Refused, ProtocolError, OSError, ValueError) as error:
                raise self._trouble(SIGNING_IN, error) from None
            except CrmServiceError:
                self._drop()
                raise
            session.look()
            self._offered.begin(session.count)
        return self._session

    def _drop(self) -> None:
        """Let the connection go as it is."""
        session, self._session = self._session, None
        if session is not None:
            session.close()

    def _trouble(self, doing: Words, error: Exception) -> SourceError:
        """What went wrong, without secrets; the session is gone."""
        self._drop()
        if isinstance(error, Refused):
            permanent = doing == SIGNING_IN and not _passing(str(error))
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


def _passing(said: str) -> bool:
    """Whether a refused login may be let in by and by: ``[AUTH]`` says that it is the password (RFC 3206)."""
    return not said.upper().startswith("[AUTH]") and _TEMPORARY.search(said) is not None


def _key(number: int, uid: str) -> str:
    """What a message is known by before it is read: without an id by its number, which no UIDL looks like."""
    return uid or f" {number}"
