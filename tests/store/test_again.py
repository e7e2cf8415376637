"""A message decided once more: after all by a person, or by a replay, around what others changed since."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crmservice.config import Box
from crmservice.crm.records import User
from crmservice.mail.message import Attachment
from crmservice.pipeline.gateway import Outcome, Waiting
from crmservice.pipeline.process import Pipeline
from crmservice.rules import CHAIN
from crmservice.service.replaying import Difference, Replay
from crmservice.store import access, again, audit, inbox, lookup, models, tables, trails, undo
from crmservice.store.again import NotLeftOut
from crmservice.store.gateway import StoreGateway
from crmservice.store.history import StoreHistory
from crmservice.store.undo import By
from crmservice.testing.builders import COMPANY, box, calendar, eml, part

Row = Callable[[], Waiting]
BY = By("sef")


class Kept:
    """A store with a company, its mail, and the kept mails by path."""

    def __init__(self, row: Row) -> None:
        tables.load(COMPANY)
        self.row = row
        self.mails: dict[str, bytes] = {}
        self.pipeline = Pipeline(StoreGateway(), CHAIN)

    def receive(self, raw: bytes, **fields: Any) -> int:
        """File a mail; its message."""
        row, where = self.row(), box(**fields)
        self.mails[row.path] = raw
        self.pipeline.process(where, [(row, self.pipeline.read(raw, where))])
        return row.id

    def read(self, path: str) -> bytes:
        return self.mails[path]

    def apply(self, **fields: Any) -> list[Difference]:
        """Write down what the rules decide otherwise with these settings."""
        return Replay(StoreHistory(), self, self.pipeline).apply({"crm": box(**fields)}, None)

    def after_all(self, message: int, user: User | None = None, where: Box | None = None) -> int | None:
        """Have a message processed that was left out; the change."""
        row, where = again.left_out(message), where or box()
        decision = self.pipeline.decide_after_all(where, row, self.pipeline.read(self.mails[row.path], where), user)
        return None if decision is None else again.process_after_all(Outcome(row, where, decision), BY)

    def user(self, login: str) -> User:
        (found,) = lookup.users_by("login", [login])
        return found


@pytest.fixture
def kept(home: Path, row: Row) -> Kept:
    return Kept(row)


def log(message: int) -> list[str]:
    (found,) = access.messages(tables.EVERYBODY, id=message)
    return list(trails.read_log(found.log))


def export() -> dict[str, Any]:
    return {table: rows for table, rows in tables.export().items() if table != "messages"}


def activities() -> list[tuple[str, str | None, str | None]]:
    return [(row["responsible"], row["contract"], row["task"]) for row in tables.export()["activities"]]


def stays(found: Difference) -> list[tuple[str, str]]:
    return [(str(one.what), str(one.why)) for one in found.left]


def test_a_skipped_mail_is_processed_after_all_and_that_can_be_undone(kept: Kept) -> None:
    key = kept.receive(eml("Zakázka: 123", subject="Výpadek"), ignore_subjects=("výpadek",))
    before, skipped = export(), tables.export()["messages"]
    change = kept.after_all(key)
    assert (log(key), activities()) == (["AFTER ALL", "PROCESSED"], [("novak", "123", None)])
    assert access.messages(tables.EVERYBODY, id=key)[0].verdict == "processed"
    assert [(entry.who, entry.action) for entry in audit.entries()] == [("sef", "after-all")]
    assert change is not None
    assert undo.undo_change(change, BY).whole
    assert (export(), tables.export()["messages"]) == (before, skipped)
    assert kept.after_all(key) is not None
    assert undo.undo_messages([key], BY).whole
    assert log(key) == ["UNDONE", "DELETED"]


def test_an_undone_mail_may_be_processed_after_all(kept: Kept) -> None:
    key = kept.receive(eml("x", parts=[part("a", name="a.txt")]))
    undo.undo_messages([key], BY)
    kept.after_all(key)
    (made,) = tables.export()["activities"]
    assert [one["name"] for one in made["attachments"]] == ["a.txt"]


def test_whom_nobody_is_responsible_for_asks_for_somebody(kept: Kept) -> None:
    key = kept.receive(eml("Zakázka: 123", to="info@firma.cz"))
    assert kept.after_all(key) is None
    assert log(key) == ["DELETED"]
    kept.after_all(key, kept.user("novak"))
    assert activities() == [("novak", "123", None)]
    (made,) = tables.export()["activities"]
    assert (made["direction"], made["contacts"], made["scope"]) == ("incoming", ["Jana"], "p2")
    (found,) = access.messages(tables.EVERYBODY, id=key)
    assert [(step.rule, step.code) for step in trails.read_trail(found.trail)][-1] == ("after_all", "named")


@pytest.mark.parametrize(
    ("sender", "to", "way", "contacts"),
    [
        ("externi@partner.example", "jana@acme.cz, crm@firma.cz", "outgoing", ["Jana"]),
        ("bob@beta.example", "jana@acme.cz, crm@firma.cz", "incoming", ["Bob"]),
    ],
)
def test_the_named_user_gets_it_the_way_it_went(
    kept: Kept, sender: str, to: str, way: str, contacts: list[str]
) -> None:
    key = kept.receive(eml("x", sender=sender, to=to, subject="Výpadek"), ignore_subjects=("výpadek",))
    kept.after_all(key, kept.user("svoboda"))
    (made,) = tables.export()["activities"]
    assert (made["responsible"], made["direction"], made["contacts"]) == ("svoboda", way, contacts)


def test_a_mail_that_was_set_aside_is_filed_as_far_as_it_was_read(kept: Kept) -> None:
    key = kept.receive(eml("x", parts=[part("a", name="a.txt")] * 501))
    assert log(key) == ["SET ASIDE"]
    kept.after_all(key)
    assert log(key) == ["AFTER ALL", "PROCESSED"]


def test_what_is_no_mail_left_out_is_refused_with_the_reason(kept: Kept) -> None:
    first, second = kept.receive(eml("x")), kept.receive(eml("x"))
    waiting = kept.row().id
    own = kept.receive(eml("y", subject="y"), never_file=frozenset({"acme.cz"}))
    models.Message.objects.filter(id=own).update(stored_sha256="0" * 64)
    notice = kept.receive(eml("z", subject="z", to="info@firma.cz"))
    models.Message.objects.filter(id=notice).update(log=trails.log_json(("OWN NOTICE", "DELETED")))
    reasons = {
        first: "was processed", second: f"repeats message {first}", waiting: "waits still", own: "not kept whole",
        notice: "is a notice of this service",
        404: "there is no message 404",
    }  # fmt: skip
    for key, reason in reasons.items():
        with pytest.raises(NotLeftOut, match=reason):
            again.left_out(key)


def test_nobody_processes_it_twice(kept: Kept) -> None:
    key = kept.receive(eml("x", to="info@firma.cz"))
    row = again.left_out(key)
    decision = kept.pipeline.decide_after_all(
        box(), row, kept.pipeline.read(kept.mails[row.path], box()), kept.user("novak")
    )
    assert decision is not None
    again.process_after_all(Outcome(row, box(), decision), BY)
    with pytest.raises(NotLeftOut):
        again.process_after_all(Outcome(row, box(), decision), BY)
    assert len(activities()) == 1


def test_after_all_files_no_thread_that_a_later_mail_filed(kept: Kept) -> None:
    old = eml("Zakázka: 123", subject="Výpadek", message_id="a@x")
    key = kept.receive(old, ignore_subjects=("výpadek",))
    start: dict[str, Any] = {"in_reply_to": "<a@x>", "references": "<a@x>"}
    kept.receive(eml("a", subject="Re: Výpadek", message_id="b@x", **start))
    kept.after_all(key)
    assert models.ThreadFiling.objects.count() == 1
    undo.undo_messages([key], BY)
    kept.receive(eml("Zakázka: 124", sender="novak@firma.cz", to="jana@acme.cz", message_id="c@x", references="<b@x>"))
    filed = models.ThreadFiling.objects.values_list("contract__number", flat=True)
    assert "124" in filed


def test_after_all_leaves_a_thread_where_a_later_mail_filed_it(kept: Kept) -> None:
    kept.receive(eml("a", message_id="a@x"))
    early, late = (
        eml(f"Zakázka: {number}", subject=subject, message_id=f"{number}@x", references="<a@x>")
        for number, subject in ((123, "Výpadek"), (124, "Dotaz"))
    )
    key = kept.receive(early, ignore_subjects=("výpadek",))
    kept.receive(late)
    kept.after_all(key)
    assert list(models.ThreadFiling.objects.values_list("contract__number", flat=True)) == ["124"]
    assert set(models.Activity.objects.values_list("contract__number", flat=True)) == {None, "123", "124"}


def test_a_replay_keeps_the_key_of_an_activity_that_stays_the_users(kept: Kept) -> None:
    kept.receive(eml("Zakázka: 123 Dokumentace p1", to="novak@firma.cz, svoboda@firma.cz"))
    before = {row["responsible"]: row["id"] for row in tables.export()["activities"]}
    (found,) = kept.apply(rules="safe", authserv_ids=("mx.firma.cz",))
    assert (found.change, stays(found)) == (undo.last_change(), [])
    assert {row["responsible"]: (row["id"], row["scope"]) for row in tables.export()["activities"]} == {
        login: (key, "p2") for login, key in before.items()
    }
    assert undo.undo_change(undo.last_change(), BY).whole
    assert [row["scope"] for row in tables.export()["activities"]] == ["p1", "p1"]


def test_an_activity_that_a_person_corrected_is_no_difference_and_stays_when_there_is_one(kept: Kept) -> None:
    kept.receive(eml("Zakázka: 123", subject="Výpadek"))
    (made,) = tables.export()["activities"]
    tables.load({"activities": [{"id": made["id"], "contract": "124"}]})
    assert kept.apply() == []
    (found,) = kept.apply(ignore_subjects=("výpadek",))
    assert stays(found) == [("activity of novak", "it was changed since, by hand or by a load")]
    assert activities() == [("novak", "124", None)]


def test_what_stays_is_not_made_a_second_time(kept: Kept) -> None:
    key = kept.receive(
        eml("udělej", sender="novak@firma.cz", to="svoboda@firma.cz", subject="New task: první", message_id="a@x")
    )
    kept.receive(eml("Task: 78", sender="sef@firma.cz", to="jana@acme.cz", subject="K úkolu"))
    (found,) = kept.apply(internal_mail="private")
    assert [what for what, _ in stays(found)] == ["task 78"]
    assert [row["number"] for row in tables.export()["tasks"]] == ["77", "A-9", "78"]
    assert activities() == [("svoboda", None, "78"), ("sef", None, "78")]
    assert access.activities(tables.EVERYBODY, message=key)[0].scope == "p-"


def test_a_later_turn_is_not_moved_by_an_older_mail(kept: Kept) -> None:
    kept.receive(eml("1", to="obchod@firma.cz", subject="Výpadek"), ignore_subjects=("výpadek",))
    kept.receive(eml("2", to="obchod@firma.cz"))
    turns = models.SharedAddress.objects.filter(address="obchod@firma.cz").values_list("last_user", flat=True)
    last = list(turns)
    (found,) = kept.apply()
    assert found.change is not None
    assert list(turns.all()) == last
    assert kept.apply() == []


def test_an_older_invitation_does_not_overwrite_a_newer_one(kept: Kept) -> None:
    kept.receive(eml("1", subject="Výpadek", parts=[calendar(summary="stará")]), ignore_subjects=("výpadek",))
    kept.receive(eml("2", parts=[calendar(sequence=1, stamp="20260303T090000Z", summary="nová")]))
    (found,) = kept.apply()
    assert found.change is not None
    assert [row["summary"] for row in tables.export()["invitations"]] == ["nová"]


def test_messages_of_all_boxes_are_decided_in_the_order_of_their_arrival(kept: Kept) -> None:
    filed = eml("Zakázka: 123", sender="novak@firma.cz", to="jana@acme.cz", subject="Výpadek", message_id="a@x")
    kept.receive(filed, rules="safe", ignore_subjects=("výpadek",))
    models.Message.objects.update(box="z")
    kept.receive(eml("ano", subject="Re: a", in_reply_to="<a@x>", message_id="b@x"), rules="safe")
    boxes = {"z": box(rules="safe", name="z"), "crm": box(rules="safe")}
    found = Replay(StoreHistory(), kept, kept.pipeline).apply(boxes, None)
    assert [one.past.row.box for one in found] == ["z", "crm"]
    assert activities() == [("novak", "123", None), ("novak", "123", None)]
    assert Replay(StoreHistory(), kept, kept.pipeline).apply(boxes, None) == []


def test_mail_that_a_person_decided_is_not_decided_again(kept: Kept) -> None:
    undone = kept.receive(eml("1"))
    undo.undo_messages([undone], BY)
    kept.after_all(kept.receive(eml("2", subject="Výpadek"), ignore_subjects=("výpadek",)))
    assert kept.apply(ignore_subjects=("výpadek",)) == []


def test_mail_that_must_never_be_filed_is_named_and_not_touched(kept: Kept) -> None:
    kept.receive(eml("1"))
    (found,) = kept.apply(never_file=frozenset({"acme.cz"}))
    assert (found.change, len(found.left), len(activities())) == (None, 1, 1)


def test_nothing_is_a_change_where_nothing_differs(kept: Kept) -> None:
    kept.receive(eml("1"))
    assert kept.apply() == []
    assert (models.Change.objects.count(), audit.entries()) == (0, [])
    with pytest.raises(undo.NothingToUndo):
        undo.last_change()


def test_a_set_aside_row_can_still_wait_again(kept: Kept) -> None:
    row = kept.row()
    inbox.set_aside(row.id, "died-twice")
    assert again.left_out(row.id).path == row.path
    assert inbox.requeue([row.id]) == 1


def test_a_decision_keeps_its_message(kept: Kept) -> None:
    """Attachments are listed again with the activity, and go with it."""
    key = kept.receive(eml("x", to="info@firma.cz"))
    row = again.left_out(key)
    decision = kept.pipeline.decide_after_all(
        box(), row, kept.pipeline.read(kept.mails[row.path], box()), kept.user("novak")
    )
    assert decision is not None
    message = replace(decision.message, attachments=(Attachment("a.pdf", "application/pdf", lambda: b"PDF"),))
    again.process_after_all(Outcome(row, box(), replace(decision, message=message)), BY)
    assert models.Attachment.objects.count() == 1
    undo.undo_change(undo.last_change(), BY)
    assert models.Attachment.objects.count() == 0
    undo.undo_change(undo.last_change(), BY)
    assert models.Attachment.objects.count() == 1


def test_a_suggestion_that_a_person_answered_is_not_made_again(kept: Kept) -> None:
    kept.receive(eml("Zakázka: 123", message_id="a@x"))
    kept.receive(eml("a", subject="Výpadek", in_reply_to="<a@x>", message_id="b@x"))
    (made,) = models.Suggestion.objects.values_list("kind", flat=True)
    assert made == "assignment"
    models.Suggestion.objects.update(state="dismissed")
    assert len(kept.apply(ignore_subjects=("výpadek",))) == 1
    assert len(kept.apply()) == 1
    assert list(models.Suggestion.objects.values_list("state", flat=True)) == ["dismissed"]


def test_a_mark_that_somebody_changed_stays_and_is_not_made_a_second_time(kept: Kept) -> None:
    kept.receive(eml("x", sender="cizi@jinde.example", subject="nechci"))
    models.ForbiddenEmail.objects.update(unverified=True)
    (found,) = kept.apply(ignore_subjects=("nechci",))
    assert "it was changed since, by hand or by a load" in [why for _, why in stays(found)]
    kept.apply()
    assert list(models.ForbiddenEmail.objects.values_list("email", flat=True)) == ["cizi@jinde.example"]


def test_a_new_task_whose_number_another_took_gets_the_next(kept: Kept) -> None:
    ask: dict[str, Any] = {"sender": "novak@firma.cz", "to": "svoboda@firma.cz"}
    kept.receive(eml("udělej", subject="New task: první", **ask), ignore_subjects=("první",))
    kept.receive(eml("udělej", subject="New task: druhý", **ask))
    kept.apply()
    assert [(row["number"], row["subject"]) for row in tables.export()["tasks"]][-2:] == [
        ("78", "druhý"), ("79", "první"),
    ]  # fmt: skip


def test_a_replay_after_which_another_decided_anew_names_that_one(kept: Kept) -> None:
    kept.receive(eml("x", subject="Výpadek"), ignore_subjects=("výpadek",))
    kept.apply()
    first = undo.last_change()
    kept.apply(ignore_subjects=("výpadek",))
    (touched,) = undo.undo_change(first, BY).messages
    assert [(left.table, left.change) for left in touched.left] == [("message", undo.last_change())]
