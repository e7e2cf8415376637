"""IMAP (RFC 9051, RFC 3501) by IMAPClient, within bounds and without trust in the server (TRUST M6, B30, C10).

Mail is looked at with BODY.PEEK and never marked as seen; what is deleted is named by UID (RFC 4315).
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from crmservice.config import Endpoint, Login
from crmservice.errors import CrmServiceError
from crmservice.microsoft.tokens import Token
from crmservice.sources import (
    BATCH,
    DELETING,
    LISTING,
    SIGNING_IN,
    Fetched,
    Known,
    Mailbox,
    Offered,
    Room,
    SourceError,
    gathered,
    header_of,
)
from crmservice.sources.imap.bounded import SLACK_BYTES, BoundedClient, Breach, woken
from crmservice.sources.imap.quota import rooms
from crmservice.sources.imap.sets import sets
from crmservice.sources.imap.signing_in import sign_in
from crmservice.sources.imap.trouble import TROUBLE, told
from crmservice.tls import Timeouts
from crmservice.words import Words

WINDOW = 500
"""Messages whose UIDs are asked for at once: the answer stays a short line however full the mailbox is."""

GROUP_BYTES = 4 * 1024 * 1024
"""Small messages are fetched together up to this announced size; a larger one comes alone."""

MAX_BROKEN = 3


class ImapSource:
    """One folder of an IMAP mailbox. The source id is ``UIDVALIDITY:UID``."""

    name = "imap"
    remote = True

    def __init__(
        self,
        endpoint: Endpoint,
        login: Login,
        context: ssl.SSLContext,
        timeouts: Timeouts,
        token: Token | None = None,
        *,
        folder: str = "INBOX",
    ) -> None:
        self.endpoint, self.login, self.folder = endpoint, login, folder
        self._mailbox = Mailbox("IMAP", endpoint, login)
        self.faults: list[Words] = []
        self._context, self._timeouts, self._token = context, timeouts, token
        self._client: BoundedClient | None = None
        self._validity = 0
        self._upcoming = 0  # UIDNEXT: the next arrival's number, or more
        self._listed = 0  # UIDNEXT when the folder was last gone through to its end
        self._next_number = 1
        self._top = 0  # the highest UID listed so far
        self._count = 0
        self._uids: list[int] = []
        self._sizes: dict[int, int] = {}
        self._offered = Offered()
        self._singly = False
        self._exactly = True  # as far as is known, the server deletes just what it is told to (UIDPLUS)
        self._secrets: list[str] = []

    def fetch(self, known: Known, limit_bytes: int, batch: int = BATCH) -> Iterator[Fetched]:
        """Messages of the folder; see Source."""
        self.faults = []
        given = 0
        broken: list[str] = []  # what broke the session, one after the other
        while given < batch:
            group: dict[int, int] = {}
            try:
                group = self._group(known, batch - given, limit_bytes)
                if not group:
                    return
                found = self._read(group, limit_bytes)
            except TROUBLE as error:
                blamed = [] if len(group) > 1 else [*map(self._id, group)] or [""]
                broken += blamed
                trouble = self._trouble(_reading(blamed), error)
                if trouble.permanent or len(broken) == MAX_BROKEN:
                    self._offered.pass_over(broken)
                    raise trouble from None
                self.faults.append(trouble.words)
                continue
            given += len(found)
            broken.clear()
            yield from found

    def confirm(self, source_ids: Sequence[str]) -> Sequence[str]:
        """UID EXPUNGE exactly these (RFC 4315); UIDVALIDITY is looked at again before."""
        if not source_ids:
            return []
        try:
            client = self._session()
            self._select(client)
            uids = sorted(uid for source_id in source_ids if (uid := self._uid_of(source_id)))
            if not uids:
                return []
            deleted = self._delete(client, uids)
            left = {uid for part in sets(uids) for uid in self._search(client, ["UID", part])}
            if deleted and left:
                self.faults.append(
                    Words(
                        "the server says that it deleted messages and still has them ({count}); they are deleted again:"
                        " see that the mailbox may be written to and keeps nothing back",
                        count=len(left),
                    )
                )
        except TROUBLE as error:
            raise self._trouble(DELETING, error) from None
        return [f"{self._validity}:{uid}" for uid in uids if uid not in left]

    def wait(self, seconds: float, wake: int | None = None) -> bool:
        """Until mail may be there or the time is over (IDLE, RFC 2177); see Waiting."""
        until = time.monotonic() + seconds
        self._end_round()
        try:
            client = self._session()
            if not client.has_capability("IDLE"):
                self.close()
                woken(wake, seconds)
                return False
            while not self._arrived(client):
                left = min(until - time.monotonic(), self._timeouts.idle)
                if left <= 0 or woken(wake):
                    return False
                client.bounded.allow(SLACK_BYTES)
                client.idle()
                client.bounded.hear_of_mail(left, wake)
                client.idle_done()
        except TROUBLE as error:
            raise self._trouble(Words("waiting for mail"), error) from None
        return True

    def present(self) -> Collection[str]:
        """The ids of all messages of the folder. Raises SourceError."""
        self.close()
        try:
            client = self._session()
            found: set[str] = set()
            while uids := self._window(client):
                found.update(map(self._id, uids))
            return found
        except TROUBLE as error:
            raise self._trouble(LISTING, error) from None
        finally:
            self.close()

    def room(self) -> Sequence[Room]:
        """The quotas of the mailbox; see Measured."""
        try:
            return rooms(self._session())
        except TROUBLE as error:
            raise self._trouble(Words("asking for the quota"), error) from None

    def due(self, durable: int) -> bool:
        """Whether they are to be deleted now: each time the folder is looked at anew.

        Without UIDPLUS then alone: where some of ours are marked from before, they must not be taken for another's.
        """
        gone_through = not self._uids and self._next_number > self._count
        return gone_through or (self._exactly and gathered(durable, self._count))

    def close(self) -> None:
        """End the session without deleting anything more."""
        self._end_round()
        self._begin()
        client, self._client = self._client, None
        if client is None:
            return
        try:
            client.bounded.allow(SLACK_BYTES)
            client.logout()
        except TROUBLE:
            _shut(client)

    def probe(self) -> None:
        """Sign in and open the folder. Raises SourceError."""
        self._session()
        self.close()

    # Reading

    def _end_round(self) -> None:
        """What was offered is forgotten, and messages are asked for together again."""
        self._offered.end()
        self._singly = False

    def _group(self, known: Known, most: int, limit: int) -> dict[int, int]:
        """The next messages to fetch in one command: UID and announced size, at least one unless there is none."""
        client = self._session()
        group: dict[int, int] = {}
        while len(group) < most and not self._offered.complete:
            if not self._uids and not self._more(client, known):
                break
            uid = self._uids[0]
            size = self._sizes.get(uid, 0)
            if group and (self._singly or sum(group.values()) + size > min(GROUP_BYTES, limit)):
                break
            group[uid] = size
            self._offered.add(self._id(self._uids.pop(0)))
        return group

    def _more(self, client: BoundedClient, known: Known) -> bool:
        """Ask for the UIDs of the next windows until one holds something to read."""
        while not self._uids and (uids := self._window(client)):
            fresh = [uid for uid in uids if self._id(uid) not in self._offered and not known(self._id(uid))]
            if fresh:
                self._sizes = self._announced(client, fresh)
            self._uids = [uid for uid in fresh if uid in self._sizes]
        if not self._uids:
            self._listed = self._upcoming
        return bool(self._uids)

    def _window(self, client: BoundedClient) -> list[int]:
        """The next UIDs of the folder, in their order; none at its end, however many messages are announced."""
        if self._next_number > self._count:
            return []
        last = self._next_number + WINDOW - 1
        # "*" in the last window: another client may have deleted some, and numbers that are none are an error.
        found = self._search(client, [f"{self._next_number}:{last if last < self._count else '*'}"])
        uids = [uid for uid in found if uid > self._top]
        self._next_number, self._top = last + 1, uids[-1] if uids else self._top
        return uids

    def _announced(self, client: BoundedClient, uids: list[int]) -> dict[int, int]:
        """What the server says of the sizes: good enough to group small messages, for nothing else."""
        client.bounded.allow(SLACK_BYTES)
        answer = client.fetch(uids, ["RFC822.SIZE"])
        sizes = {uid: answer[uid].get(b"RFC822.SIZE") for uid in uids if uid in answer}
        return {uid: size if isinstance(size, int) and size >= 0 else GROUP_BYTES for uid, size in sizes.items()}

    def _read(self, group: dict[int, int], limit: int) -> list[Fetched]:
        client = self._session()
        announced = limit if len(group) == 1 else min(sum(group.values()), len(group) * (limit + 1))
        client.bounded.allow(announced + SLACK_BYTES, texts=len(group))
        try:
            answer = client.fetch(list(group), [f"BODY.PEEK[]<0.{limit + 1}>"])
        except TROUBLE:
            if len(group) > 1:
                # A server that lies about one size must not cost the others of the group: one by one then.
                self._offered.take_back(map(self._id, group))
                self._singly = True
            raise
        found = {uid: self._fetched(uid, answer.get(uid, {}), limit) for uid in group}
        self._look_for(client, [uid for uid, mail in found.items() if mail is None])
        return [mail for mail in found.values() if mail is not None]

    def _look_for(self, client: BoundedClient, missing: list[int]) -> None:
        """What came without a text was deleted by somebody else meanwhile; where it lies there still, it is a fault."""
        for uid in self._search(client, ["UID", *sets(missing)]) if missing else ():
            words = Words("message {message}: the server gave no text of it; it is left there", message=self._id(uid))
            self.faults.append(words)

    def _fetched(self, uid: int, items: dict[bytes, Any], limit: int) -> Fetched | None:
        data = items.get(b"BODY[]<0>", items.get(b"BODY[]"))
        if not isinstance(data, bytes) or (not data and self._sizes.get(uid)):
            return None
        size = max(len(data), self._sizes.get(uid, 0))
        if len(data) > limit:
            return Fetched(self._id(uid), header_of(data), oversize=True, size=size)
        return Fetched(self._id(uid), data, size=len(data))

    def _search(self, client: BoundedClient, criteria: list[str]) -> list[int]:
        client.bounded.allow(SLACK_BYTES)
        return sorted(uid for uid in client.search(criteria) if isinstance(uid, int) and uid > 0)

    # Deleting

    def _delete(self, client: BoundedClient, uids: list[int]) -> bool:
        """Mark them and expunge exactly them; whether they could be expunged."""
        for part in sets(uids):
            client.bounded.allow(SLACK_BYTES)
            client.add_flags(part, [b"\\Deleted"], silent=True)
        # Asked last: what another client marks until then is not expunged with ours.
        others = set() if self._exactly else set(self._search(client, ["DELETED"])) - set(uids)
        client.bounded.allow(SLACK_BYTES)
        if self._exactly:
            for part in sets(uids):
                client.uid_expunge(part)
        elif others:
            words = Words(
                "the server knows no UIDPLUS and other messages are marked as deleted ({count}): ours are marked and stay"
                " until those are gone; expunge them, or let nobody else use the mailbox",
                count=len(others),
            )
            self.faults.append(words)
            return False
        else:
            client.expunge()
        return True

    def _uid_of(self, source_id: str) -> int:
        """The UID if the id is of this mailbox's present life, else 0 with a fault noted."""
        validity, _, uid = source_id.partition(":")
        if validity == str(self._validity) and uid.isascii() and uid.isdigit():
            return int(uid)
        words = Words(
            "message {message}: the server numbers its messages anew (UIDVALIDITY); it is read again", message=source_id
        )
        self.faults.append(words)
        return 0

    # The session

    def _session(self) -> BoundedClient:
        if self._client is not None:
            return self._client
        try:
            client = BoundedClient(self.endpoint, self._context, self._timeouts)
            self._client = client
            client.secure()
            sign_in(client, self._mailbox, self._token, self._secrets)
            self._exactly = client.has_capability("UIDPLUS")
        except TROUBLE as error:
            raise self._trouble(SIGNING_IN, error) from None
        except CrmServiceError:
            self._drop()
            raise
        try:
            self._select(client)
        except TROUBLE as error:
            opening = Words("opening the folder {folder!r}", folder=self.folder)
            raise self._trouble(opening, error, of_folder=True) from None
        return client

    def _select(self, client: BoundedClient) -> None:
        """Open the folder; without UIDVALIDITY its numbers mean nothing."""
        client.bounded.allow(SLACK_BYTES)
        answer = client.select_folder(self.folder)
        validity = answer.get(b"UIDVALIDITY")
        if not isinstance(validity, int) or validity <= 0:
            raise Breach("the server names no UIDVALIDITY")
        if validity != self._validity:
            self._listed = 0
        self._validity = validity
        self._begin()
        self._count = int(answer.get(b"EXISTS", 0))
        self._offered.begin(self._count)
        # Where a server names none, more messages than before are news too.
        self._upcoming = int(answer.get(b"UIDNEXT", self._count))

    def _arrived(self, client: BoundedClient) -> bool:
        """Whether there is mail that was not there when the folder was last gone through."""
        self._select(client)
        return self._count > 0 and self._upcoming > self._listed

    def _begin(self) -> None:
        """Look at the folder from its first message on; what was offered is passed over."""
        self._uids, self._sizes, self._next_number, self._top = [], {}, 1, 0

    def _drop(self) -> None:
        client, self._client = self._client, None
        self._begin()
        if client is not None:
            _shut(client)

    def _id(self, uid: int) -> str:
        return f"{self._validity}:{uid}"

    def _trouble(self, doing: Words, error: Exception, *, of_folder: bool = False) -> SourceError:
        """What went wrong, without secrets; the session is gone."""
        self._drop()
        return told(error, doing, self._mailbox, self._secrets, of_folder=of_folder)


def _reading(blamed: Sequence[str]) -> Words:
    return Words("reading message {message}", message=blamed[0]) if any(blamed) else Words("reading")


def _shut(client: BoundedClient) -> None:
    """Close the connection, whatever state it is in."""
    try:
        client.shutdown()
    except TROUBLE:
        client.bounded.sock.close()
