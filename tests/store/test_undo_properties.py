"""What mail caused can be taken back whole, and so can that: for any mailbox, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any

from hypothesis import HealthCheck, given, settings

from crmservice.pipeline.gateway import Waiting
from crmservice.pipeline.process import Pipeline
from crmservice.rules import CHAIN
from crmservice.store import bulk, inbox, tables, undo
from crmservice.store.gateway import StoreGateway
from crmservice.store.undo import By
from crmservice.testing.builders import box
from tests.pipeline.mailboxes import mailboxes, settings_of_boxes

BY = By("sef")
CAPTURED = (
    "crm_activity", "crm_activity_contact", "crm_activity_account", "crm_attachment", "crm_task", "crm_task_solver",
    "crm_contact", "crm_account", "crm_forbidden_email", "crm_invitation", "crm_suggestion", "crm_shared_address",
    "crm_thread_message", "crm_thread_person", "crm_thread_filing", "crm_sent_address",
)  # fmt: skip


def store() -> dict[str, list[tuple[Any, ...]]]:
    """Every row that mail can change, but for keys that a row gets anew each time."""
    found = {}
    for table in CAPTURED:
        anew = table in (
            "crm_activity_contact",
            "crm_activity_account",
            "crm_attachment",
            "crm_task_solver",
            "crm_thread_person",
        )
        rows = [tuple(map(_plain, row[anew:])) for row in bulk.query(f"SELECT * FROM {table}")]
        found[table] = sorted(rows, key=repr)
    return found


def _plain(value: Any) -> Any:
    return bytes(value) if isinstance(value, memoryview) else value


def export() -> dict[str, Any]:
    return {table: rows for table, rows in tables.export().items() if table != "messages"}


def receive(mails: Sequence[bytes], **fields: Any) -> list[int]:
    """File these mails in one batch; their messages."""
    arrived, day = datetime(2026, 3, 2, 12, tzinfo=UTC), date(2026, 3, 2)
    sums = [sha256(raw).hexdigest() for raw in mails]
    new = [inbox.New("crm", "eml", f"{n}.eml", sums[n], 1, f"{n}.eml", arrived, day) for n in range(len(mails))]
    ids = inbox.accept(new)
    rows = [Waiting(key, "crm", one.path, one.sha256, arrived) for key, one in zip(ids, new, strict=True)]
    pipeline, where = Pipeline(StoreGateway(), CHAIN), box(**fields)
    pipeline.process(where, [(row, pipeline.read(raw, where)) for row, raw in zip(rows, mails, strict=True)])
    return ids


def undone(messages: Sequence[int]) -> list[int]:
    """Take these back; the changes that did."""
    changes = []
    for message in messages:
        try:
            done = undo.undo_messages([message], BY)
        except undo.NothingToUndo:
            continue
        assert done.whole, done
        assert done.change is not None
        changes.append(done.change)
    return changes


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mails=mailboxes, fields=settings_of_boxes)
def test_undo_of_all_leaves_the_store_as_it_was_and_its_undo_as_it_had_become(
    new_store: Callable[[], None], mails: list[bytes], fields: dict[str, Any]
) -> None:
    new_store()
    before, rows_before = export(), store()
    messages = receive(mails, **fields)
    after, rows_after, said = export(), store(), tables.export()["messages"]
    changes = undone(messages[::-1])
    assert store() == rows_before
    assert export() == before
    for change in reversed(changes):
        assert undo.undo_change(change, BY).whole
    assert store() == rows_after
    assert export() == after
    assert tables.export()["messages"] == said
    undone(messages[::-1])
    assert store() == rows_before
