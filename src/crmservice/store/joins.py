"""What a message did to threads, taken back: its place in one, a thread's filing, threads that it merged.

Each function takes one effect back and returns it turned round (before, after), so that this can be taken back as
well. Whether an effect still stands is asked before (``store.undo``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from crmservice.store import bulk, models, texts
from crmservice.store.threads import filings, merge

Turned = tuple[Any, Any]
Joined = Mapping[str, Any]


ELSEWHERE = "elsewhere"
"""In what a leaving mail leaves behind: another mail had taken their Message-ID to another thread."""


class Join(NamedTuple):
    """A join as its effect has it: the effect's id (a later one is larger), by which message, what it brings."""

    id: int
    by: int
    brings: Joined


class Joins:
    """The joins that count, by thread: what each message brings to it. Read once for each thread."""

    def __init__(self) -> None:
        self._known: dict[int, list[Join]] = {}

    def forget(self) -> None:
        """Threads changed: read them anew."""
        self._known.clear()

    def others(self, thread: int, message: int | None = None) -> list[Join]:
        """What messages bring to a thread, but for this one."""
        if thread not in self._known:
            self._known[thread] = _joins_of(thread)
        return [join for join in self._known[thread] if join.by != message]

    def over(self, thread: int, message: int) -> None:
        """The joins of this message count no more."""
        self._known[thread] = self.others(thread, message)


def _joins_of(thread: int) -> list[Join]:
    sql = (
        "SELECT id, message_id, after FROM crm_effect WHERE \"table\" = 'join' AND after <> '' AND undone_id IS NULL"
        " AND message_id IN (SELECT message_id FROM crm_activity WHERE thread = %s)"
    )
    return [Join(key, message, json.loads(after)) for key, message, after in bulk.query(sql, [thread])]


def leave(join: Join, row: str, joins: Joins) -> Turned:
    """A message leaves its thread: what no other message brings to it goes with it."""
    thread, after = _thread_now(int(row)), join.brings
    others = joins.others(thread, join.by)
    elsewhere = not _take_out_digest(join, thread, others) and bool(after["message"])
    _take_out_people(thread, after["people"], others)
    if "sent" in after:
        _take_out_sent(join.by, after["sent"])
    joins.over(thread, join.by)
    return {**after, "thread": thread} | ({ELSEWHERE: True} if elsewhere else {}), None


def _thread_now(thread: int) -> int:
    """What a thread is called by now: others may have merged it with another.

    Not asked of the Message-ID: another mail of the same one may have taken that elsewhere, but not its people.
    """
    sql = (
        'SELECT after FROM crm_effect WHERE "table" = \'thread\' AND "row" = %s AND undone_id IS NULL ORDER BY id DESC'
    )
    seen = {thread}
    while (rows := bulk.query(sql, [str(thread)])) and rows[0][0].isdecimal() and int(rows[0][0]) not in seen:
        thread = int(rows[0][0])
        seen.add(thread)
    return thread


def _take_out_digest(join: Join, thread: int, others: Iterable[Join]) -> bool:
    """A Message-ID goes back to where the mail found it, unless another mail of the same one keeps it in this thread.

    Where it was elsewhere before (``was``) those that came earlier did not keep it. Returns False where it is
    elsewhere by now: there it stays.
    """
    after, digest = join.brings, bytes.fromhex(join.brings["message"])
    keep = [other for other in others if other.brings["message"] == after["message"]]
    if "was" in after:
        keep = [other for other in keep if other.id > join.id]
    if keep:
        sent = any("sent" in other.brings for other in keep)
        return bulk.execute("UPDATE crm_thread_message SET sent = %s WHERE digest = %s", [sent, digest]) > 0
    if "was" in after:
        sql = "UPDATE crm_thread_message SET thread = %s WHERE digest = %s AND thread = %s"
        return bulk.execute(sql, [after["was"], digest, thread]) > 0
    return bulk.execute("DELETE FROM crm_thread_message WHERE digest = %s AND thread = %s", [digest, thread]) > 0


def _take_out_people(thread: int, people: Iterable[str], others: Iterable[Join]) -> None:
    stay = {address for other in others for address in other.brings["people"]}
    gone = [address for address in people if address not in stay]
    bulk.execute_in("DELETE FROM crm_thread_person WHERE thread = %s AND address IN {in}", gone, before=[thread])


def _take_out_sent(message: int, addresses: Iterable[str]) -> None:
    gone = [address for address in addresses if not _sent_by_another(address, message)]
    bulk.execute_in("DELETE FROM crm_sent_address WHERE address IN {in}", gone)


def _sent_by_another(address: str, message: int) -> bool:
    """Whether another message that counts was sent to this address: found by the threads that the address is in."""
    sql = (
        "SELECT 1 FROM crm_thread_person p JOIN crm_activity a ON a.thread = p.thread AND a.direction = 'outgoing'"
        " JOIN crm_effect e ON e.message_id = a.message_id AND e.\"table\" = 'join' AND e.undone_id IS NULL"
        " WHERE p.address = %s AND a.message_id <> %s AND e.after LIKE %s ESCAPE '!' LIMIT 1"
    )
    name = texts.compact(address).replace("!", "!!").replace("%", "!%").replace("_", "!_")
    return bool(bulk.query(sql, [address, message, f'%"sent":[%{name}%']))


def enter(before: Joined, joins: Joins) -> Turned:
    """A message that left its thread is in it again."""
    after = {name: value for name, value in before.items() if name not in ("thread", ELSEWHERE)}
    thread, digest, sent = before["thread"], bytes.fromhex(before["message"]), "sent" in before
    again = "(digest) DO UPDATE SET thread = excluded.thread, sent = (crm_thread_message.sent OR excluded.sent)"
    if digest and ELSEWHERE not in before:
        bulk.insert(models.ThreadMessage, "digest", "thread", "sent", conflict=again).run([(digest, thread, sent)])
    people = ((thread, address) for address in before["people"])
    bulk.insert(models.ThreadPerson, "thread", "address", conflict="DO NOTHING").run(people)
    addresses = ((address,) for address in before.get("sent", ()))
    bulk.insert(models.SentAddress, "address", conflict="DO NOTHING").run(addresses)
    joins.forget()
    return None, after


def file(thread: int, filing: Sequence[int | None] | None) -> None:
    """File a thread so (contract, order, task), or nowhere; what is gone by now is left out."""
    bulk.execute("DELETE FROM crm_thread_filing WHERE thread = %s", [thread])
    tables = ("crm_contract", "crm_order", "crm_task")
    there = [_if_there(table, key) for table, key in zip(tables, filing or [None] * 3, strict=True)]
    if any(there):
        names = ("thread", "contract_id", "order_id", "task_id")
        bulk.insert(models.ThreadFiling, *names).run([(thread, *there)])


def _if_there(table: str, key: int | None) -> int | None:
    if key is None:
        return None
    return key if bulk.query(f"SELECT 1 FROM {table} WHERE id = %s", [key]) else None  # noqa: S608 (our own names)


def part(other: str, before: Mapping[str, Any], thread: int, joins: Joins) -> Turned:
    """Two threads that a message merged are two again; what joined them since stays with the one that stayed."""
    to = int(other)
    digests = [bytes.fromhex(digest) for digest in before["messages"]]
    for table, column, keys in (("thread_message", "digest", digests), ("activity", "id", before["activities"])):
        sql = f"UPDATE crm_{table} SET thread = %s WHERE thread = %s AND {column} IN {{in}}"  # noqa: S608 (our own names)
        bulk.execute_in(sql, keys, before=[to, thread])
    joins.forget()
    _take_out_people(thread, before["brought"], joins.others(thread))
    bulk.insert(models.ThreadPerson, "thread", "address", conflict="DO NOTHING").run((to, a) for a in before["people"])
    if before["filing"] is not None:
        if before["filed"] and filings([thread]).get(thread) == before["filing"]:
            file(thread, None)
        file(to, before["filing"])
    return thread, before


def merge_again(other: str, thread: int, joins: Joins) -> Turned | None:
    """Merge two threads that were parted; None where there is nothing to merge any more."""
    was = merge(thread, int(other))
    joins.forget()
    return None if was is None else (was, thread)
