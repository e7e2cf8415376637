"""Loading roles, users, shared addresses, accounts and contacts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from crmservice.crm.ids import new_id
from crmservice.crm.tables import BadTables, Record, address_taken, levels
from crmservice.mail.text import fold
from crmservice.store import bulk, models
from crmservice.store.database import reading
from crmservice.store.loading import Load, Model, Placed, Values, chosen, place, standing, write

_FLAGS = ("allow_emails", "allow_bulk_emails", "email_broken")


def load_roles(batch: Load, rows: Sequence[Record]) -> None:
    """Roles in any order; the levels of all roles follow from their parents."""
    there = standing(models.Role, lambda row: row["name"], "name", "parent__name")
    placed = place(rows, there, lambda r: r.get("name"), lambda r: {"name": r["name"].strip()} if r.get("name") else {})
    write(models.Role, {"ref": None, "name": "", "parent_id": None, "level": 1}, placed)
    batch.forget("roles")
    _place_in_tree(batch, placed)


def _place_in_tree(batch: Load, placed: Sequence[Placed]) -> None:
    names = {key: name for name, key in batch.ids("roles").items()}
    tree = {name: names.get(parent, "") for name, parent in models.Role.objects.values_list("name", "parent")}
    tree |= {names[one.id]: one.record["parent"] for one in placed if "parent" in one.record}
    try:
        level = levels(tree)
    except BadTables as circle:
        batch.faults += circle.faults
        return
    changed = [(batch.id("roles", parent), level[name], batch.id("roles", name)) for name, parent in tree.items()]
    bulk.update(models.Role, "parent_id", "level").run(changed)


def load_users(batch: Load, rows: Sequence[Record]) -> None:
    """Users with their addresses: each address belongs to one user."""
    there = standing(models.User, lambda row: row["login"], "login", "email")

    def values(record: Record) -> Values:
        return chosen(
            record,
            login=("login", record.get("login")),
            name=("name", record.get("name")),
            email=("email", record.get("email")),
            role_id=("role", batch.id("roles", record.get("role"))),
            active=("active", record.get("active")),
            admin=("admin", record.get("admin")),
        )

    placed = place(rows, there, lambda r: r.get("login"), values)
    defaults = {"ref": None, "login": "", "name": "", "email": "", "role_id": None, "active": True, "admin": False}
    write(models.User, defaults | {"password": ""}, placed)
    batch.forget("users")
    _give_addresses(batch, placed)
    _give_never_file(placed)


def _give_never_file(placed: Sequence[Placed]) -> None:
    wished = {one.id: one.record["never_file"] for one in placed if "never_file" in one.record}
    bulk.execute_in("DELETE FROM crm_never_file WHERE user_id IN {in}", wished)
    rows = ((new_id(), user, address) for user, addresses in wished.items() for address in addresses)
    bulk.insert(models.NeverFile, "id", "user_id", "address").run(rows)


def _give_addresses(batch: Load, placed: Sequence[Placed]) -> None:
    owners: dict[str, int] = dict(bulk.query("SELECT address, user_id FROM crm_user_address"))
    emails: dict[int, str] = {one.id: one.old["email"] for one in placed if one.old}
    aliases: dict[int, list[str]] = {}
    for address, user in owners.items():
        if address != emails.get(user):
            aliases.setdefault(user, []).append(address)
    for one in placed:
        emails[one.id] = one.record.get("email", emails.get(one.id, ""))
        aliases[one.id] = one.record.get("aliases", aliases.get(one.id, []))
    wished = {one.id: [a for a in dict.fromkeys([emails[one.id], *aliases[one.id]]) if a] for one in placed}
    owners = {address: user for address, user in owners.items() if user not in wished}
    for one in placed:
        for address in wished[one.id]:
            if owners.setdefault(address, one.id) != one.id:
                batch.faults.append(address_taken(one.record, address))
    if not batch.faults:
        bulk.execute_in("DELETE FROM crm_user_address WHERE user_id IN {in}", wished)
        bulk.insert(models.UserAddress, "address", "user_id").run(
            (a, user) for user, all_ in wished.items() for a in all_
        )


def load_shared(batch: Load, rows: Sequence[Record]) -> None:
    """Shared addresses: a user or a role answers; naming the one takes the other off."""
    there = standing(models.SharedAddress, lambda row: row["address"], "address")

    def values(record: Record) -> Values:
        user, role = batch.id("users", record.get("responsible")), batch.id("roles", record.get("role"))
        named = {"responsible_id": user, "role_id": role} if {"responsible", "role"} & record.keys() else {}
        return chosen(record, address=("address", record.get("address"))) | named

    placed = place(rows, there, lambda r: r.get("address"), values)
    write(models.SharedAddress, {"ref": None, "address": "", "responsible_id": None, "role_id": None}, placed)


def load_accounts(batch: Load, rows: Sequence[Record]) -> None:
    """Accounts with their addresses and marks."""
    there = standing(models.Account, lambda row: row["name"], "name", *_FLAGS)
    placed = place(rows, there, lambda r: r.get("name"), _party)
    _write_parties(batch, models.Account, placed, {})
    _replace_addresses(models.AccountAddress, "account_id", placed)
    batch.forget("accounts")


def load_contacts(batch: Load, rows: Sequence[Record]) -> None:
    """Contacts, known by name and account, with their addresses and marks."""
    there = standing(models.Contact, lambda row: (row["name"], row["account"]), "name", "account", *_FLAGS)

    def account(record: Record) -> int | None:
        return batch.id("accounts", record.get("account"))

    placed = place(
        rows,
        there,
        lambda r: (r["name"].strip(), account(r)) if r.get("name") else None,
        lambda r: _party(r) | chosen(r, account_id=("account", account(r))),
    )
    _write_parties(batch, models.Contact, placed, {"account_id": None})
    _replace_addresses(models.ContactAddress, "contact_id", placed)
    batch.forget("contacts")


def _party(record: Record) -> Values:
    named = {"name": record["name"].strip(), "sort_key": fold(record["name"])} if record.get("name") else {}
    return named | {name: record[name] for name in _FLAGS if name in record}


def _write_parties(batch: Load, model: Model, placed: Sequence[Placed], more: Values) -> None:
    if not batch.force:
        _keep_marks(placed)
    defaults: dict[str, Any] = {"ref": None, "name": "", "sort_key": ""} | more
    write(model, defaults | {"allow_emails": True, "allow_bulk_emails": True, "email_broken": False}, placed)


def _keep_marks(placed: Iterable[Placed]) -> None:
    """A load never lifts an opt-out or a broken mark: people and servers said so, not the file."""
    for one in placed:
        old: Mapping[str, Any] = one.old or {}
        for name in ("allow_emails", "allow_bulk_emails"):
            if old.get(name) is False:
                one.values.pop(name, None)
        if old.get("email_broken"):
            one.values.pop("email_broken", None)


def _replace_addresses(model: Model, owner: str, placed: Sequence[Placed]) -> None:
    wished = {one.id: one.record["emails"] for one in placed if "emails" in one.record}
    old = [one.id for one in placed if one.id in wished and one.old is not None]
    table = model._meta.db_table
    bulk.execute_in(f"DELETE FROM {table} WHERE {owner} IN {{in}}", old)  # noqa: S608 (our own names)
    rows = ((key, one, one.rpartition("@")[2]) for key, emails in wished.items() for one in emails)
    bulk.insert(model, owner, "address", "domain").run(rows)


def anybody() -> bool:
    """Whether there is a user at all. Raises DatabaseUnavailable."""
    with reading():
        return bool(bulk.query("SELECT 1 FROM crm_user LIMIT 1"))
