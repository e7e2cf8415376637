"""Small tables that nearly every message needs, kept per process until somebody changes them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from crmservice.crm.own_rules import OwnRule
from crmservice.crm.records import SharedAddress, User
from crmservice.store import bulk
from crmservice.store.own_rules import own_rules

_NAME = "reference"


@dataclass(frozen=True, slots=True)
class Reference:
    """Activity types (folded name -> name, name -> id), shared addresses and own rules, as of ``version``."""

    version: int
    types: Mapping[str, str]
    type_ids: Mapping[str, int]
    shared: Mapping[str, SharedAddress]
    own_rules: tuple[OwnRule, ...] = ()
    never_file: Mapping[int, frozenset[str]] = field(default_factory=dict)


class Cache:
    """The reference data of one gateway; safe to share among threads."""

    def __init__(self) -> None:
        self._kept: Reference | None = None
        self._lock = threading.Lock()

    def get(self) -> Reference:
        """The reference data as they are now: one small query where nothing changed."""
        version = _version()
        kept = self._kept
        if kept is None or kept.version != version:
            with self._lock:
                self._kept = kept = _read(version)
        return kept


def touch() -> None:
    """Say that types, users, roles, shared addresses or own rules changed; in the transaction that changes them."""
    sql = (
        "INSERT INTO crm_counter (name, value) VALUES (%s, 1)"
        " ON CONFLICT (name) DO UPDATE SET value = crm_counter.value + 1"
    )
    bulk.execute(sql, [_NAME])


def _version() -> int:
    rows = bulk.query("SELECT value FROM crm_counter WHERE name = %s", [_NAME])
    return int(rows[0][0]) if rows else 0


def _read(version: int) -> Reference:
    # The version was read before the tables: what changes between is read again next time.
    types = bulk.query("SELECT id, name, folded FROM crm_activity_type ORDER BY id DESC")
    return Reference(
        version,
        types={folded: name for _, name, folded in types},
        type_ids={name: key for key, name, _ in types},
        shared=_shared(),
        own_rules=own_rules({user.id: user for user in _users(_NAMED_BY_RULES)}),
        never_file=never_file(),
    )


def never_file() -> dict[int, frozenset[str]]:
    """User -> the addresses and domains whose mail is never filed for him."""
    found: dict[int, set[str]] = {}
    for user, address in bulk.query("SELECT user_id, address FROM crm_never_file"):
        found.setdefault(user, set()).add(address)
    return {user: frozenset(addresses) for user, addresses in found.items()}


def _shared() -> dict[str, SharedAddress]:
    """Shared addresses with the users who answer: the one named, or the role's active members."""
    rows = bulk.query("SELECT id, address, responsible_id, role_id FROM crm_shared_address")
    users = _users(_NAMED_BY_ADDRESSES) if rows else []
    by_id = {user.id: user for user in users}
    shared = {}
    for key, address, responsible, role in rows:
        members = tuple(user for user in users if role is not None and user.role == role and user.active)
        shared[address] = SharedAddress(key, address, members if responsible is None else (by_id[responsible],))
    return shared


_NAMED_BY_ADDRESSES = (
    "u.role_id IN (SELECT role_id FROM crm_shared_address WHERE role_id IS NOT NULL)"
    " OR u.id IN (SELECT responsible_id FROM crm_shared_address WHERE responsible_id IS NOT NULL)"
)
_NAMED_BY_RULES = "u.id IN (SELECT responsible_id FROM crm_own_rule WHERE responsible_id IS NOT NULL)"


def _users(which: str) -> list[User]:
    """Those whom a shared address or an own rule names, in order of their logins."""
    sql = (
        "SELECT u.id, u.login, u.email, u.name, u.role_id, r.level, u.active FROM crm_user u"
        " LEFT JOIN crm_role r ON r.id = u.role_id WHERE {which} ORDER BY u.login"
    )
    return [
        User(key, login, email, name, role=role, level=level, active=bool(active))
        for key, login, email, name, role, level, active in bulk.query(sql.replace("{which}", which))
    ]
