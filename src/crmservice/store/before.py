"""The CRM as it was before a message arrived: what messages changed later is taken back by the effects that count.

Tasks, invitations, turns, and the filing and people of threads are as of then. What people and loaded files changed,
which threads a later mail joined, and to whom we ever wrote stand as they are today. Messages are asked about in
order of arrival: each effect is then read once, however long the history is.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from crmservice.crm.directory import Directory, Wanted
from crmservice.crm.records import InvitationRecord, Seen, Task, Thread
from crmservice.pipeline.gateway import Outcome
from crmservice.store import bulk, lookup
from crmservice.store.database import refresh
from crmservice.store.gateway import StoreGateway

_CHANGED = ("task", "invitation", "sharedaddress", "threadfiling")


class Earlier:
    """The past of one run. ``gateway`` looks up the CRM of today."""

    def __init__(self, gateway: StoreGateway) -> None:
        self.gateway = gateway
        self._later: Later | None = None
        self._numbers = _Numbers(0)
        self._threads = _Threads()

    def before(self, row: int) -> Before:
        """The CRM before this message arrived."""
        return Before(row, self, self.later(row))

    def later(self, row: int) -> Later:
        """What messages from this one on changed."""
        if self._later is None or row < self._later.begin:
            self._later, self._numbers, self._threads = _read_later(row), _Numbers(row), _Threads()
        return self._later

    def last_number(self, row: int) -> int:
        """The largest whole number of a task that was there before this message."""
        return self._numbers.before(row)

    def threads_of(self, threads: Collection[int], row: int) -> dict[int, _Known]:
        """What these threads' mails before this message bring to them."""
        return {thread: self._threads.before(thread, row) for thread in threads}


@dataclass(slots=True)
class Later:
    """What messages from ``begin`` on changed: (table, row) -> (message, before) in order; "" means made."""

    begin: int
    changes: dict[tuple[str, str], list[tuple[int, str]]] = field(default_factory=dict)

    def before(self, table: str, row: object, message: int) -> str | None:
        """The row's earliest ``before`` from this message on; None where it did not change, "" where it was made."""
        found = self.changes.get((table, str(row)), ())
        return next((before for by, before in found if by >= message), None)

    def state(self, table: str, row: object, message: int) -> dict[str, Any]:
        """The columns that changed since, as they were: of each the earliest."""
        found = self.changes.get((table, str(row)), ())
        states = [json.loads(before) for by, before in reversed(found) if by >= message and before]
        return {name: value for state in states for name, value in state.items()}


def _read_later(begin: int) -> Later:
    refresh()
    sql = (
        'SELECT "table", "row", message_id, "before" FROM crm_effect'
        ' WHERE message_id >= %s AND undone_id IS NULL AND "table" IN {in} ORDER BY message_id, n'
    )
    later = Later(begin)
    for table, row, message, before in bulk.query_in(sql, _CHANGED, before=[begin]):
        later.changes.setdefault((table, row), []).append((message, before))
    return later


class _Numbers:
    """The largest number of a task before a message: all that were not made since, and what each message made."""

    def __init__(self, begin: int) -> None:
        self._upto, self._largest = begin, -1

    def before(self, row: int) -> int:
        if self._largest < 0:
            self._largest = self._at_the_beginning()
        if row > self._upto:
            self._largest = max(self._largest, _largest_of(_made(self._upto, row)))
            self._upto = row
        return self._largest

    def _at_the_beginning(self) -> int:
        made = set(_made(self._upto, 2**63 - 1))
        numbers = bulk.query("SELECT id, value FROM crm_task WHERE value IS NOT NULL ORDER BY value DESC")
        return next((int(value) for key, value in numbers if key not in made), 0)


def _made(begin: int, end: int) -> list[int]:
    """The tasks that messages from ``begin`` on and before ``end`` made."""
    sql = (
        'SELECT "row" FROM crm_effect WHERE message_id >= %s AND message_id < %s AND "table" = \'task\''
        " AND \"before\" = '' AND undone_id IS NULL"
    )
    return [int(row) for (row,) in bulk.query(sql, [begin, end])]


def _largest_of(tasks: Collection[int]) -> int:
    rows = bulk.query_in("SELECT max(value) FROM crm_task WHERE id IN {in}", tasks)
    return max((int(value) for (value,) in rows if value is not None), default=0)


@dataclass(slots=True)
class _Known:
    """What the mails of a thread before ``upto`` bring to it: their Message-IDs' digests, those we sent, and people."""

    upto: int = 0
    digests: set[bytes] = field(default_factory=set)
    sent: set[bytes] = field(default_factory=set)
    people: frozenset[str] = frozenset()

    def take(self, joined: Mapping[str, Any]) -> None:
        digest = bytes.fromhex(joined["message"])
        self.digests.add(digest)
        self.people |= frozenset(joined["people"])
        if "sent" in joined:
            self.sent.add(digest)


class _Threads:
    """Threads as they grow: each of their mails is read once."""

    def __init__(self) -> None:
        self._known: dict[int, _Known] = {}

    def before(self, thread: int, row: int) -> _Known:
        known = self._known.setdefault(thread, _Known())
        if row > known.upto:
            sql = (
                "SELECT e.after FROM crm_effect e WHERE e.message_id IN (SELECT message_id FROM crm_activity"
                " WHERE thread = %s AND message_id >= %s AND message_id < %s)"
                " AND e.\"table\" = 'join' AND e.after <> '' AND e.undone_id IS NULL"
            )
            for (after,) in bulk.query(sql, [thread, known.upto, row]):
                known.take(json.loads(after))
            known.upto = row
        return known


@dataclass(frozen=True, slots=True)
class Before:
    """A CrmGateway that looks up as of before ``row``. It writes nothing."""

    row: int
    earlier: Earlier
    later: Later

    def directory_for(self, wanted: Wanted, rows: Sequence[int]) -> Directory:
        """The directory of then."""
        found = self.earlier.gateway.directory_for(wanted, rows)
        threads = self.earlier.threads_of({thread.id for thread in found.threads.values()}, self.row)
        ids = _task_ids(found.tasks)
        tasks = {
            folded: self._task(task, ids[folded])
            for folded, task in found.tasks.items()
            if self.later.before("task", ids[folded], self.row) != ""
        }
        return replace(
            found,
            seen=_seen_before(found.seen, self.row),
            threads={
                digest: self._thread(thread, threads[thread.id].people)
                for digest, thread in found.threads.items()
                if digest in threads[thread.id].digests
            },
            sent_ids=found.sent_ids & {digest for known in threads.values() for digest in known.sent},
            tasks=tasks,
            problems={problem: folded for problem, folded in found.problems.items() if folded in tasks},
            last_task_number=self.earlier.last_number(self.row),
            invitations=_invitations_before(found.invitations, self.later, self.row),
            turns=_turns_before(found.turns, self.later, self.row),
        )

    def apply(self, outcomes: Sequence[Outcome]) -> None:
        """Never: the past is not written."""
        raise NotImplementedError

    def _task(self, task: Task, key: int) -> Task:
        state = self.later.state("task", key, self.row)
        if not state:
            return task
        contract = state.get("contract_id", task.contract)
        sql = "SELECT account_id FROM crm_contract WHERE id IN {in}"
        account = next((account for (account,) in bulk.query_in(sql, [contract] if contract else [])), None)
        return replace(
            task,
            subject=state.get("subject", task.subject),
            status=state.get("status", task.status),
            contract=contract,
            account=account,
        )

    def _thread(self, thread: Thread, people: frozenset[str]) -> Thread:
        """A filing that mail changed since is that of the newest earlier activity which is filed at all."""
        thread = replace(thread, people=people)
        if self.later.before("threadfiling", thread.id, self.row) is None:
            return thread
        contract, order, task = _newest_filing(thread.id, self.row)
        return replace(thread, contract=contract, order=order, task=task)


def _seen_before(found: Mapping[bytes, tuple[Seen, ...]], row: int) -> dict[bytes, tuple[Seen, ...]]:
    """Earlier messages alone, and the users who had an activity of them by then."""
    earlier = [one.message for many in found.values() for one in many if one.message < row]
    users = lookup.receivers(earlier, before=row)
    kept = {
        key: tuple(replace(one, users=frozenset(users.get(one.message, ()))) for one in many if one.message < row)
        for key, many in found.items()
    }
    return {key: many for key, many in kept.items() if many}


def _task_ids(tasks: Collection[str]) -> dict[str, int]:
    return dict(bulk.query_in("SELECT folded, id FROM crm_task WHERE folded IN {in} ORDER BY id DESC", tasks))


def _newest_filing(thread: int, row: int) -> tuple[int | None, int | None, str | None]:
    sql = (
        "SELECT a.contract_id, a.order_id, t.number FROM crm_activity a LEFT JOIN crm_task t ON t.id = a.task_id"
        " WHERE a.thread = %s AND a.message_id < %s"
        " AND (a.contract_id IS NOT NULL OR a.order_id IS NOT NULL OR a.task_id IS NOT NULL)"
        " ORDER BY a.message_id DESC, a.id DESC LIMIT 1"
    )
    for contract, order, task in bulk.query(sql, [thread, row]):
        return contract, order, task
    return None, None, None


def _invitations_before(
    found: Mapping[tuple[int, str, str], InvitationRecord], later: Later, row: int
) -> dict[tuple[int, str, str], InvitationRecord]:
    uids = {lookup.short(uid): uid for _, uid, _ in found}
    sql = "SELECT id, user_id, uid, occurrence FROM crm_invitation WHERE uid IN {in}"
    places = {(user, uids[uid], when): key for key, user, uid, when in bulk.query_in(sql, uids)}
    kept = {place: record for place, record in found.items() if later.before("invitation", places[place], row) != ""}
    return {place: _invitation(record, later.state("invitation", places[place], row)) for place, record in kept.items()}


def _invitation(record: InvitationRecord, state: Mapping[str, Any]) -> InvitationRecord:
    names = ("sequence", "organizer", "maker", "status", "fingerprint")
    then: dict[str, Any] = {name: state[name] for name in names if name in state}
    if "stamp" in state:
        then["stamp"] = bulk.aware(state["stamp"])
    return replace(record, **then)


def _turns_before(turns: Mapping[int, int], later: Later, row: int) -> dict[int, int]:
    states = {shared: later.state("sharedaddress", shared, row) for shared in turns}
    then = {shared: states[shared].get("last_user_id", user) for shared, user in turns.items()}
    return {shared: user for shared, user in then.items() if user is not None}
