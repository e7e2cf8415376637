"""Replay's history: the CRM as it was before a message, on both databases."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from crmservice.config import Box
from crmservice.crm.directory import Directory, Wanted
from crmservice.crm.records import Contract
from crmservice.pipeline.gateway import Waiting
from crmservice.pipeline.process import Pipeline
from crmservice.pipeline.rule import Decision
from crmservice.pipeline.wanted import wanted
from crmservice.rules import CHAIN
from crmservice.service.replaying import Difference, Replay
from crmservice.store import tables
from crmservice.store.gateway import StoreGateway
from crmservice.store.history import StoreHistory
from crmservice.testing.builders import COMPANY, box, calendar, eml

Row = Callable[[], Waiting]


class Kept:
    """A store with a company, its mail, and the kept mails by path."""

    def __init__(self, row: Row, **fields: object) -> None:
        tables.load(COMPANY)
        self.row = row
        self.box: Box = box(**fields)
        self.mails: dict[str, bytes] = {}
        self.pipeline = Pipeline(StoreGateway(), CHAIN)

    def receive(self, raw: bytes) -> Waiting:
        """File a mail; its row."""
        return self.receive_together(raw)[0]

    def receive_together(self, *mails: bytes) -> list[Waiting]:
        """File mails in one batch; their rows."""
        rows = [self.row() for _ in mails]
        self.mails |= dict(zip((row.path for row in rows), mails, strict=True))
        self.pipeline.process(
            self.box, [(r, self.pipeline.read(raw, self.box)) for r, raw in zip(rows, mails, strict=True)]
        )
        return rows

    def read(self, path: str) -> bytes:
        return self.mails[path]

    def replay(self, since: date | None = None, *, apply: bool = False, **fields: object) -> list[Difference]:
        """What would differ by the rules of today, or of a box with these fields."""
        run = Replay(StoreHistory(), self, self.pipeline)
        boxes = {"crm": box(**fields) if fields else self.box}
        return run.apply(boxes, since) if apply else list(run.differences(boxes, since))

    def then(self, row: Waiting) -> Decision:
        """What the rules decide on a kept mail, as of before it arrived."""
        pipeline = self.pipeline.on(StoreHistory().gateway_before(row.id))
        return pipeline.decide_alone(self.box, row, pipeline.read(self.read(row.path), self.box))[1]

    def directory(self, row: Waiting) -> Directory:
        """What the rules look up for a kept mail, as of before it arrived."""
        reading = self.pipeline.read(self.read(row.path), self.box)
        return StoreHistory().gateway_before(row.id).directory_for(wanted([reading], self.box), [row.id])

    def contracts(self, *numbers: str) -> list[Contract]:
        found = self.pipeline.gateway.directory_for(Wanted(contracts=frozenset(numbers)), []).contracts
        return [found[number] for number in numbers]


@pytest.fixture
def kept(home: Path, row: Row) -> Kept:
    return Kept(row)


def everything() -> Sequence[bytes]:
    """Mail of every kind of effect, each building on earlier ones."""
    first = eml("Zakázka: 123", sender="novak@firma.cz", to="jana@acme.cz", message_id="a@firma.cz", subject="Nabídka")
    reply = eml("ano", in_reply_to="<a@firma.cz>", references="<a@firma.cz>", message_id="b@acme.cz")
    return [
        first,
        reply,
        reply,
        eml("udělej to", sender="novak@firma.cz", to="svoboda@firma.cz", subject="New task: první", message_id="c@x"),
        eml("a tohle", sender="svoboda@firma.cz", to="novak@firma.cz", subject="New task: druhý", message_id="d@x"),
        eml("k úkolu Task: 78", sender="novak@firma.cz", to="jana@acme.cz", message_id="e@x"),
        eml("porada", parts=[calendar()], message_id="f@acme.cz"),
        eml("jindy", parts=[calendar(sequence=1, starts="DTSTART:20260311T090000Z", ends="")], message_id="g@acme.cz"),
        eml("zrušeno", parts=[calendar("CANCEL", sequence=2)], message_id="h@acme.cz"),
        eml("x", sender="cizi@jinde.example", subject="neposílat", message_id="i@jinde.example"),
        eml("1", to="obchod@firma.cz", message_id="j@x"),
        eml("2", to="obchod@firma.cz", message_id="k@x"),
        eml("3", to="obchod@firma.cz", message_id="l@x"),
        eml("spam", sender="x@y.example", to="x@y.example", message_id="m@x"),
    ]


@pytest.mark.parametrize("together", [False, True], ids=["one by one", "in one batch"])
@pytest.mark.parametrize("rules", ["manual", "safe"])
def test_the_same_rules_find_no_difference(home: Path, row: Row, rules: str, together: bool) -> None:
    kept = Kept(row, rules=rules)
    if together:
        kept.receive_together(*everything())
    else:
        for raw in everything():
            kept.receive(raw)
    assert [(d.past.subject, d.past.log, d.past.filed, d.log, d.filed) for d in kept.replay()] == []


def test_a_later_copy_is_not_seen_yet(kept: Kept) -> None:
    first, second = kept.receive(eml("a")), kept.receive(eml("a"))
    assert kept.then(first).log == ("PROCESSED",)
    assert kept.then(second).log == ("DUPLICATE KEY", "DELETED")


def test_a_task_that_a_later_mail_made_is_not_there_yet(kept: Kept) -> None:
    asks = kept.receive(eml("Task: 78", sender="novak@firma.cz", to="jana@acme.cz"))
    kept.receive(eml("x", sender="novak@firma.cz", to="svoboda@firma.cz", subject="New task: nový"))
    assert kept.then(asks).found.assignment.task is None


def test_a_new_task_gets_the_number_that_it_got(kept: Kept) -> None:
    rows = [
        kept.receive(eml(f"{n}", sender="novak@firma.cz", to="svoboda@firma.cz", subject=f"New task: {n}"))
        for n in range(3)
    ]
    assert [kept.then(row).found.new_task for row in rows] == ["78", "79", "80"]


def test_another_setting_shows_what_it_would_change(kept: Kept) -> None:
    kept.receive(eml("a", subject="Newsletter 5"))
    kept.receive(eml("b", subject="Dotaz"))
    (found,) = kept.replay(ignore_subjects=("newsletter",))
    assert (found.past.log, found.log) == (("PROCESSED",), ("IGNORED SUBJECT", "DELETED"))
    assert found.change is None


def test_a_message_whose_effects_stand_is_taken_back_by_apply_and_then_differs_no_more(kept: Kept) -> None:
    kept.receive(eml("a", subject="Newsletter 5"))
    (found,) = kept.replay(apply=True, ignore_subjects=("newsletter",))
    assert (found.change is not None, found.left) == (True, ())
    assert [row["log"] for row in tables.export()["messages"]] == [["IGNORED SUBJECT", "DELETED"]]
    assert tables.export()["activities"] == []
    assert kept.replay(ignore_subjects=("newsletter",)) == []


def test_a_message_without_effects_is_filed_by_apply_and_then_differs_no_more(home: Path, row: Row) -> None:
    kept = Kept(row, ignore_subjects=("newsletter",))
    kept.receive(eml("a", subject="Newsletter 5"))
    (found,) = kept.replay(apply=True, ignore_subjects=())
    assert found.change is not None
    assert [row["log"] for row in tables.export()["messages"]] == [["PROCESSED"]]
    assert [row["responsible"] for row in tables.export()["activities"]] == ["novak"]
    assert kept.replay(ignore_subjects=()) == []


def test_apply_gives_a_new_task_a_number_that_is_free_today(home: Path, row: Row) -> None:
    kept = Kept(row, ignore_subjects=("tajný",))
    kept.receive(eml("a", sender="novak@firma.cz", to="svoboda@firma.cz", subject="New task: tajný"))
    kept.receive(eml("b", sender="novak@firma.cz", to="svoboda@firma.cz", subject="New task: jiný"))
    kept.replay(apply=True, ignore_subjects=())
    made = {task["subject"]: task["number"] for task in tables.export()["tasks"]}
    assert (made["jiný"], made["tajný"]) == ("78", "79")
    assert kept.replay(ignore_subjects=()) == []


def test_only_messages_since_a_day_are_asked_about(kept: Kept) -> None:
    kept.receive(eml("a", subject="Newsletter 5"))
    assert kept.replay(date(2026, 3, 3), ignore_subjects=("newsletter",)) == []
    assert len(kept.replay(date(2026, 3, 2), ignore_subjects=("newsletter",))) == 1


def test_a_message_whose_backup_is_gone_is_passed_over(kept: Kept) -> None:
    kept.receive(eml("a", subject="Newsletter 5"))

    def gone(path: str) -> bytes:
        raise FileNotFoundError(path)

    kept.read = gone  # type: ignore[method-assign]
    assert kept.replay(ignore_subjects=("newsletter",)) == []


def problem(subject: str, status: str, contract: str, message_id: str) -> bytes:
    """A mail of the Troubleshooting application on problem 512 (manual 15.2)."""
    rows = f"<tr><td>Subject</td><td>{subject}</td></tr><tr><td>Status</td><td>{status}</td></tr>"
    html = f"<p>Contract: {contract}</p><table>{rows}</table><a href='https://ng.firma.cz/form.aspx?form=1&amp;id=512'>x</a>"
    return eml(status, sender="podpora@firma.cz", subject="Problem No. 512", html=html, message_id=message_id)


def test_a_task_that_a_later_mail_changed_is_as_it_was(kept: Kept) -> None:
    first, second, third = (
        kept.receive(problem(subject, status, contract, f"{status}@x"))
        for subject, status, contract in (("Tisk", "New", "123"), ("Tisk", "Open", "124"), ("Síť", "Done", "123"))
    )
    seen = [kept.directory(row).tasks.get("78") for row in (first, second, third)]
    assert [task and (task.subject, task.status) for task in seen] == [None, ("Tisk", "New"), ("Tisk", "Open")]
    contracts = kept.contracts("123", "124")
    assert [(task.contract, task.account) for task in seen if task] == [(one.id, one.account) for one in contracts]


def test_a_thread_is_filed_where_its_earlier_mails_were(home: Path, row: Row) -> None:
    kept = Kept(row, rules="safe")
    start: dict[str, Any] = {"references": "<a@x>", "in_reply_to": "<a@x>"}
    mails = [
        eml("Dobrý den", message_id="a@x"),
        eml("ještě nic", message_id="b@x", **start),
        eml("Zakázka: 123", sender="novak@firma.cz", to="jana@acme.cz", message_id="c@x", **start),
        eml("děkuji", message_id="d@x", **start),
        eml("Zakázka: 124", sender="novak@firma.cz", to="jana@acme.cz", message_id="e@x", **start),
        eml("díky", message_id="f@x", **start),
    ]
    rows = [kept.receive(raw) for raw in mails]
    first, second = (contract.id for contract in kept.contracts("123", "124"))
    filed = [decision.found.assignment.contract for decision in map(kept.then, rows)]
    assert filed == [None, None, first, first, second, second]


def test_an_invitation_that_was_sent_anew_is_as_it_was(kept: Kept) -> None:
    stamps = ("20260302T090000Z", "20260302T100000Z", "20260302T110000Z")
    rows = [
        kept.receive(eml(stamp, parts=[calendar(stamp=stamp, summary=stamp)], message_id=f"{stamp}@acme.cz"))
        for stamp in stamps
    ]
    seen = [
        [record.stamp and f"{record.stamp:%Y%m%dT%H%M%SZ}" for record in kept.directory(row).invitations.values()]
        for row in rows
    ]
    assert seen == [[], [stamps[0]], [stamps[1]]]
