"""A batch equals its messages one after another: the same export from the store, and what memory foretells."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from crmservice.crm.records import MarkAddress
from crmservice.pipeline.gateway import Waiting
from crmservice.pipeline.process import Pipeline
from crmservice.rules import CHAIN
from crmservice.store import inbox, tables
from crmservice.store.gateway import StoreGateway
from crmservice.testing.builders import Office, box, of
from tests.pipeline.mailboxes import mailboxes, settings_of_boxes

Tables = dict[str, list[dict[str, Any]]]


def accepted(mails: Sequence[bytes]) -> list[Waiting]:
    """A row of the inbox for each mail, in order of arrival."""
    arrived, day = datetime(2026, 3, 2, 12, tzinfo=UTC), date(2026, 3, 2)
    sums = [sha256(raw).hexdigest() for raw in mails]
    new = [inbox.New("crm", "eml", f"{n}.eml", sums[n], 1, f"{n}.eml", arrived, day) for n in range(len(mails))]
    return [Waiting(key, "crm", row.path, row.sha256, arrived) for key, row in zip(inbox.accept(new), new, strict=True)]


def export_after(mails: Sequence[bytes], *, together: bool, **fields: Any) -> Tables:
    """What the CRM holds when these mails were filed, without the keys that differ from store to store."""
    crm = Pipeline(StoreGateway(), CHAIN)
    where = box(**fields)
    batch = [(row, crm.read(raw, where)) for row, raw in zip(accepted(mails), mails, strict=True)]
    for part in [batch] if together else [[pair] for pair in batch]:
        crm.process(where, part)
    return without_keys(tables.export())


def without_keys(export: Tables) -> Tables:
    """Messages by their place, activities by their message's."""
    for place, message in enumerate(export["messages"]):
        for key in message.pop("activities"):
            next(row for row in export["activities"] if row.get("id") == key).update(id=None, place=place)
    for suggestion in export["suggestions"]:
        del suggestion["message"]
    return export


@pytest.mark.slow
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mails=mailboxes, fields=settings_of_boxes)
def test_a_batch_leaves_the_store_as_its_messages_do(
    new_home: Callable[[], Path], mails: list[bytes], fields: dict[str, Any]
) -> None:
    new_home()
    alone = export_after(mails, together=False, **fields)
    new_home()
    together = export_after(mails, together=True, **fields)
    assert together == alone


@pytest.mark.slow
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mails=mailboxes, fields=settings_of_boxes)
def test_the_store_and_memory_decide_alike(
    new_home: Callable[[], Path], mails: list[bytes], fields: dict[str, Any]
) -> None:
    new_home()
    export = export_after(mails, together=False, **fields)
    office = Office(**fields)
    office.receive(*mails)
    assert [tuple(message["log"]) for message in export["messages"]] == office.logs
    stored = [
        (a["responsible"], a["direction"], a["type"], a["scope"], a["contract"], a["order"], a["task"])
        for a in export["activities"]
    ]
    foretold = [(a.responsible, a.direction, a.type, a.scope, a.contract, a.order, a.task) for a in office.filed]
    assert sorted(map(repr, stored)) == sorted(map(repr, foretold))
    assert {task["number"] for task in export["tasks"]} == {t.number for t in office.gateway.directory.tasks.values()}
    marks = [mark for decision in office.decisions for mark in of(decision, MarkAddress)]
    forbidden = {(mark.address, mark.mark) for mark in marks if not (mark.contacts or mark.accounts)}
    assert {(f["email"], f["type"]) for f in export["forbidden_emails"]} == forbidden
