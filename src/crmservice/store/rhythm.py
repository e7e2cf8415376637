"""How much mail came on which day, by box and by user (SPEC 13.13)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from crmservice.store import bulk
from crmservice.store.database import reading

Days = dict[date, int]

_BOX = "SELECT day, count(*) FROM crm_message WHERE box = %s AND day >= %s AND log NOT LIKE %s GROUP BY day"
_USERS = (
    "SELECT u.email, m.day, count(DISTINCT m.id) FROM crm_message m"
    " JOIN crm_activity a ON a.message_id = m.id JOIN crm_user u ON u.id = a.responsible_id"
    " WHERE m.box = %s AND m.day >= %s AND u.active AND u.email <> '' GROUP BY u.email, m.day"
)
_OURS = '["OWN NOTICE"%'
"""Canaries and notices that return are no sign that others' mail does."""


def of_box(box: str, since: date) -> Days:
    """Mails of each day that had any, but for our own that came back. Raises DatabaseUnavailable."""
    with reading():
        return {_day(day): count for day, count in bulk.query(_BOX, [box, since, _OURS])}


def of_users(box: str, since: date) -> Mapping[str, Days]:
    """Mails filed of each active user, by address and day. Raises DatabaseUnavailable."""
    found: dict[str, Days] = {}
    with reading():
        for address, day, count in bulk.query(_USERS, [box, since]):
            found.setdefault(address, {})[_day(day)] = count
    return found


def _day(value: Any) -> date:
    return value if isinstance(value, date) else date.fromisoformat(value)
