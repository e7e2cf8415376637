"""export: the CRM as tables (the fields of ``crm.tables``), whole or as one user sees it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from django.db.models import Q, QuerySet

from crmservice.store import access, bulk, models
from crmservice.store.access import Viewer, scope_text
from crmservice.store.trails import read_log

Row = dict[str, Any]


def export(user: Viewer) -> dict[str, list[Row]]:
    """Every table, as this user sees it; an administrator sees all. Times as UTC texts, absent values None."""
    activities = models.Activity.objects.filter(access.visible_to(user))
    tasks = models.Task.objects.filter(access.tasks_visible_to(user))
    return {
        "roles": _plain(models.Role.objects.order_by("level", "id"), "name", "parent__name", "level"),
        "users": _users(user),
        "shared_addresses": _plain(models.SharedAddress.objects, "address", "responsible__login", "role__name"),
        "activity_types": _plain(models.ActivityType.objects, "name"),
        "accounts": _parties(models.Account.objects.all(), "crm_account_address", "account_id"),
        "contacts": _parties(models.Contact.objects.all(), "crm_contact_address", "contact_id", "account__name"),
        "contracts": _contracts(),
        "orders": _plain(models.Order.objects, "number", "name", "account__name"),
        "tasks": _tasks(tasks),
        "activities": _activities(activities),
        "forbidden_emails": _plain(
            models.ForbiddenEmail.objects.filter(access.for_administrators(user)), "email", "type"
        ),
        "invitations": _invitations(access.own(user)),
        "own_rules": _own_rules(access.for_administrators(user)),
        "messages": _messages(access.for_administrators(user)),
        "suggestions": _suggestions(access.for_administrators(user)),
    }


def _plain(rows: Any, *names: str) -> list[Row]:
    ordered = rows if isinstance(rows, QuerySet) and rows.ordered else rows.order_by("id")
    return [{name.partition("__")[0]: _value(value) for name, value in row.items()} for row in ordered.values(*names)]


def _value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds")
    return None if value == "" else value


def _lists(sql: str) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for key, value in bulk.query(sql):
        found.setdefault(key, []).append(value)
    return found


def _users(viewer: Viewer) -> list[Row]:
    """Users; whose mail is never filed for somebody is that user's and the administrators' to see."""
    addresses = _lists("SELECT user_id, address FROM crm_user_address ORDER BY address")
    never = _lists("SELECT user_id, address FROM crm_never_file ORDER BY address")
    rows = _plain(models.User.objects, "id", "login", "name", "email", "role__name", "active", "admin")
    for row in rows:
        row["never_file"] = never.get(row["id"], []) if viewer.admin or viewer.id == row["id"] else []
        row["aliases"] = [address for address in addresses.get(row.pop("id"), []) if address != row["email"]]
    return rows


def _parties(rows: QuerySet[Any], table: str, column: str, *more: str) -> list[Row]:
    emails = _lists(f"SELECT {column}, address FROM {table} ORDER BY id")  # noqa: S608 (our own names)
    found = _plain(rows, "id", "name", *more, "allow_emails", "allow_bulk_emails", "email_broken")
    for row in found:
        row["emails"] = emails.get(row.pop("id"), [])
    return found


def _contracts() -> list[Row]:
    teams = _lists(
        "SELECT m.contract_id, u.login FROM crm_contract_member m JOIN crm_user u ON u.id = m.user_id ORDER BY u.login"
    )
    rows = _plain(models.Contract.objects, "id", "number", "name", "account__name")
    for row in rows:
        row["team"] = teams.get(row.pop("id"), [])
    return rows


def _tasks(tasks: QuerySet[models.Task]) -> list[Row]:
    solvers = _lists(
        "SELECT s.task_id, u.login FROM crm_task_solver s JOIN crm_user u ON u.id = s.user_id ORDER BY u.login"
    )
    names = ("id", "number", "subject", "body", "status", "approver__login", "contract__number", "problem_id")
    rows = _plain(tasks, *names)
    for row in rows:
        row |= {"subject": row["subject"] or "", "body": row["body"] or "", "solvers": solvers.get(row.pop("id"), [])}
    return rows


_ACTIVITY = (
    "id", "ref", "kind", "subject", "body", "direction", "type__name", "responsible__login", "contract__number",
    "order__number", "task__number", "scope_level", "sent", "due", "completed", "starts", "ends", "all_day",
    "location", "message",
)  # fmt: skip


def _activities(activities: QuerySet[models.Activity]) -> list[Row]:
    accounts = _lists(
        "SELECT l.activity_id, a.name FROM crm_activity_account l JOIN crm_account a ON a.id = l.account_id ORDER BY l.id"
    )
    contacts = _lists(
        "SELECT l.activity_id, c.name FROM crm_activity_contact l JOIN crm_contact c ON c.id = l.contact_id ORDER BY l.id"
    )
    attachments = _attachments()
    rows = _plain(activities, *_ACTIVITY)
    for row in rows:
        key, ref = row["id"], row.pop("ref")
        row |= {
            "id": ref or str(key),
            "subject": row["subject"] or "",
            "body": row["body"] or "",
            "scope": scope_text(row.pop("scope_level")),
            "accounts": accounts.get(key, []),
            "contacts": contacts.get(key, []),
            "attachments": attachments.get(row.pop("message"), []),
        }
        if row["all_day"]:
            row |= {name: row[name] and row[name][:10] for name in ("starts", "ends")}
    return rows


def _attachments() -> dict[int | None, list[Row]]:
    found: dict[int | None, list[Row]] = {}
    sql = "SELECT message_id, name, size, content_type FROM crm_attachment ORDER BY message_id, part"
    for message, name, size, content_type in bulk.query(sql):
        found.setdefault(message, []).append({"name": name, "size": size, "content_type": content_type})
    return found


def _invitations(seen: Q) -> list[Row]:
    names = (
        "user__login", "uid", "occurrence", "summary", "organizer", "starts", "ends", "all_day", "location", "sequence",
        "status",
    )  # fmt: skip
    rows = _plain(models.Invitation.objects.filter(seen), *names)
    for row in rows:
        if row["all_day"]:
            row |= {name: row[name] and row[name][:10] for name in ("starts", "ends")}
    return rows


def _own_rules(seen: Q) -> list[Row]:
    names = (
        "name", "position", "sender", "recipient", "subject", "header", "text", "skip", "contract__number", "order__number",
        "task__number", "type__name", "scope", "responsible__login",
    )  # fmt: skip
    rows = _plain(models.OwnRule.objects.filter(seen).order_by("position", "id"), *names)
    return [{_OWN.get(name, name): value for name, value in row.items()} for row in rows]


_OWN = {"sender": "from", "recipient": "to"}


def _messages(seen: Q) -> list[Row]:
    activities: dict[int, list[str]] = {}
    made = models.Activity.objects.filter(message__isnull=False).order_by("id")
    for message, key, ref in made.values_list("message", "id", "ref"):
        activities.setdefault(message, []).append(ref or str(key))
    rows = models.Message.objects.filter(seen).order_by("id")
    return [
        {
            "subject": subject,
            "sender": _value(sender),
            "log": list(read_log(log)),
            "backup": _value(path),
            "sha256": _value(sha256),
            "activities": activities.get(key, []),
        }
        for key, subject, sender, log, path, sha256 in rows.values_list(
            "id", "subject", "sender", "log", "path", "sha256"
        )
    ]


def _suggestions(seen: Q) -> list[Row]:
    rows = _plain(models.Suggestion.objects.filter(seen), "message", "kind", "target", "payload", "state")
    return [row | {"message": str(row["message"]), "payload": _json(row["payload"])} for row in rows]


def _json(text: str | None) -> Any:
    return json.loads(text) if text else None
