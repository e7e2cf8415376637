"""Loading activity types, contracts, orders, tasks, activities, forbidden e-mails and invitations."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from crmservice.crm.ids import new_id
from crmservice.crm.invitations import fingerprint_of
from crmservice.crm.tables import Record
from crmservice.mail.text import fold
from crmservice.store import bulk, models, texts
from crmservice.store.invites import instant
from crmservice.store.loading import Load, Placed, Values, chosen, place, replace_links, standing, write
from crmservice.store.lookup import last_task_number, short
from crmservice.store.writes import task_value


def load_types(batch: Load, rows: Sequence[Record]) -> None:
    """Activity types."""
    there = standing(models.ActivityType, lambda row: row["name"], "name")

    def values(record: Record) -> Values:
        name = (record.get("name") or "").strip()
        return {"name": name, "folded": fold(name)} if name else {}

    write(
        models.ActivityType,
        {"ref": None, "name": "", "folded": ""},
        place(rows, there, lambda r: r.get("name"), values),
    )
    batch.forget("activity_types")


def _numbered(record: Record) -> Values:
    number = (record.get("number") or "").strip()
    return {"number": number, "folded": fold(number)} if number else {}


def _number(record: Record) -> str | None:
    return fold(record["number"]) if record.get("number") else None


def _keep_spelling(placed: Sequence[Placed]) -> Sequence[Placed]:
    """A record that was known by its number keeps the number's own spelling."""
    for one in placed:
        if one.old is not None and one.values.get("folded") == one.old["folded"]:
            del one.values["number"], one.values["folded"]
    return placed


def load_contracts(batch: Load, rows: Sequence[Record]) -> None:
    """Contracts with their teams."""
    there = standing(models.Contract, lambda row: row["folded"], "folded")
    placed = _keep_spelling(place(rows, there, _number, lambda r: _numbered(r) | _named(batch, r)))
    write(models.Contract, {"ref": None, "number": "", "folded": "", "name": "", "account_id": None}, placed)
    batch.forget("contracts")
    _link(batch, models.ContractMember, "contract_id", placed, "team")


def load_orders(batch: Load, rows: Sequence[Record]) -> None:
    """Orders."""
    there = standing(models.Order, lambda row: row["folded"], "folded")
    placed = _keep_spelling(place(rows, there, _number, lambda r: _numbered(r) | _named(batch, r)))
    write(models.Order, {"ref": None, "number": "", "folded": "", "name": "", "account_id": None}, placed)
    batch.forget("orders")


def _named(batch: Load, record: Record) -> Values:
    return chosen(
        record,
        name=("name", record.get("name")),
        account_id=("account", batch.id("accounts", record.get("account"))),
    )


def _link(batch: Load, model: Any, owner: str, placed: Sequence[Placed], name: str) -> None:
    users = batch.ids("users")
    replace_links(
        model, owner, "user_id", {p.id: [users[u] for u in p.record[name]] for p in placed if name in p.record}
    )


def load_tasks(batch: Load, rows: Sequence[Record]) -> None:
    """Tasks with their solvers; one without a number gets the next (known again by its id, else its subject)."""
    there = standing(models.Task, lambda row: row["folded"], "folded")
    numbers = _Numbers(rows)

    def values(record: Record) -> Values:
        return _numbered(record) | chosen(
            record,
            subject=("subject", record.get("subject")),
            body=("body", record.get("body")),
            status=("status", record.get("status") or "new"),
            approver_id=("approver", batch.id("users", record.get("approver"))),
            contract_id=("contract", batch.id("contracts", record.get("contract"))),
            problem_id=("problem_id", record.get("problem_id") or None),
        )

    placed = _keep_spelling(place([_with_id(record) for record in rows], there, _number, values))
    for one in placed:
        if one.new and "number" not in one.values:
            one.values |= _numbered({"number": numbers.next()})
        if "number" in one.values:
            one.values["value"] = task_value(one.values["number"])
    defaults = {
        "ref": None, "number": "", "folded": "", "value": None, "subject": "", "body": "", "status": "new",
        "approver_id": None, "contract_id": None, "problem_id": None,
    }  # fmt: skip
    write(models.Task, defaults, placed)
    batch.forget("tasks")
    _link(batch, models.TaskSolver, "task_id", placed, "solvers")


class _Numbers:
    """Numbers for tasks without one: the largest whole number plus one, the file's own included."""

    def __init__(self, rows: Sequence[Record]) -> None:
        given = (task_value((row.get("number") or "").strip()) or 0 for row in rows)
        self._last = max(last_task_number(), *given, 0)

    def next(self) -> str:
        self._last += 1
        return str(self._last)


def _with_id(record: Record) -> Record:
    if record.get("id") or record.get("number"):
        return record
    subject = hashlib.sha256(texts.storable(record.get("subject") or "").encode()).hexdigest()[:32]
    return {**record, "id": f"subject:{subject}"}


def load_activities(batch: Load, rows: Sequence[Record]) -> None:
    """Activities, known by their id: the file's, or the one that ``export`` printed. ``deleted`` removes one."""
    wished = {str(record["id"]) for record in rows}
    keys = {int(ref) for ref in wished if task_value(ref) is not None or (ref.isdecimal() and len(ref) == 19)}
    by_ref = dict(bulk.query_in("SELECT ref, id FROM crm_activity WHERE ref IN {in}", wished))
    by_key = {str(key): key for (key,) in bulk.query_in("SELECT id FROM crm_activity WHERE id IN {in}", keys)}
    there = {**by_key, **by_ref}
    gone = [there[record["id"]] for record in rows if record.get("deleted") and record["id"] in there]
    placed = [_placed(batch, record, there) for record in rows if not record.get("deleted")]
    write(models.Activity, _ACTIVITY, placed)
    _link_parties(batch, placed)
    # Django's own delete: links go with the activity.
    models.Activity.objects.filter(id__in=gone).delete()


_ACTIVITY: Mapping[str, Any] = {
    "ref": None, "kind": "calendar", "subject": "", "body": "", "html": "", "direction": "", "type_id": None,
    "responsible_id": None, "contract_id": None, "order_id": None, "task_id": None, "thread": None, "scope_level": None,
    "sent": None, "due": None, "completed": None, "starts": None, "ends": None, "all_day": False, "location": "",
    "unverified": False, "message_id": None,
}  # fmt: skip


def _placed(batch: Load, record: Record, there: dict[str, int]) -> Placed:
    ref = record["id"]
    row = there.get(ref)
    values = _activity(batch, record)
    if row is None:
        if record.get("scope") is None:
            values["scope_level"] = _level_of(batch, record.get("responsible"))
        there[ref] = key = new_id()
        return Placed(key, record, values | {"ref": ref}, new=True, old=None)
    return Placed(row, record, values, new=False, old=None)


def _activity(batch: Load, record: Record) -> Values:
    same = ("kind", "subject", "body", "direction", "sent", "due", "completed", "all_day", "location")
    values: Values = {name: record[name] for name in same if name in record}
    values |= {name: instant(record[name]) for name in ("starts", "ends") if name in record}
    values |= chosen(
        record,
        type_id=("type", batch.id("activity_types", record.get("type"))),
        responsible_id=("responsible", batch.id("users", record.get("responsible"))),
        contract_id=("contract", batch.id("contracts", record.get("contract"))),
        order_id=("order", batch.id("orders", record.get("order"))),
        task_id=("task", batch.id("tasks", record.get("task"))),
    )
    if record.get("scope"):
        values["scope_level"] = None if record["scope"] == "p-" else int(record["scope"][1:])
    return values


def _level_of(batch: Load, login: str | None) -> int | None:
    user = batch.id("users", login)
    rows = models.User.objects.filter(id=user).values_list("role__level", flat=True) if user else ()
    return next(iter(rows), None)


def _link_parties(batch: Load, placed: Sequence[Placed]) -> None:
    for name, model in (("accounts", models.ActivityAccount), ("contacts", models.ActivityContact)):
        named = [one for one in placed if name in one.record]
        if named:
            ids = batch.ids(name)
            wished = {one.id: [ids[party] for party in one.record[name]] for one in named}
            replace_links(model, "activity_id", f"{name[:-1]}_id", wished)


def load_forbidden(batch: Load, rows: Sequence[Record]) -> None:
    """Forbidden e-mails; ``deleted`` takes one off, with ``force`` alone."""
    there = {
        (email, kind): key for email, kind, key in models.ForbiddenEmail.objects.values_list("email", "type", "id")
    }
    new, gone = [], []
    for record in rows:
        place_ = (record["email"], record["type"])
        if record.get("deleted"):
            gone += [there[place_]] if batch.force and place_ in there else []
        elif place_ not in there:
            there[place_] = new_id()
            new.append((there[place_], *place_, False))
    bulk.insert(models.ForbiddenEmail, "id", "email", "type", "unverified").run(new)
    bulk.execute_in("DELETE FROM crm_forbidden_email WHERE id IN {in}", gone)


def load_invitations(batch: Load, rows: Sequence[Record]) -> None:
    """Invitations, known by user, UID and occurrence."""
    there = {(one["user_id"], one["uid"], one["occurrence"]): one for one in models.Invitation.objects.values()}
    placed = []
    for record in rows:
        place_ = (batch.id("users", record["user"]), short(record["uid"]), record.get("occurrence") or "")
        new = place_ not in there
        named = dict(zip(("user_id", "uid", "occurrence"), place_, strict=True)) if new else {}
        stands = there.setdefault(place_, {**_INVITATION, "id": new_id()})
        stands.update(_invitation(record))
        values = named | _invitation(record) | {"fingerprint": _fingerprint(stands)}
        placed.append(Placed(stands["id"], record, values, new, None))
    write(models.Invitation, _INVITATION, placed)


def _fingerprint(stands: Mapping[str, Any]) -> str:
    """What the answer was given to, so that a mail which changes no time leaves it (SPEC chapter 8)."""
    starts, ends = (
        stands[name].date() if stands["all_day"] and stands[name] else stands[name] for name in ("starts", "ends")
    )
    excluded = json.loads(stands["excluded"] or "[]")
    return fingerprint_of(starts, ends, all_day=stands["all_day"], rule=stands["rule"], excluded=excluded)


_INVITATION: Mapping[str, Any] = {
    "user_id": None, "uid": "", "occurrence": "", "summary": "", "description": "", "location": "", "organizer": "",
    "starts": None, "ends": None, "all_day": False, "zone": "", "rule": "", "excluded": "", "attendees": "",
    "sequence": 0, "stamp": None, "status": "needs-action", "maker": "", "confirmed": True, "answerable": True,
    "fingerprint": "", "message_id": None,
}  # fmt: skip


def _invitation(record: Record) -> Values:
    same = ("summary", "organizer", "all_day", "location", "sequence", "status")
    times: dict[str, datetime | None] = {n: instant(record[n]) for n in ("starts", "ends") if n in record}
    return {name: record[name] for name in same if name in record} | times
