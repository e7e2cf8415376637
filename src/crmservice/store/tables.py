"""load and export of records as tables (the fields of ``crm.tables``)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from crmservice.crm.tables import BadTables, checked, key
from crmservice.store import access, reference
from crmservice.store import export as exporting
from crmservice.store.access import Viewer
from crmservice.store.database import writing
from crmservice.store.loading import NAMES, Load
from crmservice.store.own_rules import load_own_rules
from crmservice.store.people import load_accounts, load_contacts, load_roles, load_shared, load_users
from crmservice.store.work import (
    load_activities,
    load_contracts,
    load_forbidden,
    load_invitations,
    load_orders,
    load_tasks,
    load_types,
)

EVERYBODY = Viewer(0, "", admin=True, levels=frozenset())
"""Who looks when no login is named: the operator at the machine."""

# In an order in which each table finds what it refers to.
_LOADERS = {
    "roles": load_roles,
    "users": load_users,
    "shared_addresses": load_shared,
    "activity_types": load_types,
    "accounts": load_accounts,
    "contacts": load_contacts,
    "contracts": load_contracts,
    "orders": load_orders,
    "tasks": load_tasks,
    "activities": load_activities,
    "forbidden_emails": load_forbidden,
    "invitations": load_invitations,
    "own_rules": load_own_rules,
}


def load(tables: Mapping[str, Any], *, force: bool = False) -> int:
    """Load records: one that is there (by id, else by its name) changes, others are made; returns how many.

    A field that a record leaves out keeps its value. An opt-out, a broken mark and a forbidden e-mail stay
    unless ``force``. Raises BadTables naming every fault, or DatabaseUnavailable: nothing is loaded then.
    """
    with writing(serialised=True):
        records = checked(tables, _known)
        batch = Load(force=force)
        for table, loader in _LOADERS.items():
            if rows := records.get(table):
                loader(batch, rows)
        if batch.faults:
            raise BadTables(batch.faults)
        reference.touch()
    return sum(map(len, records.values()))


def _known(table: str) -> Collection[str]:
    model, name = NAMES[table]
    return {key(table, value) for value in model._default_manager.values_list(name, flat=True)}


def export(login: str | None = None) -> dict[str, list[dict[str, Any]]]:
    """Every table: whole, or as the user with this login sees it. Raises NoSuchUser or DatabaseUnavailable."""
    return exporting.export(EVERYBODY if login is None else access.viewer(login))
