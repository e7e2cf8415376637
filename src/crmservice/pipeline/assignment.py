"""Where a mail belongs: markers in it, else its thread (SPEC chapters 4 to 7). Asked by rules 9 and 11."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from crmservice.crm.records import Contract, Order, Suggest, Task, Thread
from crmservice.mail.markers import Marker, read_tail
from crmservice.mail.message import digest
from crmservice.mail.text import fold
from crmservice.pipeline.people import accounts_of, counterparty
from crmservice.pipeline.rule import Assignment, Case

Record = Contract | Order | Task


def assignment(case: Case) -> Assignment:
    """Contract, order, task, type and scope by the markers; what the thread knows where there is none."""
    threads = threads_of(case)
    known = {kind: found for kind in ("contract", "order", "task") if (found := first_known(case, kind))}
    if not known:
        return _inherited(case, threads)
    result = Assignment()
    # In the order of the text, the subject first: its type and scope win over the body's.
    for kind, (marker, record) in sorted(known.items(), key=lambda pair: case.reading.markers.index(pair[1][0])):
        result = _belongs(case, result, kind, record, threads)
        result = _shaped(case, result, marker)
    return result


def threads_of(case: Case) -> tuple[Thread, ...]:
    """Threads that In-Reply-To and References lead to, without repetition (never by the subject alone)."""
    ids = (*case.message.in_reply_to, *reversed(case.message.references))
    found = (case.directory.threads.get(digest(message_id)) for message_id in ids)
    return tuple({thread.id: thread for thread in found if thread is not None}.values())


def first_known(case: Case, kind: str) -> tuple[Marker, Record] | None:
    """The first marker of this kind whose number the CRM knows, with the record (SPEC chapter 5)."""
    of_kind = ((marker, _record(case, marker)) for marker in case.reading.markers if marker.kind == kind)
    return next(((marker, record) for marker, record in of_kind if record is not None), None)


def unknown_numbers(case: Case) -> list[str]:
    """The numbers of markers that nobody has, each once: they assign nothing and are shown in the trail."""
    return list(dict.fromkeys(marker.numbers[0] for marker in case.reading.markers if _record(case, marker) is None))


def _record(case: Case, marker: Marker) -> Record | None:
    table: Mapping[str, Record] = getattr(case.directory, f"{marker.kind}s")
    found = (table.get(fold(number)) for number in marker.numbers)
    return next((record for record in found if record is not None), None)


def _belongs(case: Case, result: Assignment, kind: str, record: Record, threads: tuple[Thread, ...]) -> Assignment:
    if not _may_assign(case, kind, record, threads):
        suggest = Suggest("assignment", f"{kind}:{record.number}", {"because": "marker"})
        return replace(result, suggestions=(*result.suggestions, suggest))
    if isinstance(record, Task):
        return replace(result, task=record.number)
    return replace(result, contract=record.id) if isinstance(record, Contract) else replace(result, order=record.id)


def _may_assign(case: Case, kind: str, record: Record, threads: tuple[Thread, ...]) -> bool:
    """Chapter 7, last sentence (rules=safe): a stranger's guess at a number is only a suggestion."""
    if not case.safe or case.forwarder is not None:
        return True
    if case.sender is None:
        return False
    if case.user(case.sender.email) is not None:
        return True
    if record.account is not None and record.account in accounts_of(case, counterparty(case)):
        return True
    return any(_of_thread(thread, kind) == _key(record) and case.sender.email in thread.people for thread in threads)


def _key(record: Record) -> int | str:
    return record.number if isinstance(record, Task) else record.id


def _of_thread(thread: Thread, kind: str) -> int | str | None:
    value: int | str | None = getattr(thread, kind)
    return value


def _shaped(case: Case, result: Assignment, marker: Marker) -> Assignment:
    """Type and scope behind the number: from verified people alone, and (safe) never from quoted history."""
    if not case.may_command or (case.safe and marker.where == "quoted"):
        return result
    name, scope = read_tail(marker.tail, case.directory.types)
    return replace(result, type=result.type or name, scope=result.scope or scope)


def _inherited(case: Case, threads: tuple[Thread, ...]) -> Assignment:
    """A reply without a marker takes the thread's filing: a suggestion; in ``safe`` at once if its sender took part."""
    thread = next((thread for thread in threads if thread.contract or thread.order or thread.task), None)
    if thread is None:
        return Assignment()
    took_part = case.sender is not None and case.sender.email in thread.people
    if case.safe and took_part:
        task = None if case.found.new_task else thread.task  # only a marker names another task (rule 9)
        return Assignment(thread.contract, thread.order, task)
    payload = {"contract": thread.contract, "order": thread.order, "task": thread.task, "because": "thread"}
    return Assignment(suggestions=(Suggest("assignment", f"thread:{thread.id}", payload),))


def own_thread(case: Case) -> int:
    """The id of a thread that this message begins: the same whenever the message is decided again."""
    seed = case.reading.identity.message_id or case.reading.identity.key
    return int.from_bytes(seed[:8], "big") >> 1
