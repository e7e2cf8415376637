"""Threads: which Message-IDs belong together, who took part, where they are filed (HOUSE.md, point 9)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from crmservice.crm.records import CreateActivity, JoinThread
from crmservice.mail.text import fold
from crmservice.store import bulk, models
from crmservice.store.changes import Effects

_JOIN = (
    "(digest) DO UPDATE SET thread = excluded.thread, sent = (crm_thread_message.sent OR excluded.sent)"
    " WHERE crm_thread_message.thread <> excluded.thread OR (excluded.sent AND NOT crm_thread_message.sent)"
)
_FILE = "(thread) DO UPDATE SET contract_id = excluded.contract_id, order_id = excluded.order_id, task_id = excluded.task_id"


@dataclass(slots=True)
class Threads:
    """What a batch does to threads, in its order."""

    joins: list[tuple[int, JoinThread, bytes, frozenset[str]]] = field(default_factory=list)
    filings: list[tuple[int, CreateActivity]] = field(default_factory=list)
    merges: list[tuple[int, int, int]] = field(default_factory=list)
    sent: dict[int, tuple[str, ...]] = field(default_factory=dict)

    def join(self, message: int, intent: JoinThread, message_id: bytes, people: frozenset[str]) -> None:
        """A mail belongs to a thread, and may show others to be the same.

        ``people`` take part in it. ``sent``: a mail of ours says here to whom it went, so that a bounce that quotes
        it, or names them, may be believed (SPEC 13.5).
        """
        self.joins.append((message, intent, message_id, people))
        # In this order the filing of the smallest id is kept where the wanted thread has none (crm.directory).
        self.merges += [(message, intent.thread, other) for other in sorted(intent.merged) if other != intent.thread]

    def file(self, message: int, intent: CreateActivity) -> None:
        """An activity that is filed at all files its thread."""
        if intent.thread is not None and (intent.contract or intent.order or intent.task):
            self.filings.append((message, intent))

    def write(self, effects: Effects, task_ids: Mapping[str, int]) -> None:
        """Write all that; merges come last, because what they merge must be there."""
        self._write_joins(effects)
        self._write_filings(effects, task_ids)
        for message, thread, other in self.merges:
            if (was := merge(thread, other)) is not None:
                effects.add(message, "thread", other, was, thread)

    def _write_joins(self, effects: Effects) -> None:
        members = [(digest, intent.thread, row in self.sent) for row, intent, digest, _ in self.joins if digest]
        was = threads_of(digest for digest, *_ in members)
        bulk.insert(models.ThreadMessage, "digest", "thread", "sent", conflict=_JOIN).run(members)
        people = {(intent.thread, address): None for _, intent, _, people in self.joins for address in people}
        bulk.insert(models.ThreadPerson, "thread", "address", conflict="DO NOTHING").run(people)
        addresses = {(address,): None for recipients in self.sent.values() for address in recipients}
        bulk.insert(models.SentAddress, "address", conflict="DO NOTHING").run(addresses)
        for row, intent, digest, people_of_it in self.joins:
            after: dict[str, Any] = {"message": digest.hex(), "people": sorted(people_of_it)}
            if row in self.sent:
                after["sent"] = self.sent[row]
            if (elsewhere := was.get(digest)) not in (None, intent.thread):
                after["was"] = elsewhere
            effects.add(row, "join", intent.thread, None, after)
            if digest:
                was[digest] = intent.thread

    def _write_filings(self, effects: Effects, task_ids: Mapping[str, int]) -> None:
        if not self.filings:
            return
        now = filings({intent.thread for _, intent in self.filings if intent.thread is not None})
        changed: dict[int, list[int | None]] = {}
        for message, intent in self.filings:
            thread = intent.thread
            task = None if intent.task is None else task_ids[fold(intent.task)]
            filing = [intent.contract, intent.order, task]
            if thread is None or now.get(thread) == filing:
                continue
            if not effects.stays(message, "threadfiling", thread):
                effects.add(message, "threadfiling", thread, now.get(thread), filing)
                now[thread] = changed[thread] = filing
        names = ("thread", "contract_id", "order_id", "task_id")
        bulk.insert(models.ThreadFiling, *names, conflict=_FILE).run((thread, *changed[thread]) for thread in changed)


def threads_of(digests: Iterable[bytes]) -> dict[bytes, int]:
    """The threads that these Message-IDs belong to."""
    found = bulk.query_in("SELECT digest, thread FROM crm_thread_message WHERE digest IN {in}", digests)
    return {bytes(digest): thread for digest, thread in found}


def filings(threads: Iterable[int]) -> dict[int, list[int | None]]:
    """Where these threads are filed: contract, order, task (ids)."""
    sql = "SELECT thread, contract_id, order_id, task_id FROM crm_thread_filing WHERE thread IN {in}"
    return {thread: filing for thread, *filing in bulk.query_in(sql, threads)}


def is_filed_later(thread: int, message: int) -> bool:
    """Whether a later message's activity is filed in this thread: then its filing is the thread's."""
    sql = (
        "SELECT 1 FROM crm_activity WHERE thread = %s AND message_id > %s"
        " AND (contract_id IS NOT NULL OR order_id IS NOT NULL OR task_id IS NOT NULL) LIMIT 1"
    )
    return bool(bulk.query(sql, [thread, message]))


def merge(thread: int, other: int) -> dict[str, Any] | None:
    """Make ``other`` part of ``thread``; a mail that joins two is rare, so this asks for each.

    Returns what was of ``other``, who came into ``thread`` by it (``brought``), and whether its filing did
    (``filed``); None where there was nothing of it.
    """
    digests = bulk.query("SELECT digest FROM crm_thread_message WHERE thread = %s", [other])
    activities = bulk.query("SELECT id FROM crm_activity WHERE thread = %s", [other])
    people, there = people_of(other), set(people_of(thread))
    found = filings([thread, other])
    if not (digests or activities or people or other in found):
        return None
    brought = [address for address in people if address not in there]
    filed = other in found and thread not in found
    bulk.execute("UPDATE crm_thread_message SET thread = %s WHERE thread = %s", [thread, other])
    bulk.execute("UPDATE crm_activity SET thread = %s WHERE thread = %s", [thread, other])
    bulk.insert(models.ThreadPerson, "thread", "address").run((thread, address) for address in brought)
    bulk.execute("DELETE FROM crm_thread_person WHERE thread = %s", [other])
    if filed:
        bulk.execute("UPDATE crm_thread_filing SET thread = %s WHERE thread = %s", [thread, other])
    bulk.execute("DELETE FROM crm_thread_filing WHERE thread = %s", [other])
    return {
        "messages": [bytes(digest).hex() for (digest,) in digests],
        "activities": [key for (key,) in activities],
        "people": people,
        "brought": brought,
        "filing": found.get(other),
        "filed": filed,
    }


def people_of(thread: int) -> list[str]:
    """The addresses that took part in a thread, in order."""
    rows = bulk.query("SELECT address FROM crm_thread_person WHERE thread = %s ORDER BY address", [thread])
    return [address for (address,) in rows]
