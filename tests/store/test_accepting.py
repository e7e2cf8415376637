"""A suggestion accepted is done, with effects: so it can be undone, alone or with its message."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crmservice.pipeline.gateway import Waiting
from crmservice.pipeline.process import Pipeline
from crmservice.rules import CHAIN
from crmservice.store import audit, models, tables, undo
from crmservice.store.accepting import NotAcceptable, accept
from crmservice.store.gateway import StoreGateway
from crmservice.store.undo import By
from crmservice.testing.builders import COMPANY, box, calendar, eml, report

Row = Callable[[], Waiting]
BY = By("novak", "web")


class Service:
    """A store with a company and a box that is safe."""

    def __init__(self, row: Row) -> None:
        tables.load(COMPANY)
        self.row = row
        self.pipeline = Pipeline(StoreGateway(), CHAIN)

    def receive(self, raw: bytes, **fields: Any) -> int:
        """File a mail; its message."""
        row, where = self.row(), box(**({"rules": "safe"} | fields))
        self.pipeline.process(where, [(row, self.pipeline.read(raw, where))])
        return row.id


@pytest.fixture
def service(home: Path, row: Row) -> Service:
    return Service(row)


def suggestion(kind: str) -> int:
    key: int = models.Suggestion.objects.get(kind=kind).id
    return key


def state() -> tuple[Any, ...]:
    export = tables.export()
    return tuple(
        export[table] for table in ("activities", "contacts", "forbidden_emails", "invitations", "suggestions")
    )


def accepted(kind: str, choice: int | None = None) -> dict[str, Any]:
    """Accept the one suggestion of this kind; the export. Undone and done again it must be the same."""
    before = state()
    change = accept(suggestion(kind), BY, choice)
    after = state()
    assert models.Suggestion.objects.get(kind=kind).state == "accepted"
    taken = undo.undo_change(change, BY)
    assert taken.whole
    assert taken.change is not None
    assert state() == before
    assert undo.undo_change(taken.change, BY).whole
    assert state() == after
    return tables.export()


def test_a_strangers_marker(service: Service) -> None:
    key = service.receive(eml("Zakázka: 123", sender="cizi@jinde.example", to="novak@firma.cz, svoboda@firma.cz"))
    assert [row["contract"] for row in accepted("assignment")["activities"]] == ["123", "123"]
    assert models.ThreadFiling.objects.get().contract.number == "123"
    assert undo.undo_messages([key], By()).whole
    assert (models.Activity.objects.count(), models.Suggestion.objects.count()) == (0, 0)


def test_a_marker_whose_number_is_gone(service: Service) -> None:
    service.receive(eml("Zakázka: X-", sender="cizi@jinde.example"))
    models.Contract.objects.filter(number="X-").delete()
    with pytest.raises(NotAcceptable, match="nobody has the number X- any more"):
        accept(suggestion("assignment"), BY)
    assert models.Suggestion.objects.get().state == "open"


def test_what_the_thread_knows(service: Service) -> None:
    mine: dict[str, Any] = {"sender": "novak@firma.cz", "to": "jana@acme.cz"}
    service.receive(eml("Zakázka: 123 Task: 77", message_id="a@x", **mine), rules="manual")
    service.receive(eml("ano", in_reply_to="<a@x>", message_id="b@x"), rules="manual")
    made = accepted("assignment")["activities"][-1]
    assert (made["contract"], made["task"]) == ("123", "77")


def test_an_account_by_its_domain(service: Service) -> None:
    service.receive(eml("x", sender="nova@acme.cz"))
    assert [row["accounts"] for row in accepted("account")["activities"]] == [["ACME s.r.o."]]


def test_of_several_accounts_one_is_chosen(service: Service) -> None:
    tables.load({"accounts": [{"name": "ACME 2", "emails": ["druha@acme.cz"]}]})
    service.receive(eml("x", sender="nova@acme.cz"))
    for choice in (None, 404):
        with pytest.raises(NotAcceptable, match="choose one"):
            accept(suggestion("account"), BY, choice)
    chosen = models.Account.objects.get(name="ACME 2").id
    assert [row["accounts"] for row in accepted("account", chosen)["activities"]] == [["ACME 2"]]


def test_a_mail_forwarded_as_a_quoted_block(service: Service) -> None:
    block = (
        "Prosím založit.\n\n-----Original Message-----\nFrom: Jana <jana@acme.cz>\n"
        "Sent: Monday, March 2, 2026 9:00 AM\nTo: novak@firma.cz\nSubject: Poptávka\n\nDobrý den"
    )
    service.receive(eml(block, sender="novak@firma.cz", to="crm@firma.cz", subject="Fwd: Poptávka"))
    (made,) = accepted("forwarded")["activities"]
    assert (made["direction"], made["subject"], made["contacts"], made["accounts"]) == (
        "incoming", "Poptávka", ["Jana"], ["ACME s.r.o."],
    )  # fmt: skip
    assert made["sent"] == made["completed"]


@pytest.mark.parametrize("address", ["jana@acme.cz", "mrtvy@jinde.example"])
def test_an_address_that_a_report_calls_dead(service: Service, address: str) -> None:
    service.receive(report(address))
    export = accepted("broken")
    jana = next(row for row in export["contacts"] if row["name"] == "Jana")
    assert jana["email_broken"] is (address == "jana@acme.cz")
    assert len(export["forbidden_emails"]) == (address != "jana@acme.cz")


@pytest.mark.parametrize(
    ("method", "field", "becomes"),
    [("REQUEST", "starts", "2026-03-11T09:00:00+00:00"), ("CANCEL", "status", "cancelled")],
)
def test_a_change_of_an_invitation_by_somebody_else(service: Service, method: str, field: str, becomes: str) -> None:
    service.receive(eml("porada", parts=[calendar()]))
    other = calendar(method, sequence=1, starts="DTSTART:20260311T090000Z", ends="", organizer="bob@beta.example")
    service.receive(eml("jindy", sender="bob@beta.example", parts=[other]))
    (found,) = accepted("invitation-proposal")["invitations"]
    assert found[field] == becomes


def test_it_is_accepted_once_and_noted(service: Service) -> None:
    service.receive(eml("x", sender="nova@acme.cz"))
    key = suggestion("account")
    change = accept(key, BY)
    assert [(e.who, e.source, e.action, e.object) for e in audit.entries()] == [
        ("novak", "web", "accept", f"change {change}")
    ]
    with pytest.raises(NotAcceptable, match="answered already"):
        accept(key, BY)
    with pytest.raises(NotAcceptable, match="no suggestion 404"):
        accept(404, BY)


def test_without_its_activity_there_is_nothing_to_change(service: Service) -> None:
    service.receive(eml("x", sender="nova@acme.cz"))
    models.ActivityContact.objects.all().delete()
    models.Activity.objects.all().delete()
    with pytest.raises(NotAcceptable, match="no activity"):
        accept(suggestion("account"), BY)


def test_a_kind_that_nobody_knows_is_refused(service: Service) -> None:
    key = service.receive(eml("x"))
    models.Suggestion.objects.create(message_id=key, kind="jiny")
    with pytest.raises(NotAcceptable, match="kind jiny"):
        accept(suggestion("jiny"), BY)


def test_what_is_so_already_is_accepted_without_an_effect(service: Service) -> None:
    service.receive(eml("Zakázka: 123", sender="cizi@jinde.example"))
    (made,) = tables.export()["activities"]
    tables.load({"activities": [{"id": made["id"], "contract": "123"}]})
    effects = models.Effect.objects.filter(table="activity").count()
    accept(suggestion("assignment"), BY)
    assert models.Effect.objects.filter(table="activity").count() == effects


def test_a_proposal_about_an_invitation_that_is_gone(service: Service) -> None:
    service.receive(eml("porada", parts=[calendar()]))
    other = calendar("CANCEL", sequence=1, organizer="bob@beta.example")
    service.receive(eml("ne", sender="bob@beta.example", parts=[other]))
    models.Invitation.objects.all().delete()
    with pytest.raises(NotAcceptable, match="nothing to change"):
        accept(suggestion("invitation-proposal"), BY)
