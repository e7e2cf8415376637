"""A decision as plain JSON: the object that ``explain --json`` prints (SPEC chapter 14)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from crmservice.mail.message import CalendarEvent, Invitation, Message
from crmservice.pipeline.assignment import first_known
from crmservice.pipeline.rule import Case, Decision, Step


def explained(case: Case, decision: Decision) -> dict[str, Any]:
    """What was read and decided, field by field; times are ISO 8601 in UTC."""
    message = decision.message
    return {
        "sender": message.sender.email if message.sender else None,
        "sender_verified": decision.sender_verified,
        "recipients": list(message.recipients),
        "subject": message.subject,
        "sent": iso(message.sent),
        "message_id": message.message_id or None,
        "direction": str(decision.direction) if decision.direction else None,
        "log": list(decision.log),
        "rules": [as_json(step) for step in decision.trail],
        "markers": _markers(case, decision),
        "bounce": _bounce(message),
        "auto_reply": message.auto_reply,
        "invitation": _invitation(message.invitation),
        "defects": [*message.limits, *message.defects],
        "text": message.text,
        "attachments": _attachments(message),
    }


def as_json(step: Step) -> dict[str, Any]:
    """One step of the trail."""
    return {
        "rule": step.rule,
        "chapter": step.chapter,
        "matched": step.matched,
        "code": step.code,
        "evidence": dict(step.evidence),
    }


def iso(when: datetime | date | None) -> str | None:
    """``2026-03-02T08:15:00+00:00``, or a date, or None."""
    return when.isoformat() if when is not None else None


def _markers(case: Case, decision: Decision) -> dict[str, str | None]:
    found = {kind: first_known(case, kind) for kind in ("contract", "order", "task")}
    numbers = {kind: pair[1].number if pair else None for kind, pair in found.items()}
    return {**numbers, "type": decision.found.assignment.type, "scope": decision.found.assignment.scope}


def _bounce(message: Message) -> dict[str, Any] | None:
    report = message.bounce
    if report is None:
        return None
    return {
        "failed": list(report.failed),
        "dead": list(report.dead),
        "permanent": report.permanent,
        "source": report.source,
    }


def _invitation(found: Invitation | None) -> dict[str, Any] | None:
    if found is None:
        return None
    first = next(iter(found.events), None)
    return {
        "method": found.method,
        "uid": found.uid,
        **(_event(first) if first else {}),
        "events": [_event(event) for event in found.events],
        "defects": list(found.defects),
    }


def _event(event: CalendarEvent) -> dict[str, Any]:
    return {
        "occurrence": event.occurrence or None,
        "sequence": event.sequence,
        "summary": event.summary,
        "location": event.location,
        "organizer": event.organizer,
        "starts": iso(event.starts),
        "ends": iso(event.ends),
        "all_day": event.all_day,
        "rule": event.rule or None,
        "zone": event.zone or None,
        "cancelled": event.cancelled,
        "attendees": [{"email": a.email, "name": a.name, "state": a.state} for a in event.attendees],
    }


def _attachments(message: Message) -> list[dict[str, Any]]:
    return [{"name": a.name, "size": a.size, "content_type": a.content_type} for a in message.attachments]
