"""directory_for: what a batch needs, in one query for each kind of thing it names (HOUSE.md, habit 2)."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from crmservice.crm.directory import Directory, Wanted
from crmservice.crm.records import (
    Account,
    Contact,
    Contract,
    InvitationRecord,
    Order,
    Seen,
    Task,
    Thread,
    User,
)
from crmservice.store import bulk
from crmservice.store.bulk import query, query_in
from crmservice.store.reference import Reference
from crmservice.store.texts import storable

T = TypeVar("T")
LONGEST_UID = 500


def directory(wanted: Wanted, rows: Collection[int], reference: Reference) -> Directory:
    """The directory of a batch; ``rows`` are its own messages, which are never seen as earlier ones."""
    tasks = _tasks(wanted)
    digests = _thread_digests(wanted.message_ids)
    users = _users(wanted.addresses)
    contacts = _contacts(wanted.addresses)
    accounts = _accounts(wanted.addresses)
    unknown = {a.rpartition("@")[2] for a in wanted.addresses if not (a in users or a in contacts or a in accounts)}
    return Directory(
        users=users,
        shared={address: reference.shared[address] for address in wanted.addresses & reference.shared.keys()},
        contacts=contacts,
        accounts=accounts,
        domains=_domains(wanted.domains & unknown),
        contracts=_contracts(wanted.contracts),
        orders=_orders(wanted.orders),
        tasks=tasks,
        problems={task.problem_id: folded for folded, task in tasks.items() if task.problem_id in wanted.problems},
        types=reference.types,
        seen=seen(wanted.keys, rows),
        threads=_threads({digest: thread for digest, thread, _ in digests}),
        sent_ids=frozenset(digest for digest, _, sent in digests if sent),
        sent_to=_sent_to(wanted.addresses),
        invitations=_invitations(wanted.uids),
        turns=_turns([s.id for a in wanted.addresses if (s := reference.shared.get(a)) is not None]),
        own_rules=reference.own_rules,
        never_file=reference.never_file,
        last_task_number=last_task_number(),
    )


def last_task_number() -> int:
    """The largest whole number of a task, 0 where there is none."""
    return int(query("SELECT max(value) FROM crm_task")[0][0] or 0)


def _grouped(rows: Iterable[tuple[Any, T]]) -> dict[Any, tuple[T, ...]]:
    found: dict[Any, tuple[T, ...]] = {}
    for key, value in rows:
        found[key] = (*found.get(key, ()), value)
    return found


def _users(addresses: Collection[str]) -> dict[str, User]:
    sql = (
        "SELECT a.address, u.id, u.login, u.email, u.name, u.role_id, r.level, u.active FROM crm_user_address a"
        " JOIN crm_user u ON u.id = a.user_id LEFT JOIN crm_role r ON r.id = u.role_id WHERE a.address IN {in}"
    )
    rows = query_in(sql, addresses)
    aliases = _aliases({row[1] for row in rows})
    return {address: _user(row, aliases) for address, *row in rows}


_USERS = (
    "SELECT u.id, u.login, u.email, u.name, u.role_id, r.level, u.active FROM crm_user u"
    " LEFT JOIN crm_role r ON r.id = u.role_id WHERE u.{column} IN {in} ORDER BY u.id"
)


def users_by(column: str, values: Iterable[int | str]) -> list[User]:
    """The users with these ids or logins; their aliases as well."""
    rows = query_in(_USERS.replace("{column}", column), values)
    aliases = _aliases({row[0] for row in rows})
    return [_user(row, aliases) for row in rows]


def _user(row: Sequence[Any], aliases: Mapping[int, tuple[str, ...]]) -> User:
    key, login, email, name, role, level, active = row
    others = tuple(address for address in aliases.get(key, ()) if address != email)
    return User(key, login, email, name, others, role, level, bool(active))


def _aliases(users: Collection[int]) -> dict[int, tuple[str, ...]]:
    sql = "SELECT user_id, address FROM crm_user_address WHERE user_id IN {in} ORDER BY address"
    return _grouped(query_in(sql, users))


def _contacts(addresses: Collection[str]) -> dict[str, tuple[Contact, ...]]:
    sql = (
        "SELECT a.address, c.id, c.name, c.account_id FROM crm_contact_address a"
        " JOIN crm_contact c ON c.id = a.contact_id WHERE a.address IN {in} ORDER BY c.id"
    )
    return _grouped((address, Contact(key, name, account)) for address, key, name, account in query_in(sql, addresses))


def _accounts(addresses: Collection[str]) -> dict[str, tuple[Account, ...]]:
    sql = (
        "SELECT a.address, c.id, c.name FROM crm_account_address a"
        " JOIN crm_account c ON c.id = a.account_id WHERE a.address IN {in} ORDER BY c.id"
    )
    return _grouped((address, Account(key, name)) for address, key, name in query_in(sql, addresses))


def _domains(domains: Collection[str]) -> dict[str, tuple[Account, ...]]:
    """Accounts by the domains of their addresses and of their contacts' addresses."""
    of_accounts = "SELECT DISTINCT domain, account_id FROM crm_account_address WHERE domain IN {in}"
    of_contacts = (
        "SELECT DISTINCT a.domain, c.account_id FROM crm_contact_address a"
        " JOIN crm_contact c ON c.id = a.contact_id WHERE c.account_id IS NOT NULL AND a.domain IN {in}"
    )
    pairs = sorted({*query_in(of_accounts, domains), *query_in(of_contacts, domains)})
    names = dict(query_in("SELECT id, name FROM crm_account WHERE id IN {in}", {key for _, key in pairs}))
    return _grouped((domain, Account(key, names[key])) for domain, key in pairs if key in names)


def _contracts(numbers: Collection[str]) -> dict[str, Contract]:
    rows = query_in(
        "SELECT folded, id, number, account_id FROM crm_contract WHERE folded IN {in} ORDER BY id DESC", numbers
    )
    teams: dict[int, list[int]] = {}
    sql = "SELECT contract_id, user_id FROM crm_contract_member WHERE contract_id IN {in} ORDER BY user_id"
    for contract, user in query_in(sql, [row[1] for row in rows]):
        teams.setdefault(contract, []).append(user)
    return {folded: Contract(key, number, account, tuple(teams.get(key, ()))) for folded, key, number, account in rows}


def _orders(numbers: Collection[str]) -> dict[str, Order]:
    rows = query_in(
        "SELECT folded, id, number, account_id FROM crm_order WHERE folded IN {in} ORDER BY id DESC", numbers
    )
    return {folded: Order(key, number, account) for folded, key, number, account in rows}


def _tasks(wanted: Wanted) -> dict[str, Task]:
    """Tasks by number and by problem id."""
    sql = (
        "SELECT t.folded, t.number, t.subject, t.status, t.contract_id, c.account_id, t.problem_id FROM crm_task t"
        " LEFT JOIN crm_contract c ON c.id = t.contract_id WHERE t.{column} IN {in} ORDER BY t.id DESC"
    )
    rows = query_in(sql.replace("{column}", "folded"), wanted.tasks)
    rows += query_in(sql.replace("{column}", "problem_id"), wanted.problems)
    return {
        folded: Task(number, subject, status, contract, account, problem or "")
        for folded, number, subject, status, contract, account, problem in rows
    }


def seen(keys: Collection[bytes], rows: Collection[int]) -> dict[bytes, tuple[Seen, ...]]:
    """Earlier messages with these keys, in order of arrival, and who got an activity of each."""
    sql = "SELECT key, id, body_digest, message_id_digest FROM crm_message WHERE key IN {in} ORDER BY id"
    own = frozenset(rows)
    found = [row for row in query_in(sql, keys) if row[1] not in own]
    users = receivers([row[1] for row in found])
    result: dict[bytes, tuple[Seen, ...]] = {}
    for key, message, body, message_id in found:
        row = Seen(message, bytes(body or b""), bytes(message_id or b""), frozenset(users.get(message, ())))
        result[bytes(key)] = (*result.get(bytes(key), ()), row)
    return result


_OWN = "SELECT message_id, responsible_id FROM crm_activity WHERE message_id < %s AND message_id IN {in}"
_ADDED = (
    "SELECT m.first_id, a.responsible_id FROM crm_message m JOIN crm_activity a ON a.message_id = m.id"
    " WHERE m.id < %s AND m.first_id IN {in}"
)
_UNDONE = (
    "SELECT COALESCE(m.first_id, m.id), e.after FROM crm_message m JOIN crm_effect e ON e.message_id = m.id"
    " JOIN crm_change c ON c.id = e.undone_id AND c.kind = 'undo' AND c.undoes_id IS NULL"
    " WHERE e.\"table\" = 'activity' AND e.\"before\" = '' AND m.id < %s AND m.{column} IN {in}"
)


def receivers(messages: Collection[int], before: int = 2**63 - 1) -> dict[int, set[int]]:
    """Message -> users with an activity of it, also by a later copy that named them (RECIPIENT ADDED).

    Those whose activity was taken back are among them: a repeat must not bring it to them again. ``before``: as far
    as messages below this id gave it to them.
    """
    users: dict[int, set[int]] = {}
    for sql in (_OWN, _ADDED):
        for message, user in query_in(sql, messages, before=[before]):
            users.setdefault(message, set()).add(user)
    for column in ("id", "first_id"):
        for message, made in query_in(_UNDONE.replace("{column}", column), messages, before=[before]):
            users.setdefault(message, set()).add(json.loads(made)[0])
    return users


def _thread_digests(message_ids: Collection[bytes]) -> list[tuple[bytes, int, bool]]:
    rows = query_in("SELECT digest, thread, sent FROM crm_thread_message WHERE digest IN {in}", message_ids)
    return [(bytes(digest), thread, bool(sent)) for digest, thread, sent in rows]


def _threads(digests: Mapping[bytes, int]) -> dict[bytes, Thread]:
    ids = set(digests.values())
    people: dict[int, set[str]] = {}
    for thread, address in query_in("SELECT thread, address FROM crm_thread_person WHERE thread IN {in}", ids):
        people.setdefault(thread, set()).add(address)
    sql = (
        "SELECT f.thread, f.contract_id, f.order_id, t.number FROM crm_thread_filing f"
        " LEFT JOIN crm_task t ON t.id = f.task_id WHERE f.thread IN {in}"
    )
    filed = {thread: (contract, order, task) for thread, contract, order, task in query_in(sql, ids)}
    known = {
        thread: Thread(thread, *filed.get(thread, (None, None, None)), people=frozenset(people.get(thread, ())))
        for thread in ids
    }
    return {digest: known[thread] for digest, thread in digests.items()}


def _sent_to(addresses: Collection[str]) -> frozenset[str]:
    rows = query_in("SELECT address FROM crm_sent_address WHERE address IN {in}", addresses)
    return frozenset(address for (address,) in rows)


def _invitations(uids: Collection[str]) -> dict[tuple[int, str, str], InvitationRecord]:
    full = {short(uid): uid for uid in uids}
    sql = (
        "SELECT user_id, uid, occurrence, sequence, stamp, organizer, maker, status, fingerprint FROM crm_invitation"
        " WHERE uid IN {in}"
    )
    return {
        (user, full[uid], occurrence): InvitationRecord(
            user, full[uid], occurrence, sequence, bulk.aware(stamp), organizer, maker, status, fingerprint
        )
        for user, uid, occurrence, sequence, stamp, organizer, maker, status, fingerprint in query_in(sql, full)
    }


def short(uid: str) -> str:
    """A UID as the tables keep it."""
    return storable(uid)[:LONGEST_UID]


def _turns(shared: Collection[int]) -> dict[int, int]:
    sql = "SELECT id, last_user_id FROM crm_shared_address WHERE last_user_id IS NOT NULL AND id IN {in}"
    return dict(query_in(sql, shared)) if shared else {}
