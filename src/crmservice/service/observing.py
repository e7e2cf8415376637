"""The state of a home, gathered: for ``status``, and for machines that ask over HTTP."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from crmservice.service import wiring
from crmservice.service.endpoint import Answer, Endpoint
from crmservice.service.troubles import Health, disk_of


def gather(home: Path) -> Health:
    """Look at everything. Raises BadConfiguration, or DatabaseUnavailable."""
    found = wiring.configured(home)
    wiring.connect_to_read(home)
    from crmservice.store import box_state
    from crmservice.store.counts import counts

    now = wiring.now()
    return Health(
        now=now,
        zone=found.settings.zone,
        poll={box.name: box.poll_seconds for box in found.boxes},
        states={state.box: state for state in box_state.read_all()},
        counts=counts(now.astimezone(found.settings.zone).date()),
        disk=disk_of(home),
        faults=tuple(fault.words for fault in found.faults),
    )


def serve(home: Path, address: str) -> Endpoint:
    """Serve metrics and health of a home at an address; until it is closed."""
    answers = {"/metrics": lambda: _metrics(home), "/health": lambda: _health(home), "/live": lambda: _live(home)}
    usual = {"/healthz": answers["/health"], "/livez": answers["/live"]}  # what others call them
    return Endpoint(address, answers | usual)


def _metrics(home: Path) -> Answer:
    from crmservice.service.exposition import CONTENT_TYPE, exposition
    from crmservice.store import database, metrics

    try:
        return 200, CONTENT_TYPE, exposition(gather(home), metrics.read())
    finally:
        database.disconnect()  # each request has a thread of its own


def _health(home: Path) -> Answer:
    found = _gathered(home)
    return 503 if found.troubles() else 200, "application/json", json.dumps(as_json(found)).encode() + b"\n"


def _live(home: Path) -> Answer:
    at_work = _gathered(home).at_work()
    return 200 if at_work else 503, "application/json", json.dumps({"at_work": at_work}).encode() + b"\n"


def _gathered(home: Path) -> Health:
    from crmservice.store import database

    try:
        return gather(home)
    finally:
        database.disconnect()


def as_json(health: Health) -> dict[str, object]:
    """Plain JSON, in English (docs/status.schema.json)."""
    troubles = health.troubles()
    return {
        "status": "trouble" if troubles else "ok",
        "at": health.now.isoformat(timespec="seconds"),
        "troubles": [{"code": one.code, "box": one.box or None, "text": str(one.words)} for one in troubles],
        "boxes": {name: _box(health, name) for name in health.poll},
        "outgoing": health.counts.outgoing,
        "notices": health.counts.notices,
        "jobs": {
            job.name: {"began": _iso(job.began), "ended": _iso(job.ended), "ok": job.ok} for job in health.counts.jobs
        },
        "disk": {"free": health.disk.free, "total": health.disk.total},
    }


def _box(health: Health, name: str) -> dict[str, object]:
    from crmservice.store.box_state import State
    from crmservice.store.counts import BoxCounts

    state, counted = health.states.get(name, State(name)), health.counts.boxes.get(name, BoxCounts())
    return {
        "state": state.kind,
        "tried": _iso(state.tried),
        "succeeded": _iso(state.succeeded),
        "failing_since": _iso(state.failing_since),
        "failures": state.failures,
        "fault": str(state.fault) if state.fault else None,
        "waiting": counted.waiting,
        "oldest_waiting": _iso(counted.oldest),
        "newest": _iso(counted.newest),
        "messages": counted.verdicts,
        "today": counted.today,
    }


def _iso(when: datetime | None) -> str | None:
    return when.isoformat(timespec="seconds") if when else None
