"""What mail caused can be taken back whole, and so can that: for any mailbox, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any

from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from crmservice.pipeline.gateway import Waiting
from crmservice.pipeline.process import Pipeline
from crmservice.rules import CHAIN
from crmservice.service.replaying import Replay
from crmservice.store import bulk, inbox, tables, undo
from crmservice.store.gateway import StoreGateway
from crmservice.store.history import StoreHistory
from crmservice.store.undo import By
from crmservice.testing.builders import box, eml, nested
from tests.pipeline.mailboxes import mailboxes, settings_of_boxes

BY = By("sef")
BOXES = st.fixed_dictionaries(
    {
        "rules": st.sampled_from(["manual", "safe"]),
        "ignore_subjects": st.sampled_from([(), ("zak",), ("dotaz",), ("nový",), ("úkol", "task")]),
    },
    optional={
        "internal_mail": st.sampled_from(["skip", "private"]),
        "only_known_senders": st.just(True),
        "authserv_ids": st.just(("mx.firma.cz",)),
    },
)
"""Settings that decide the same mail otherwise."""

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


class Mails:
    """Kept mails by path, as a backup gives them."""

    def __init__(self, mails: Sequence[bytes]) -> None:
        self._mails = {f"{n}.eml": raw for n, raw in enumerate(mails)}

    def read(self, path: str) -> bytes:
        return self._mails[path]


def forwarded_by_hand(to: str, subject: str) -> list[bytes]:
    """A mail, another one, the first forwarded as an answer to the other, and its Message-ID in a thread of its own."""
    first, other = (eml(f"text {key}", message_id=key) for key in ("1@x", "2@x"))
    inner = eml("text 1@x", to=to, message_id="1@x", references="<2@x>")
    forward = eml(sender="svoboda@firma.cz", to="crm@firma.cz", subject="Fwd: x", parts=[nested(inner)])
    copy = (("Delivered-To", to),)
    return [first, other, forward, eml("text 1@x", subject=subject, message_id="1@x", headers=copy)]


def opting_out() -> list[bytes]:
    """An opt-out that an employee forwarded, and the same that came by itself."""
    inner = eml("text 1@x", to="servis@firma.cz", subject="nechci", message_id="1@x")
    forward = eml(sender="svoboda@firma.cz", to="crm@firma.cz", subject="Fwd: x", parts=[nested(inner)])
    return [forward, inner]


def replayed(mails: Sequence[bytes]) -> Replay:
    return Replay(StoreHistory(), Mails(mails), Pipeline(StoreGateway(), CHAIN))


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


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
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


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mails=mailboxes, then=BOXES, today=BOXES)
@example(mails=forwarded_by_hand("svoboda@firma.cz", "Dotaz"), then={"rules": "manual"}, today={"rules": "safe"})
@example(mails=forwarded_by_hand("novak@firma.cz", "zak:123"), then={"rules": "safe"}, today={"rules": "manual"})
@example(mails=opting_out(), then={"rules": "manual"}, today={"rules": "safe"})
def test_after_an_applied_replay_nothing_differs_and_its_undo_leaves_all_as_it_was(
    new_store: Callable[[], None], mails: list[bytes], then: dict[str, Any], today: dict[str, Any]
) -> None:
    new_store()
    receive(mails, **then)
    boxes = {"crm": box(**today)}
    rows_before, before = store(), tables.export()
    found = list(replayed(mails).differences(boxes, None))
    applied = replayed(mails).apply(boxes, None)
    assert {one.past.row.id for one in found} <= {one.past.row.id for one in applied}
    event(f"applied: {len(applied)}, in later rounds: {len(applied) - len(found)}")
    stuck = {one.past.row.id for one in applied if one.left}
    assert {one.past.row.id for one in replayed(mails).differences(boxes, None)} <= stuck
    if applied and not stuck:
        assert undo.undo_change(undo.last_change(), BY).whole
        assert store() == rows_before
        assert tables.export() == before
