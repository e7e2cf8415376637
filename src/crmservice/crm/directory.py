"""Directory: everything looked up for one batch, as a value; ``after`` gives the next one.

A batch must come out as its messages would one after another (HOUSE.md, point 1): whatever a decision
changes that a later message of the same batch could see is folded into the next directory here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from crmservice.crm.own_rules import OwnRule
from crmservice.crm.records import (
    Account,
    CancelInvitation,
    Contact,
    Contract,
    CreateActivity,
    CreateTask,
    Intent,
    InvitationRecord,
    JoinThread,
    Order,
    PutInvitation,
    Seen,
    SharedAddress,
    TakeTurn,
    Task,
    Thread,
    UpdateTask,
    User,
)
from crmservice.mail.message import Identity, Message
from crmservice.mail.text import fold

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a batch needs to be looked up: one query for each field (HOUSE.md, habit 2).

    Numbers are folded texts, keys and message ids digests of 16 bytes (``mail.message.digest``).
    """

    addresses: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    contracts: frozenset[str] = frozenset()
    orders: frozenset[str] = frozenset()
    tasks: frozenset[str] = frozenset()
    problems: frozenset[str] = frozenset()
    keys: frozenset[bytes] = frozenset()
    message_ids: frozenset[bytes] = frozenset()
    uids: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Directory:
    """The records that a batch can touch. Mappings are never changed in place.

    ``users``, ``contacts``, ``accounts``, ``shared`` by address (lower case); ``contracts``, ``orders``,
    ``tasks`` by folded number; ``types`` maps a folded name to the name; ``problems`` a problem id to its
    task's folded number; ``threads`` a message-id digest to its thread; ``sent_ids`` are digests of
    Message-IDs and ``sent_to`` addresses of mail that we sent (SPEC 13.5); ``domains`` maps a company's
    mail domain to its accounts; ``turns`` a shared address's id to the user who had the last mail; ``never_file`` a user's
    id to the addresses and domains whose mail is never filed for him.
    """

    users: Mapping[str, User] = field(default_factory=dict)
    shared: Mapping[str, SharedAddress] = field(default_factory=dict)
    contacts: Mapping[str, tuple[Contact, ...]] = field(default_factory=dict)
    accounts: Mapping[str, tuple[Account, ...]] = field(default_factory=dict)
    domains: Mapping[str, tuple[Account, ...]] = field(default_factory=dict)
    contracts: Mapping[str, Contract] = field(default_factory=dict)
    orders: Mapping[str, Order] = field(default_factory=dict)
    tasks: Mapping[str, Task] = field(default_factory=dict)
    problems: Mapping[str, str] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)
    seen: Mapping[bytes, tuple[Seen, ...]] = field(default_factory=dict)
    threads: Mapping[bytes, Thread] = field(default_factory=dict)
    sent_ids: frozenset[bytes] = frozenset()
    sent_to: frozenset[str] = frozenset()
    invitations: Mapping[tuple[int, str, str], InvitationRecord] = field(default_factory=dict)
    turns: Mapping[int, int] = field(default_factory=dict)
    own_rules: tuple[OwnRule, ...] = ()
    never_file: Mapping[int, frozenset[str]] = field(default_factory=dict)
    last_task_number: int = 0

    @property
    def next_task_number(self) -> str:
        """The largest whole number of a task, plus one (SPEC rule 9)."""
        return str(self.last_task_number + 1)

    def user(self, address: str, our_domains: frozenset[str] = frozenset()) -> User | None:
        """The user with this address; in our domains also without its ``+tag`` (SPEC chapter 4)."""
        return by_address(self.users, address, our_domains)

    def after(self, message: int, identity: Identity, mail: Message, intents: Sequence[Intent]) -> Directory:
        """The directory that the next message of the batch sees, once this one's intents are done.

        ``message`` is the row id of the message in the inbox, or any number unique in the batch.
        """
        users = frozenset(intent.responsible for intent in intents if isinstance(intent, CreateActivity))
        seen = replace(self, seen=_with_seen(self.seen, message, identity, users))
        return seen.folded(identity, mail, intents)

    def folded(self, identity: Identity, mail: Message, intents: Iterable[Intent]) -> Directory:
        """The directory once these intents are done, without the message's own key."""
        result = self
        for intent in intents:
            fold = _FOLDS.get(type(intent))
            if fold is not None:
                result = fold(result, intent, identity, mail)
        return result


def by_address(table: Mapping[str, T], address: str, our_domains: frozenset[str]) -> T | None:
    """The row of this address; in our domains also without its ``+tag`` when the exact one is unknown."""
    if (exact := table.get(address)) is not None:
        return exact
    plain = without_tag(address, our_domains)
    return table.get(plain) if plain != address else None


def without_tag(address: str, our_domains: frozenset[str]) -> str:
    """``crm+123@firma.cz`` as ``crm@firma.cz`` where the domain is ours; any other address as it is."""
    local, _, domain = address.rpartition("@")
    if domain not in our_domains or "+" not in local:
        return address
    return f"{local.partition('+')[0]}@{domain}"


def _with_seen(
    seen: Mapping[bytes, tuple[Seen, ...]], message: int, identity: Identity, users: frozenset[int]
) -> Mapping[bytes, tuple[Seen, ...]]:
    row = Seen(message, identity.body, identity.message_id, users)
    return {**seen, identity.key: (*seen.get(identity.key, ()), row)}


def added_recipient(directory: Directory, key: bytes, first: int, users: frozenset[int]) -> Directory:
    """The directory once ``users`` got their activity of the message ``first`` from a duplicate."""
    rows = tuple(
        replace(row, users=row.users | users) if row.message == first else row for row in directory.seen.get(key, ())
    )
    return replace(directory, seen={**directory.seen, key: rows})


def _create_task(directory: Directory, intent: CreateTask, _identity: Identity, _mail: Message) -> Directory:
    account = _account_of(directory, intent.contract)
    task = Task(intent.number, intent.subject, intent.status, intent.contract, account, intent.problem_id)
    problems = (
        {**directory.problems, intent.problem_id: fold(intent.number)} if intent.problem_id else directory.problems
    )
    last = max(directory.last_task_number, int(intent.number) if intent.number.isdecimal() else 0)
    tasks = {**directory.tasks, fold(intent.number): task}
    return replace(directory, tasks=tasks, problems=problems, last_task_number=last)


def _update_task(directory: Directory, intent: UpdateTask, _identity: Identity, _mail: Message) -> Directory:
    place = fold(intent.number)
    old = directory.tasks[place]
    account = _account_of(directory, intent.contract)
    new = replace(old, subject=intent.subject, status=intent.status, contract=intent.contract, account=account)
    return replace(directory, tasks={**directory.tasks, place: new})


def _account_of(directory: Directory, contract: int | None) -> int | None:
    return next((one.account for one in directory.contracts.values() if one.id == contract), None)


def _put_invitation(directory: Directory, intent: PutInvitation, _identity: Identity, _mail: Message) -> Directory:
    event = intent.event
    place = (intent.user, event.uid, event.occurrence)
    record = InvitationRecord(
        *place, event.sequence, event.stamp, event.organizer, intent.maker, intent.status, intent.fingerprint
    )
    return replace(directory, invitations={**directory.invitations, place: record})


def _cancel(directory: Directory, intent: CancelInvitation, _identity: Identity, _mail: Message) -> Directory:
    place = (intent.user, intent.uid, intent.occurrence)
    old = directory.invitations.get(place)
    if old is None:
        return directory
    new = replace(old, status="cancelled", sequence=intent.sequence, stamp=intent.stamp)
    return replace(directory, invitations={**directory.invitations, place: new})


def _turn(directory: Directory, intent: TakeTurn, _identity: Identity, _mail: Message) -> Directory:
    return replace(directory, turns={**directory.turns, intent.shared: intent.user})


def _join(directory: Directory, intent: JoinThread, identity: Identity, mail: Message) -> Directory:
    gone = {intent.thread, *intent.merged}
    old = [thread for thread in directory.threads.values() if thread.id in gone]
    people = frozenset().union(*(thread.people for thread in old), people_of(mail))
    merged = replace(_richest(old, intent.thread), id=intent.thread, people=people)
    threads = {key: merged if thread.id in gone else thread for key, thread in directory.threads.items()}
    if identity.message_id:
        threads[identity.message_id] = merged
    return replace(directory, threads=threads)


def _richest(threads: list[Thread], wanted: int) -> Thread:
    """The thread to keep the filing of: the wanted one if it is filed at all, else the one with the smallest id."""
    filed = {thread.id: thread for thread in threads if thread.contract or thread.order or thread.task}
    return filed.get(wanted) or (filed[min(filed)] if filed else Thread(wanted))


def _activity(directory: Directory, intent: CreateActivity, identity: Identity, mail: Message) -> Directory:
    result = directory
    if intent.thread is not None:
        result = _filed_thread(result, intent)
    if intent.direction == "outgoing":
        ids = {identity.message_id} if identity.message_id else set()
        result = replace(result, sent_ids=result.sent_ids | ids, sent_to=result.sent_to.union(mail.recipients))
    return result


def _filed_thread(directory: Directory, intent: CreateActivity) -> Directory:
    """A later activity's filing is the thread's filing (the newest that is filed at all)."""
    if not (intent.contract or intent.order or intent.task):
        return directory
    threads = {
        key: replace(thread, contract=intent.contract, order=intent.order, task=intent.task)
        if thread.id == intent.thread
        else thread
        for key, thread in directory.threads.items()
    }
    return replace(directory, threads=threads)


def people_of(mail: Message) -> frozenset[str]:
    """The addresses that take part in a mail: its sender and its recipients."""
    sender = {mail.sender.email} if mail.sender else set()
    return frozenset(sender.union(mail.recipients))


_FOLDS: Mapping[type, Callable[..., Directory]] = {
    CreateActivity: _activity,
    CreateTask: _create_task,
    UpdateTask: _update_task,
    PutInvitation: _put_invitation,
    CancelInvitation: _cancel,
    TakeTurn: _turn,
    JoinThread: _join,
}
