"""Threads: which Message-IDs belong together, who took part, where they are filed (HOUSE.md, point 9)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

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

    members: dict[bytes, int] = field(default_factory=dict)
    people: dict[tuple[int, str], None] = field(default_factory=dict)
    filings: list[tuple[int, CreateActivity]] = field(default_factory=list)
    merges: list[tuple[int, int, int]] = field(default_factory=list)
    sent_ids: set[bytes] = field(default_factory=set)
    sent_to: dict[str, None] = field(default_factory=dict)

    def join(self, message: int, intent: JoinThread, message_id: bytes, people: Iterable[str]) -> None:
        """A mail belongs to a thread, and may show others to be the same."""
        if message_id:
            self.members[message_id] = intent.thread
        self.people.update(((intent.thread, address), None) for address in people)
        # In this order the filing of the smallest id is kept where the wanted thread has none (crm.directory).
        self.merges += [(message, intent.thread, other) for other in sorted(intent.merged) if other != intent.thread]

    def file(self, message: int, intent: CreateActivity) -> None:
        """An activity that is filed at all files its thread."""
        if intent.thread is not None and (intent.contract or intent.order or intent.task):
            self.filings.append((message, intent))

    def sent(self, message_id: bytes, recipients: Iterable[str]) -> None:
        """We sent this mail: a bounce that quotes it, or names its recipients, may be believed (SPEC 13.5)."""
        if message_id:
            self.sent_ids.add(message_id)
        self.sent_to.update(dict.fromkeys(recipients))

    def write(self, effects: Effects, task_ids: Mapping[str, int]) -> None:
        """Write all that; merges come last, because what they merge must be there."""
        members = [(digest, thread, digest in self.sent_ids) for digest, thread in self.members.items()]
        bulk.insert(models.ThreadMessage, "digest", "thread", "sent", conflict=_JOIN).run(members)
        bulk.insert(models.ThreadPerson, "thread", "address", conflict="DO NOTHING").run(self.people)
        addresses = ((address,) for address in self.sent_to)
        bulk.insert(models.SentAddress, "address", conflict="DO NOTHING").run(addresses)
        self._write_filings(effects, task_ids)
        for message, thread, other in self.merges:
            merge(message, thread, other, effects)

    def _write_filings(self, effects: Effects, task_ids: Mapping[str, int]) -> None:
        if not self.filings:
            return
        now = _filings({intent.thread for _, intent in self.filings if intent.thread is not None})
        changed: dict[int, list[int | None]] = {}
        for message, intent in self.filings:
            thread = intent.thread
            task = None if intent.task is None else task_ids[fold(intent.task)]
            filing = [intent.contract, intent.order, task]
            if thread is not None and now.get(thread) != filing:
                effects.add(message, "threadfiling", thread, now.get(thread), filing)
                now[thread] = changed[thread] = filing
        names = ("thread", "contract_id", "order_id", "task_id")
        bulk.insert(models.ThreadFiling, *names, conflict=_FILE).run((thread, *changed[thread]) for thread in changed)


def _filings(threads: Iterable[int]) -> dict[int, list[int | None]]:
    sql = "SELECT thread, contract_id, order_id, task_id FROM crm_thread_filing WHERE thread IN {in}"
    return {thread: filing for thread, *filing in bulk.query_in(sql, threads)}


def merge(message: int, thread: int, other: int, effects: Effects) -> None:
    """Make ``other`` part of ``thread``; a mail that joins two is rare, so this asks for each."""
    members = [
        bytes(d).hex() for (d,) in bulk.query("SELECT digest FROM crm_thread_message WHERE thread = %s", [other])
    ]
    activities = [key for (key,) in bulk.query("SELECT id FROM crm_activity WHERE thread = %s", [other])]
    filing = _filings([other]).get(other)
    before = {"messages": members, "activities": activities, "filing": filing}
    effects.add(message, "thread", other, before, thread)
    bulk.execute("UPDATE crm_thread_message SET thread = %s WHERE thread = %s", [thread, other])
    bulk.execute("UPDATE crm_activity SET thread = %s WHERE thread = %s", [thread, other])
    bulk.execute(
        "INSERT INTO crm_thread_person (thread, address)"
        " SELECT %s, address FROM crm_thread_person WHERE thread = %s ON CONFLICT DO NOTHING",
        [thread, other],
    )
    bulk.execute("DELETE FROM crm_thread_person WHERE thread = %s", [other])
    bulk.execute(
        "INSERT INTO crm_thread_filing (thread, contract_id, order_id, task_id)"
        " SELECT %s, contract_id, order_id, task_id FROM crm_thread_filing WHERE thread = %s ON CONFLICT DO NOTHING",
        [thread, other],
    )
    bulk.execute("DELETE FROM crm_thread_filing WHERE thread = %s", [other])
