"""The past: what was decided, and the CRM as it was before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from crmservice.crm.records import CreateTask, JoinThread, MarkAddress, PutInvitation, TakeTurn
from crmservice.mail.message import CalendarEvent
from crmservice.pipeline.gateway import Outcome, Waiting
from crmservice.pipeline.rule import Verdict
from crmservice.store import tables
from crmservice.store.gateway import StoreGateway
from crmservice.store.history import Past, StoreHistory
from crmservice.testing.gateway_contract import BOX, EVERYTHING, NOON, TABLES, activity, decision

Row = Callable[[], Waiting]


@pytest.fixture
def gateway(home: Path) -> StoreGateway:
    tables.load(TABLES)
    return StoreGateway()


def test_the_past_lists_decided_messages_with_their_filing(gateway: StoreGateway, row: Row) -> None:
    rows = [row() for _ in range(4)]
    directory = gateway.directory_for(EVERYTHING, [one.id for one in rows])
    novak, contract = directory.users["novak@firma.cz"].id, directory.contracts["z-1"].id
    gateway.apply(
        [
            Outcome(rows[0], BOX, decision(1, activity(novak, contract=contract, task="77"))),
            Outcome(rows[1], BOX, decision(2, verdict=Verdict.SKIPPED, log=("SPAM", "DELETED"))),
            Outcome(rows[2], BOX, decision(3, verdict=Verdict.SET_ASIDE, log=("SET ASIDE",))),
        ]
    )
    past = list(StoreHistory().past("crm", None))
    filed = ((novak, "incoming", contract, None, "77", "E-mail", "p2"),)
    assert past == [
        Past(rows[0], "mail 1", ("PROCESSED",), filed, touched=True),
        Past(rows[1], "mail 2", ("SPAM", "DELETED"), (), touched=False),
    ]
    assert len(list(StoreHistory().past("crm", date(2026, 3, 2)))) == 2
    assert list(StoreHistory().past("crm", date(2026, 3, 3))) == []
    assert list(StoreHistory().past("other", None)) == []


def test_before_a_message_nothing_of_it_or_later_mail_is_there(gateway: StoreGateway, row: Row) -> None:
    rows = [row(), row(), row()]
    before = gateway.directory_for(EVERYTHING, [one.id for one in rows])
    novak, shared = before.users["novak@firma.cz"].id, before.shared["info@firma.cz"].id
    svoboda = before.users["svoboda@firma.cz"].id
    event = CalendarEvent("porada@acme.cz", 0, NOON, "Porada", starts=NOON)
    put = PutInvitation(novak, event, "needs-action", "jana@acme.cz", True, True, "f")
    first = decision(
        1, CreateTask("78", "a", "", problem_id="501"), TakeTurn(shared, novak), JoinThread(5), activity(novak)
    )
    second = decision(
        2, CreateTask("79", "b", ""), TakeTurn(shared, svoboda), put, MarkAddress("mrtvy@jinde.cz", "broken")
    )
    gateway.apply([Outcome(rows[0], BOX, first), Outcome(rows[1], BOX, second)])
    between = StoreHistory().gateway_before(rows[1].id).directory_for(EVERYTHING, [])
    assert (between.next_task_number, between.problems["501"], between.turns) == ("79", "78", {shared: novak})
    assert (between.invitations, between.forbidden) == ({}, before.forbidden)
    assert [seen.message for found in between.seen.values() for seen in found] == [rows[0].id]
    start = StoreHistory().gateway_before(rows[0].id).directory_for(EVERYTHING, [])
    assert (start.tasks, start.problems, start.turns, start.seen) == (before.tasks, before.problems, {}, {})
    assert start.last_task_number == 77


def test_the_past_can_not_be_written(gateway: StoreGateway) -> None:
    with pytest.raises(TypeError, match="only be looked at"):
        StoreHistory().gateway_before(1).apply([])
