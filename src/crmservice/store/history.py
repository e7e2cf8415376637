"""The store as it was: what became of each message, and the CRM before one arrived (SPEC 13.3).

What mail changed later is taken back by the effects it left: tasks, invitations, forbidden addresses, turns and
the filing of threads. What people and loaded files changed, which threads a later mail joined, and to whom we
ever wrote stand as they are today.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import lru_cache
from typing import Any

from crmservice.crm.directory import Directory, Wanted
from crmservice.crm.records import InvitationRecord, Seen, Task, Thread
from crmservice.pipeline.gateway import Outcome, Waiting
from crmservice.pipeline.past import Filed, Past
from crmservice.pipeline.rule import Verdict
from crmservice.store import bulk, lookup
from crmservice.store.access import scope_text
from crmservice.store.database import refresh
from crmservice.store.gateway import StoreGateway
from crmservice.store.trails import read_log

PAGE = 500
"""Messages read at once."""

PEOPLE_KEPT = 20_000
"""Mails whose people are remembered: a thread's earlier mails are asked for at each of its later ones."""

People = Callable[[str], frozenset[str]]
"""The addresses that take part in the mail with this backup path."""

_UNDONE = ("task", "invitation", "sharedaddress", "threadfiling")


@dataclass(slots=True)
class _Later:
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


class StoreHistory:
    """The history of the store that this process is connected to. ``people`` reads who took part in a kept mail."""

    def __init__(self, people: People) -> None:
        self._people = lru_cache(PEOPLE_KEPT)(people)
        self._now = StoreGateway(again=True)
        self._later: _Later | None = None

    def past(self, box: str, since: date | None) -> Iterator[Past]:
        """Decided messages of a box in order of arrival, but for those that are set aside or were erased."""
        last = 0
        while page := _page(box, since, last):
            last = page[-1][0].id
            ids = [waiting.id for waiting, *_ in page]
            filed, touched = _filed(ids), _touched(ids)
            for waiting, subject, log in page:
                yield Past(waiting, subject, log, tuple(filed.get(waiting.id, ())), waiting.id in touched)

    def gateway_before(self, row: int) -> _Before:
        """To decide as of then: the CRM as it was before this message arrived. It writes nothing."""
        if self._later is None or row < self._later.begin:
            self._later = _later(row)
        return _Before(row, self._now, self._people, self._later)

    def gateway_to_add(self, row: int) -> _Before:
        """To write today: only earlier messages count as seen, all else is as it is now."""
        return _Before(row, self._now, self._people, None)


@dataclass(frozen=True, slots=True)
class _Before:
    """A CrmGateway that looks up as of before ``row``; without ``later`` of messages alone."""

    row: int
    now: StoreGateway
    people: People
    later: _Later | None

    def directory_for(self, wanted: Wanted, rows: Sequence[int]) -> Directory:
        """The directory of then."""
        found = self.now.directory_for(wanted, rows)
        earlier = _earlier_of_threads({thread.id for thread in found.threads.values()}, self.row)
        found = replace(
            found,
            seen=_seen_before(found.seen, self.row),
            threads=self._threads(found.threads, earlier),
            sent_ids=found.sent_ids & {digest for _, digest, _, outgoing in earlier if outgoing},
        )
        return found if self.later is None else self._undone(found, self.later)

    def apply(self, outcomes: Sequence[Outcome]) -> None:
        """Write it into the CRM of today."""
        self.now.apply(outcomes)

    def _threads(self, threads: Mapping[bytes, Thread], earlier: Sequence[_Earlier]) -> dict[bytes, Thread]:
        known = {digest for _, digest, _, _ in earlier}
        people: dict[int, frozenset[str]] = {}
        for thread, _, path, _ in earlier:
            people[thread] = people.get(thread, frozenset()) | self.people(path)
        return {
            digest: replace(thread, people=people.get(thread.id, frozenset()))
            for digest, thread in threads.items()
            if digest in known
        }

    def _undone(self, found: Directory, later: _Later) -> Directory:
        ids = _task_ids(found.tasks)
        tasks = {
            folded: self._task(task, ids[folded], later)
            for folded, task in found.tasks.items()
            if later.before("task", ids[folded], self.row) != ""
        }
        return replace(
            found,
            tasks=tasks,
            problems={problem: folded for problem, folded in found.problems.items() if folded in tasks},
            last_task_number=_last_number_without(later, self.row),
            invitations=_invitations_before(found.invitations, later, self.row),
            turns=_turns_before(found.turns, later, self.row),
            threads={digest: self._filing(thread, later) for digest, thread in found.threads.items()},
        )

    def _task(self, task: Task, key: int, later: _Later) -> Task:
        state = later.state("task", key, self.row)
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

    def _filing(self, thread: Thread, later: _Later) -> Thread:
        """A filing that mail changed since is that of the newest earlier activity which is filed at all."""
        if later.before("threadfiling", thread.id, self.row) is None:
            return thread
        contract, order, task = _newest_filing(thread.id, self.row)
        return replace(thread, contract=contract, order=order, task=task)


_Earlier = tuple[int, bytes, str, bool]
"""A mail of a thread: the thread, its Message-ID's digest, its backup's path, whether we sent it."""


def _page(box: str, since: date | None, after: int) -> list[tuple[Waiting, str, tuple[str, ...]]]:
    refresh()
    sql = (
        "SELECT id, box, path, sha256, arrived, subject, log FROM crm_message"
        " WHERE box = %s AND id > %s AND day >= %s AND verdict NOT IN ('', %s) AND path <> '' ORDER BY id LIMIT %s"
    )
    given = [box, after, (since or date.min).isoformat(), Verdict.SET_ASIDE.value, PAGE]
    return [
        (Waiting(key, name, path, sha256, _time(arrived)), subject, read_log(log))
        for key, name, path, sha256, arrived, subject, log in bulk.query(sql, given)
    ]


def _time(value: object) -> datetime:
    time = bulk.aware(value)
    assert time is not None
    return time


def _filed(messages: Collection[int]) -> dict[int, list[Filed]]:
    """The activities of each message, as they are today."""
    sql = (
        "SELECT a.message_id, a.responsible_id, a.direction, a.contract_id, a.order_id, t.number, k.name, a.scope_level"
        " FROM crm_activity a LEFT JOIN crm_task t ON t.id = a.task_id LEFT JOIN crm_activity_type k ON k.id = a.type_id"
        " WHERE a.message_id IN {in} ORDER BY a.id"
    )
    found: dict[int, list[Filed]] = {}
    for message, responsible, direction, contract, order, task, kind, level in bulk.query_in(sql, messages):
        filed = (responsible, direction, contract, order, task, kind, scope_text(level))
        found.setdefault(message, []).append(filed)
    return found


def _touched(messages: Collection[int]) -> set[int]:
    """Those with an effect or a suggestion."""
    effects = bulk.query_in("SELECT DISTINCT message_id FROM crm_effect WHERE message_id IN {in}", messages)
    suggestions = bulk.query_in("SELECT DISTINCT message_id FROM crm_suggestion WHERE message_id IN {in}", messages)
    return {message for (message,) in (*effects, *suggestions)}


def _later(begin: int) -> _Later:
    refresh()
    sql = (
        'SELECT "table", "row", message_id, "before" FROM crm_effect WHERE message_id >= %s AND "table" IN {in}'
        " ORDER BY message_id, n"
    )
    later = _Later(begin)
    for table, row, message, before in bulk.query_in(sql, _UNDONE, before=[begin]):
        later.changes.setdefault((table, row), []).append((message, before))
    return later


def _seen_before(found: Mapping[bytes, tuple[Seen, ...]], row: int) -> dict[bytes, tuple[Seen, ...]]:
    """Earlier messages alone, and the users who had an activity of them by then."""
    earlier = [one.message for many in found.values() for one in many if one.message < row]
    users = lookup.receivers(earlier, before=row)
    kept = {
        key: tuple(replace(one, users=frozenset(users.get(one.message, ()))) for one in many if one.message < row)
        for key, many in found.items()
    }
    return {key: many for key, many in kept.items() if many}


def _earlier_of_threads(threads: Collection[int], row: int) -> list[_Earlier]:
    sql = (
        "SELECT DISTINCT a.thread, m.message_id_digest, m.path, a.direction FROM crm_activity a"
        " JOIN crm_message m ON m.id = a.message_id WHERE m.id < %s AND m.path <> '' AND a.thread IN {in}"
    )
    found = bulk.query_in(sql, threads, before=[row])
    return [(thread, bytes(digest or b""), path, way == "outgoing") for thread, digest, path, way in found]


def _task_ids(tasks: Collection[str]) -> dict[str, int]:
    return dict(bulk.query_in("SELECT folded, id FROM crm_task WHERE folded IN {in} ORDER BY id DESC", tasks))


def _last_number_without(later: _Later, row: int) -> int:
    """The largest whole number of a task that was there before ``row``."""
    made = {key for (table, key) in later.changes if table == "task" and later.before("task", key, row) == ""}
    if not made:
        return lookup.last_task_number()
    numbers = bulk.query("SELECT id, value FROM crm_task WHERE value IS NOT NULL ORDER BY value DESC")
    return next((int(value) for key, value in numbers if str(key) not in made), 0)


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
    found: Mapping[tuple[int, str, str], InvitationRecord], later: _Later, row: int
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


def _turns_before(turns: Mapping[int, int], later: _Later, row: int) -> dict[int, int]:
    states = {shared: later.state("sharedaddress", shared, row) for shared in turns}
    then = {shared: states[shared].get("last_user_id", user) for shared, user in turns.items()}
    return {shared: user for shared, user in then.items() if user is not None}
