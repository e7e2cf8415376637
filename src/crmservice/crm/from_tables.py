"""The records of a file as a Directory, for a CRM that is in memory alone (``explain --records``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from crmservice.crm.directory import Directory
from crmservice.crm.own_rules import OwnRule
from crmservice.crm.records import Account, Contact, Contract, Order, SharedAddress, Task, User
from crmservice.crm.tables import KEYS, BadTables, Record, address_taken, checked, key, levels
from crmservice.mail.freemail import DOMAINS as FREEMAIL
from crmservice.mail.text import fold

T = TypeVar("T")
_DEFAULT_TYPE = "E-mail"


def directory_from(tables: Mapping[str, Any]) -> Directory:
    """A Directory that holds these records whole; ids count from 1 in each table. Raises BadTables."""
    records = {table: _numbered(table, rows) for table, rows in checked(tables).items()}
    people = _users(records)
    accounts = {r["name"]: Account(r["n"], r["name"]) for r in records.get("accounts", ())}
    contacts = [_contact(r, accounts) for r in records.get("contacts", ())]
    contracts = {fold(r["number"]): _contract(r, accounts, people) for r in _with_number(records, "contracts")}
    tasks = {fold(r["number"]): _task(r, contracts) for r in _with_number(records, "tasks")}
    return Directory(
        users=_by_user_address(records, people),
        shared={r["address"]: _shared(r, people, records) for r in records.get("shared_addresses", ())},
        contacts=_by_address((r["emails"], one) for r, one in _with(records, "contacts", contacts)),
        accounts=_by_address((r["emails"], one) for r, one in _with(records, "accounts", list(accounts.values()))),
        domains=_domains(records, accounts, contacts),
        contracts=contracts,
        orders={fold(r["number"]): _order(r, accounts) for r in _with_number(records, "orders")},
        tasks=tasks,
        problems={task.problem_id: number for number, task in tasks.items() if task.problem_id},
        types={fold(name): name for name in [_DEFAULT_TYPE, *(r["name"] for r in records.get("activity_types", ()))]},
        own_rules=_own_rules(records, people, contracts),
        never_file={r["n"]: frozenset(r["never_file"]) for r in records.get("users", ()) if r.get("never_file")},
        last_task_number=max([0, *(int(t.number) for t in tasks.values() if t.number.isdecimal())]),
    )


def _numbered(table: str, rows: Iterable[Record]) -> list[Record]:
    """The records with their id ``n``; one that comes again changes the first."""
    found: dict[object, Record] = {}
    for at, record in enumerate(rows, 1):
        name = _name(table, record) or at
        found[name] = {"n": len(found) + 1, **found.get(name, {}), **record}
    return list(found.values())


def _name(table: str, record: Record) -> object:
    if table not in KEYS or not record.get(KEYS[table][0]):
        return record.get("id")
    return tuple(key(table, record.get(name) or "") for name in KEYS[table])


def _with(records: Mapping[str, list[Record]], table: str, made: list[T]) -> Iterable[tuple[Record, T]]:
    pairs = zip(records.get(table, ()), made, strict=True)
    return (({"emails": [], **record}, one) for record, one in pairs)


def _with_number(records: Mapping[str, list[Record]], table: str) -> list[Record]:
    return [record for record in records.get(table, ()) if record.get("number")]


def _users(records: Mapping[str, list[Record]]) -> dict[str, User]:
    roles = {record["name"]: record for record in records.get("roles", ())}
    level = levels({name: record.get("parent") or "" for name, record in roles.items()})
    return {
        record["login"]: User(
            id=record["n"],
            login=record["login"],
            email=record.get("email", ""),
            name=record.get("name", ""),
            aliases=tuple(record.get("aliases", ())),
            role=roles[record["role"]]["n"] if record.get("role") else None,
            level=level[record["role"]] if record.get("role") else None,
            active=record.get("active", True),
        )
        for record in records.get("users", ())
    }


def _by_user_address(records: Mapping[str, list[Record]], people: Mapping[str, User]) -> dict[str, User]:
    found: dict[str, User] = {}
    for record in records.get("users", ()):
        user = people[record["login"]]
        for address in filter(None, (user.email, *user.aliases)):
            if found.setdefault(address, user) != user:
                raise BadTables([address_taken(record, address)])
    return found


def _shared(record: Record, people: Mapping[str, User], records: Mapping[str, list[Record]]) -> SharedAddress:
    if record.get("responsible"):
        return SharedAddress(record["n"], record["address"], (people[record["responsible"]],))
    role = next((r["n"] for r in records.get("roles", ()) if r["name"] == record.get("role")), 0)
    members = sorted((u for u in people.values() if u.role == role and u.active), key=lambda user: user.login)
    return SharedAddress(record["n"], record["address"], tuple(members))


def _contact(record: Record, accounts: Mapping[str, Account]) -> Contact:
    return Contact(record["n"], record["name"], _id(accounts, record.get("account")))


def _id(accounts: Mapping[str, Account], name: str | None) -> int | None:
    return accounts[name].id if name else None


def _contract(record: Record, accounts: Mapping[str, Account], people: Mapping[str, User]) -> Contract:
    team = tuple(people[login].id for login in record.get("team", ()))
    return Contract(record["n"], record["number"], _id(accounts, record.get("account")), team)


def _order(record: Record, accounts: Mapping[str, Account]) -> Order:
    return Order(record["n"], record["number"], _id(accounts, record.get("account")))


def _task(record: Record, contracts: Mapping[str, Contract]) -> Task:
    contract = contracts[fold(record["contract"])] if record.get("contract") else None
    return Task(
        number=record["number"],
        subject=record.get("subject", ""),
        status=record.get("status") or "new",
        contract=contract.id if contract else None,
        account=contract.account if contract else None,
        problem_id=record.get("problem_id", ""),
    )


def _own_rules(
    records: Mapping[str, list[Record]], people: Mapping[str, User], contracts: Mapping[str, Contract]
) -> tuple[OwnRule, ...]:
    orders = {fold(r["number"]): r["n"] for r in _with_number(records, "orders")}
    wished = [record for record in records.get("own_rules", ()) if not record.get("deleted")]
    return tuple(
        OwnRule(
            id=record["n"],
            name=record["name"],
            sender=record.get("from", ""),
            recipient=record.get("to", ""),
            subject=record.get("subject", ""),
            header=record.get("header", ""),
            text=record.get("text", ""),
            skip=record.get("skip", False),
            contract=contracts[fold(record["contract"])].id if record.get("contract") else None,
            order=orders[fold(record["order"])] if record.get("order") else None,
            task=record.get("task") or None,
            type=record.get("type") or None,
            scope=record.get("scope"),
            responsible=people[record["responsible"]] if record.get("responsible") else None,
        )
        for record in sorted(wished, key=lambda record: (record.get("position", 0), record["n"]))
    )


def _by_address(pairs: Iterable[tuple[list[str], T]]) -> dict[str, tuple[T, ...]]:
    found: dict[str, tuple[T, ...]] = {}
    for addresses, one in pairs:
        for address in addresses:
            found[address] = (*found.get(address, ()), one)
    return found


def _domains(
    records: Mapping[str, list[Record]], accounts: Mapping[str, Account], contacts: list[Contact]
) -> dict[str, tuple[Account, ...]]:
    """Accounts by the domains of their addresses and of their contacts' addresses, freemail excepted."""
    by_id = {account.id: account for account in accounts.values()}
    pairs = {
        (_domain(a), one.id) for r, one in _with(records, "accounts", list(accounts.values())) for a in r["emails"]
    }
    for record, contact in _with(records, "contacts", contacts):
        if contact.account is not None:
            pairs |= {(_domain(address), contact.account) for address in record["emails"]}
    return _by_address(([name], by_id[one]) for name, one in sorted(pairs) if name not in FREEMAIL)


def _domain(address: str) -> str:
    return address.rpartition("@")[2]
