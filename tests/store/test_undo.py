"""Undo: what a message caused goes where it still stands; what came later is named and stays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crmservice.config import Box
from crmservice.pipeline.gateway import Waiting
from crmservice.pipeline.process import Pipeline
from crmservice.rules import CHAIN
from crmservice.store import access, audit, ledger, models, tables, trails, undo, verdicts
from crmservice.store.gateway import StoreGateway
from crmservice.store.undo import By, Touched, Undone
from crmservice.testing.builders import COMPANY, box, calendar, eml, part

Row = Callable[[], Waiting]
BY = By("sef", "web")


class Service:
    """A store with a company, and its technology box."""

    def __init__(self, row: Row, **fields: Any) -> None:
        tables.load(COMPANY)
        self.row = row
        self.box: Box = box(**fields)
        self.pipeline = Pipeline(StoreGateway(), CHAIN)

    def receive(self, raw: bytes, **fields: Any) -> int:
        """File a mail; its message."""
        row, where = self.row(), box(**fields) if fields else self.box
        self.pipeline.process(where, [(row, self.pipeline.read(raw, where))])
        return row.id


@pytest.fixture
def service(home: Path, row: Row) -> Service:
    return Service(row)


def task(text: str = "udělej to", subject: str = "New task: první") -> bytes:
    return eml(text, sender="novak@firma.cz", to="svoboda@firma.cz", subject=subject)


def said(parts: Any) -> list[str]:
    return [str(part.what) for part in parts]


def one(done: Undone) -> Touched:
    (touched,) = done.messages
    return touched


def message(key: int) -> access.MessageRecord:
    (found,) = access.messages(tables.EVERYBODY, id=key)
    return found


def test_the_message_stays_and_says_that_it_was_undone(service: Service) -> None:
    key = service.receive(eml("Zakázka: 123", parts=[part("a", name="a.txt")]))
    done = undo.undo_messages([key], BY)
    assert said(one(done).taken) == ["filing of its thread", "place in its thread", "activity of novak"]
    assert tables.export()["activities"] == []
    assert models.Attachment.objects.count() == 0
    found = message(key)
    assert (found.verdict, trails.read_log(found.log)) == ("skipped", ("UNDONE", "DELETED"))
    last = trails.read_trail(found.trail)[-1]
    assert (last.rule, last.code, last.evidence["by"], last.evidence["change"]) == (
        "undo", "undone", "sef", str(done.change),
    )  # fmt: skip
    assert (ledger.by_box()["crm"].arrived, ledger.by_box()["crm"].skipped) == (1, 1)


def test_rule_1_still_recognises_a_repeat_and_gives_it_to_nobody_who_had_it(home: Path, row: Row) -> None:
    service = Service(row, rules="safe")
    raw = eml("x", to="seznam@jinde.example", headers=(("Delivered-To", "novak@firma.cz"),))
    first, _second = service.receive(raw), service.receive(eml("x", to="seznam@jinde.example"))
    assert len(tables.export()["activities"]) == 1
    undo.undo_messages([first], BY)
    again = service.receive(raw)
    assert trails.read_log(message(again).log) == ("DUPLICATE KEY", "DELETED")
    other = service.receive(raw.replace(b"novak@firma.cz", b"svoboda@firma.cz"))
    assert trails.read_log(message(other).log) == ("DUPLICATE KEY", "RECIPIENT ADDED")
    undo.undo_messages([other], BY)
    assert (message(other).verdict, trails.read_log(message(other).log)) == (
        "duplicate", ("DUPLICATE KEY", "UNDONE", "DELETED"),
    )  # fmt: skip


def test_an_activity_that_a_load_changed_since_is_named_and_stays(service: Service) -> None:
    key = service.receive(eml("x", to="novak@firma.cz, svoboda@firma.cz"))
    first = tables.export()["activities"][0]
    tables.load({"activities": [{"id": first["id"], "contract": "124"}]})
    done = undo.undo_messages([key], BY)
    (left,) = one(done).left
    assert (str(left.what), str(left.why), left.message, left.change) == (
        "activity of novak", "it was changed since, by hand or by a load", None, None,
    )  # fmt: skip
    assert [row["responsible"] for row in tables.export()["activities"]] == ["novak"]
    assert (one(done).log, message(key).verdict) == (("PROCESSED", "UNDONE IN PART"), "processed")
    tables.load({"activities": [{"id": first["id"], "contract": None}]})
    assert one(undo.undo_messages([key], BY)).log == ("UNDONE", "DELETED")


@pytest.mark.parametrize("field", [{"subject": "jiný"}, {"body": "jiné"}, {"accounts": []}, {"completed": None}])
def test_any_change_of_an_activity_is_noticed(service: Service, field: dict[str, Any]) -> None:
    key = service.receive(eml("x"))
    (made,) = tables.export()["activities"]
    tables.load({"activities": [{"id": made["id"]} | field]})
    assert said(one(undo.undo_messages([key], BY)).left) == ["activity of novak"]


def test_loading_what_was_exported_changes_nothing_that_stands_in_the_way(service: Service) -> None:
    key = service.receive(task())
    exported = tables.export()
    tables.load({name: rows for name, rows in exported.items() if name not in ("messages", "suggestions")})
    assert undo.undo_messages([key], BY).whole


def test_a_task_that_another_mail_belongs_to_stays(service: Service) -> None:
    key = service.receive(task())
    other = service.receive(eml("Task: 78", sender="novak@firma.cz", to="jana@acme.cz", subject="K úkolu"))
    done = undo.undo_messages([key], BY)
    (left,) = one(done).left
    assert (str(left.what), str(left.why), left.message) == (
        "task 78", f"message {other} (K úkolu) belongs to it", other,
    )  # fmt: skip
    assert one(undo.undo_messages([other], BY)).left == []
    assert said(one(undo.undo_messages([key], BY)).taken) == ["task 78"]


def test_a_turn_that_others_took_since_stays(service: Service) -> None:
    first, second, _third = (service.receive(eml(str(n), to="obchod@firma.cz")) for n in range(3))
    (left,) = one(undo.undo_messages([first], BY)).left
    assert (str(left.what), left.table) == ("turn of obchod@firma.cz", "sharedaddress")
    assert left.message is not None
    assert left.message > second


def test_a_wish_that_another_mail_has_too_stays_until_that_one_is_undone(service: Service) -> None:
    first, second = (service.receive(eml(str(n), subject="nechci")) for n in range(2))
    undo.undo_messages([first], BY)
    assert [c.allow_emails for c in access.contacts(name="Jana")] == [False]
    undo.undo_messages([second], BY)
    assert [c.allow_emails for c in access.contacts(name="Jana")] == [True]


def test_taking_a_forged_opt_out_back_leaves_the_real_one(service: Service) -> None:
    forged = service.receive(eml("1", sender="cizi@jinde.example", subject="nechci"), authserv_ids=("mx.firma.cz",))
    real = service.receive(eml("2", sender="cizi@jinde.example", subject="nechci"))
    undone = undo.undo_messages([forged], BY)
    forbidden = access.forbidden_emails(tables.EVERYBODY)
    assert [(f.email, f.unverified) for f in forbidden] == [("cizi@jinde.example", False)]
    assert undone.change is not None
    assert undo.undo_change(undone.change, BY).whole
    undo.undo_messages([real], BY)
    assert len(access.forbidden_emails(tables.EVERYBODY)) == 1
    undo.undo_messages([forged], BY)
    assert access.forbidden_emails(tables.EVERYBODY) == []


def test_an_invitation_that_its_user_answered_stays(service: Service) -> None:
    key = service.receive(eml("porada", parts=[calendar()]))
    models.Invitation.objects.update(status="accepted")
    done = undo.undo_messages([key], BY)
    assert said(one(done).left) == ["invitation of novak"]
    assert one(done).log == ("UNDONE", "DELETED")


def test_an_activity_stands_for_its_message(service: Service) -> None:
    key = service.receive(eml("x"))
    (made,) = tables.export()["activities"]
    assert one(undo.undo_messages([int(made["id"])], BY)).message == key


def test_what_is_not_there_is_said_so(service: Service) -> None:
    skipped = service.receive(eml("x", sender="a@b.example", to="a@b.example"))
    for ask in (
        lambda: undo.undo_messages([skipped], BY),
        lambda: undo.undo_messages([404], BY),
        lambda: undo.undo_change(404, BY),
        undo.last_change,
    ):
        with pytest.raises(undo.NothingToUndo):
            ask()
    assert models.Change.objects.count() == 0


def test_an_undo_can_be_undone_and_done_again(service: Service) -> None:
    key = service.receive(task())
    exported = tables.export()
    first = undo.undo_messages([key], BY).change
    assert first == undo.last_change()
    undo.undo_change(undo.last_change(), BY)
    assert tables.export() == exported
    undo.undo_change(undo.last_change(), BY)
    assert tables.export()["tasks"] == exported["tasks"][:2]
    with pytest.raises(undo.NothingToUndo):
        undo.undo_change(first, BY)


def test_a_task_whose_number_was_taken_since_is_not_put_back(service: Service) -> None:
    key = service.receive(task())
    undone = undo.undo_messages([key], BY)
    service.receive(task("jiný", "New task: druhý"))
    assert undone.change is not None
    done = undo.undo_change(undone.change, BY)
    assert said(one(done).left) == ["task 78"]
    assert [row["task"] for row in tables.export()["activities"]] == [None, "78"]


def test_a_dry_run_says_the_same_and_changes_nothing(service: Service) -> None:
    key = service.receive(task())
    exported, noted = tables.export(), audit.entries()
    done = undo.undo_messages([key], BY, dry=True)
    assert said(one(done).taken) == [
        "filing of its thread", "place in its thread", "activity of svoboda", "task 78",
    ]  # fmt: skip
    assert tables.export() == exported
    assert (models.Change.objects.count(), audit.entries()) == (0, noted)


def test_the_audit_log_says_who_undid_what(service: Service) -> None:
    key = service.receive(eml("x"))
    change = undo.undo_messages([key], BY).change
    (entry,) = audit.entries()
    assert (entry.who, entry.source, entry.action, entry.object) == ("sef", "web", "undo", f"change {change}")


def test_what_was_removed_by_hand_is_named(service: Service) -> None:
    key = service.receive(eml("x", to="info@firma.cz, novak@firma.cz"))
    models.ActivityContact.objects.all().delete()
    models.ActivityAccount.objects.all().delete()
    models.Activity.objects.all().delete()
    (left,) = one(undo.undo_messages([key], BY)).left
    assert str(left.why) == "it is gone: removed by hand or by a load"


def test_a_change_that_others_changed_since_stays(service: Service) -> None:
    key = service.receive(eml("x", subject="nechci"))
    models.Contact.objects.filter(name="Jana").update(allow_emails=True)
    left = one(undo.undo_messages([key], BY)).left
    assert [(part.table, str(part.why)) for part in left] == [
        ("contact", "it was changed since, by hand or by a load"),
    ]


def test_a_wish_that_came_after_an_administrator_lifted_the_first_keeps_its_own_beginning(service: Service) -> None:
    first = service.receive(eml("1", subject="nechci"))
    models.Contact.objects.filter(name="Jana").update(allow_emails=True, allow_bulk_emails=True)
    second = service.receive(eml("2", subject="nechci"))
    undo.undo_messages([first], BY)
    assert [c.allow_emails for c in access.contacts(name="Jana")] == [False]
    undo.undo_messages([second], BY)
    assert [c.allow_emails for c in access.contacts(name="Jana")] == [True]


def test_a_task_to_which_something_without_a_message_belongs_stays(service: Service) -> None:
    key = service.receive(task())
    made = models.Task.objects.get(number="78")
    by_hand = models.Activity.objects.filter(message_id=key).values()[0]
    models.Activity.objects.create(**(by_hand | {"id": 1, "message_id": None, "task_id": made.id}))
    left = one(undo.undo_messages([key], BY)).left
    assert "something else belongs to it" in [str(part.why) for part in left]


def test_the_verdict_stays_with_an_activity_that_stays(service: Service) -> None:
    key = service.receive(eml("x"))
    first = undo.undo_messages([key], BY).change
    assert first is not None
    back = undo.undo_change(first, BY).change
    assert back is not None
    (made,) = tables.export()["activities"]
    tables.load({"activities": [{"id": made["id"], "subject": "jiný"}]})
    touched = one(undo.undo_change(back, BY))
    assert [part.table for part in touched.left] == ["activity"]
    assert message(key).verdict == "processed"


def test_a_message_that_is_not_there_has_no_verdict(home: Path) -> None:
    with pytest.raises(LookupError):
        verdicts.read(404)
