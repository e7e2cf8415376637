"""Mail through Microsoft Graph, for tenants where POP and IMAP are off (CALENDAR A7, A9; SPEC chapter 2, graphMailbox).

The inbox is listed without a delta: it is emptied as it is read, so there is no state that could be lost. The MIME is what
Exchange renders, the same at each reading. Deletion is permanentDelete, which is not undone by the mailbox's user.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from urllib.parse import quote

from crmservice.errors import CrmServiceError
from crmservice.microsoft.faults import Denied, GraphError, GraphTrouble, NotFound, Rejected, Throttled, Unreachable
from crmservice.microsoft.graph import Body, Graph
from crmservice.microsoft.pace import AT_ONCE
from crmservice.sources import BATCH, DELETING, LISTING, TRIED_AGAIN, Fetched, Known, SourceError, header_of
from crmservice.words import Words

SMALL_BYTES = 4 * 1024 * 1024
"""Messages up to this size are read side by side; a larger one comes alone, so memory holds one such at a time."""

MAX_BROKEN = 3
"""Broken connections in a row after which the server, not the message, is at fault."""

REMEMBERED = 1000
"""Deleted messages that are not offered again, should a list be late and still name them."""

READING = Words("reading")
PROBING = Words("trying")
RIGHT = "Mail.ReadWrite"

_ID = re.compile(r"[\x21-\x7e]{1,500}")
_NOBODY = "AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0AAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
_NO_ITEM = ("ErrorItemNotFound", "itemNotFound")
_OF_SERVER = (Denied, NotFound, Throttled)


class GraphMailSource:
    """The inbox of one mailbox. The source id is Graph's immutable id (learn.microsoft.com/graph/outlook-immutable-id)."""

    name = "graph"
    remote = True

    def __init__(self, graph: Graph, mailbox: str) -> None:
        self.faults: list[Words] = []
        self._graph, self._mailbox = graph, mailbox
        self._user = f"users/{quote(mailbox, safe='@')}"
        self._offered: set[str] = set()
        self._gone: deque[str] = deque()
        self._purges = True

    def fetch(self, known: Known, limit_bytes: int, batch: int = BATCH) -> Iterator[Fetched]:
        """Messages of the inbox, the oldest first; see Source."""
        self.faults = []
        given, in_a_row, last = 0, 0, None
        while given < batch:
            wanted = batch - given
            names = self._fresh(known, wanted)
            for name, first in self._beginnings(names, limit_bytes):
                self._offered.add(name)
                try:
                    mail = self._whole(name, first, limit_bytes)
                except GraphError as fault:
                    last, in_a_row = fault, in_a_row + isinstance(fault, GraphTrouble | Unreachable)
                    if isinstance(fault, _OF_SERVER) or in_a_row >= MAX_BROKEN:
                        raise self._trouble(READING, fault) from None
                    self.faults.append(Words("message {name}: {why}; it is left there", name=name, why=fault.words))
                    continue
                in_a_row = 0
                if mail is not None:
                    given += 1
                    yield mail
            if len(names) < wanted:
                break
        if last is not None and not given:
            raise self._trouble(READING, last)

    def confirm(self, source_ids: Sequence[str]) -> Sequence[str]:
        """Delete exactly these for good; what is no longer there counts as deleted."""
        if not source_ids:
            return []
        try:
            gone = [self._delete(source_ids[0])]  # alone: a missing right is told once, not fifty times
        except GraphError as fault:
            raise self._trouble(DELETING, fault) from None
        for name, done in zip(source_ids[1:], self._graph.at_once(self._delete, source_ids[1:]), strict=True):
            if isinstance(done, CrmServiceError):
                self._not_deleted(name, done.words)
            gone.append(done is True)
        certain = [name for name, is_gone in zip(source_ids, gone, strict=True) if is_gone]
        self._remember(certain)
        return certain

    def close(self) -> None:
        """End the session without deleting anything more."""
        self._offered.clear()
        self._gone.clear()
        self._graph.close()

    def probe(self) -> None:
        """Look at the inbox, and whether deleting is allowed: a message that there can't be is to be deleted."""
        try:
            self._graph.get(f"{self._user}/mailFolders/inbox?$select=id,totalItemCount")
            self._graph.call("POST", f"{self._message(_NOBODY)}/permanentDelete", repeatable=True)
        except NotFound as fault:
            if not fault.has(*_NO_ITEM):
                raise self._trouble(PROBING, fault) from None
        except Rejected:
            pass  # it looked at the id, so the right is there; or its cloud knows no such action
        except GraphError as fault:
            raise self._trouble(PROBING, fault) from None
        finally:
            self.close()

    def present(self) -> Collection[str]:
        """The ids of everything in the inbox."""
        try:
            return set(self._names(1000))
        except GraphError as fault:
            raise self._trouble(LISTING, fault) from None
        finally:
            self.close()

    # Reading

    def _names(self, page: int) -> Iterator[str]:
        """The ids of the inbox, the oldest first."""
        path = (
            f"{self._user}/mailFolders/inbox/messages?$top={page}&$orderby=receivedDateTime&$select=id,receivedDateTime"
        )
        for found in self._graph.pages(path):
            for row in found["value"]:
                name = row.get("id") if isinstance(row, dict) else None
                if isinstance(name, str) and _ID.fullmatch(name):
                    yield name

    def _fresh(self, known: Known, most: int) -> list[str]:
        """Up to so many that were neither offered nor are known, from the beginning: what was deleted moved the pages.

        A fault behind the first of them waits until these are read: of a list without an end they would never be.
        """
        found: dict[str, None] = {}
        try:
            for name in self._names(BATCH):
                if name not in self._offered and not known(name):
                    found[name] = None
                if len(found) == most:
                    break
        except GraphError as fault:
            if not found:
                raise self._trouble(LISTING, fault) from None
        return list(found)

    def _beginnings(self, names: Sequence[str], limit: int) -> Iterator[tuple[str, Body | CrmServiceError]]:
        """Each message as far as it is small, or why it can't be had."""
        most = min(limit, SMALL_BYTES)
        for at in range(0, len(names), AT_ONCE):
            group = names[at : at + AT_ONCE]
            yield from zip(group, self._graph.at_once(lambda name: self._mime(name, most), group), strict=True)

    def _whole(self, name: str, first: Body | CrmServiceError, limit: int) -> Fetched | None:
        """The message, None where it went meanwhile. Raises GraphError."""
        try:
            if isinstance(first, CrmServiceError):
                raise first
            data, whole = first if first.whole or limit <= SMALL_BYTES else self._mime(name, limit)
        except NotFound as fault:
            if fault.has(*_NO_ITEM):
                return None
            raise
        if not whole:
            return Fetched(name, header_of(data), oversize=True, size=len(data))
        return Fetched(name, data, size=len(data))

    def _mime(self, name: str, most: int) -> Body:
        return self._graph.download(f"{self._message(name)}/$value", most)

    def _message(self, name: str) -> str:
        return f"{self._user}/messages/{quote(name, safe='=')}"

    # Deleting

    def _delete(self, name: str) -> bool:
        """Whether it is certainly gone. Raises GraphError."""
        path = self._message(name)
        try:
            if not (self._purges and self._purge(path)):
                self._graph.call("DELETE", path)
                self._recycle(name)
        except NotFound as fault:
            if not fault.has(*_NO_ITEM):
                raise
        except Denied as fault:
            # An immutable id finds a deleted message where nobody sees it (msgraph-sdk-dotnet issue 3047).
            if not fault.has("ErrorCannotDeleteObject"):
                raise
            if self._in_inbox(name):
                self._not_deleted(name, fault.words)
                return False
        return True

    def _purge(self, path: str) -> bool:
        """Whether permanentDelete was done; False where this cloud has no such action (the national ones have none)."""
        try:
            self._graph.call("POST", f"{path}/permanentDelete", repeatable=True)
        except (Rejected, NotFound) as fault:
            if fault.has(*_NO_ITEM) or not (isinstance(fault, Rejected) or fault.has("UnknownError", "BadRequest")):
                raise
            self._purges = False
        return self._purges

    def _recycle(self, name: str) -> None:
        """DELETE put it into Deleted Items; a second one takes it out of there. It is out of the inbox in any case."""
        try:
            self._graph.call("DELETE", self._message(name))
        except (NotFound, Denied):
            pass
        except GraphError as fault:
            self.faults.append(Words("message {name} stays in Deleted Items: {why}", name=name, why=fault.words))

    def _in_inbox(self, name: str) -> bool:
        try:
            self._graph.get(f"{self._user}/mailFolders/inbox/messages/{quote(name, safe='=')}?$select=id")
        except NotFound:
            return False
        return True

    def _remember(self, names: Sequence[str]) -> None:
        """Deleted ones for a while only: a list may still name them, but of a backlog of 100,000 not all are to stay here."""
        self._gone += names
        while len(self._gone) > REMEMBERED:
            self._offered.discard(self._gone.popleft())

    def _not_deleted(self, name: str, why: Words) -> None:
        self.faults.append(Words("message {name} is not deleted: {why}", name=name, why=why))

    # Faults

    def _trouble(self, doing: Words, fault: GraphError) -> SourceError:
        said = SourceError(
            "Graph, {doing} ({mailbox}): {why}; {advice}",
            permanent=fault.permanent,
            doing=doing,
            mailbox=self._mailbox,
            why=fault.words,
            advice=_advice(fault),
        )
        said.retry_after = fault.retry_after
        return said


def _advice(fault: GraphError) -> Words:
    """What an administrator can do about it."""
    if isinstance(fault, NotFound):
        if fault.has("MailboxNotEnabledForRESTAPI"):
            return Words("the mailbox is inactive, has no licence, or is on premises: Graph reaches none of these")
        return Words("check graphMailbox: the tenant knows no such mailbox")
    if isinstance(fault, Rejected):
        return Words("check graphMailbox and graph_uri; Microsoft's support asks for the request-id")
    if not isinstance(fault, Denied):
        return TRIED_AGAIN
    if fault.status == 401:
        return Words("check graph_scope: the token is not for this server")
    if fault.roles is None:
        return Words(
            "check that the application has {right} with admin consent, and that no policy of Exchange leaves the"
            " mailbox out",
            right=RIGHT,
        )
    if RIGHT in fault.roles:
        return Words(
            "the application has {right}, so a policy of Exchange leaves the mailbox out: see Test-ApplicationAccessPolicy;"
            " a change takes an hour or more",
            right=RIGHT,
        )
    return Words(
        "the application lacks {right}: grant it with admin consent, or assign the role Application {right} for this"
        " mailbox in Exchange",
        right=RIGHT,
    )
