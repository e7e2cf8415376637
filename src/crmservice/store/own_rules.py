"""Own rules: loaded, and read in their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crmservice.crm.own_rules import OwnRule
from crmservice.crm.records import User
from crmservice.crm.tables import Record
from crmservice.store import bulk, models
from crmservice.store.loading import Load, Values, place, standing, write

_DEFAULTS: Values = {
    "ref": None, "name": "", "position": 0, "sender": "", "recipient": "", "subject": "", "header": "", "text": "",
    "skip": False, "contract_id": None, "order_id": None, "task_id": None, "type_id": None, "scope": "",
    "responsible_id": None,
}  # fmt: skip


def load_own_rules(batch: Load, rows: Sequence[Record]) -> None:
    """Own rules, known by name. A rule is loaded whole: a condition that the file leaves out is gone."""
    there = standing(models.OwnRule, lambda row: row["name"], "name")
    gone = [row for record in rows if record.get("deleted") and (row := there.by_name.get(record.get("name")))]
    kept = [record for record in rows if not record.get("deleted")]
    write(models.OwnRule, _DEFAULTS, place(kept, there, lambda r: r.get("name"), lambda r: _values(batch, r)))
    bulk.execute_in("DELETE FROM crm_own_rule WHERE id IN {in}", gone)


def _values(batch: Load, record: Record) -> Values:
    return {
        "name": record["name"].strip(),
        "position": record.get("position", 0),
        "sender": record.get("from", ""),
        "recipient": record.get("to", ""),
        **{name: record.get(name, "") for name in ("subject", "header", "text")},
        "skip": record.get("skip", False),
        "contract_id": batch.id("contracts", record.get("contract")),
        "order_id": batch.id("orders", record.get("order")),
        "task_id": batch.id("tasks", record.get("task")),
        "type_id": batch.id("activity_types", record.get("type")),
        "scope": record.get("scope") or "",
        "responsible_id": batch.id("users", record.get("responsible")),
    }


def own_rules(users: Mapping[int, User]) -> tuple[OwnRule, ...]:
    """Every own rule in its order. ``users``: those whom a rule names, by their keys."""
    sql = (
        "SELECT o.id, o.name, o.sender, o.recipient, o.subject, o.header, o.text, o.skip, o.contract_id, o.order_id,"
        " t.number, k.name, o.scope, o.responsible_id FROM crm_own_rule o LEFT JOIN crm_task t ON t.id = o.task_id"
        " LEFT JOIN crm_activity_type k ON k.id = o.type_id ORDER BY o.position, o.id"
    )
    return tuple(_rule(row, users) for row in bulk.query(sql))


def _rule(row: tuple[Any, ...], users: Mapping[int, User]) -> OwnRule:
    *_, skip, contract, order, task, kind, scope, responsible = row
    conditions = dict(zip(("id", "name", "sender", "recipient", "subject", "header", "text"), row, strict=False))
    return OwnRule(
        **conditions,
        skip=bool(skip),
        contract=contract,
        order=order,
        task=task,
        type=kind,
        scope=scope or None,
        responsible=users.get(responsible),
    )
