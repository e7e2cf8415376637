"""SPEC chapter 4: conversations, and what a reply inherits."""

from __future__ import annotations

from typing import Any

import pytest

from crmservice.crm.records import Suggest
from crmservice.testing.builders import Office, eml, of


def out(subject: str, to: str = "jana@acme.cz", **more: Any) -> bytes:
    return eml(sender="novak@firma.cz", subject=subject, to=to, **more)


FIRST = out("zak:123 obj:2026-15 úkol:77", message_id="1@firma.cz")


def answered(*mails: bytes, **fields: object) -> Office:
    office = Office(**fields)  # type: ignore[arg-type]
    office.receive(FIRST, *mails)
    return office


@pytest.mark.parametrize("header", ["in_reply_to", "references"])
def test_a_reply_is_of_its_thread(header: str) -> None:
    more: dict[str, Any] = {header: "<1@firma.cz>"}
    office = answered(eml(subject="Odpověď", **more))
    assert office.filed[0].thread == office.filed[1].thread


def test_a_reply_to_a_reply_is_of_the_thread() -> None:
    office = answered(eml(in_reply_to="<1@firma.cz>", message_id="2@acme.cz"), out("Re", in_reply_to="<2@acme.cz>"))
    assert len({filed.thread for filed in office.filed}) == 1


def test_the_same_subject_alone_makes_no_thread() -> None:
    office = answered(eml(subject="Re: zak:123 obj:2026-15 úkol:77", text="nic"))
    assert office.filed[0].thread != office.filed[1].thread


@pytest.mark.parametrize(("older", "same"), [(31, True), (32, False)])
def test_the_last_thirty_two_references_count(older: int, same: bool) -> None:
    references = " ".join(["<1@firma.cz>", *(f"<x{n}@jinde>" for n in range(older))])
    office = answered(eml(references=references))
    assert (office.filed[0].thread == office.filed[1].thread) is same


def test_a_mail_that_answers_two_threads_joins_them() -> None:
    office = answered(
        eml(subject="jiné", message_id="a@acme.cz"),
        eml(references="<1@firma.cz> <a@acme.cz>", in_reply_to="<a@acme.cz>", message_id="b@acme.cz"),
        eml(subject="pozdější", in_reply_to="<1@firma.cz>"),
    )
    assert office.filed[2].thread == office.filed[3].thread


def test_in_the_manual_mode_a_reply_without_marker_has_its_threads_filing_suggested() -> None:
    office = answered(eml(in_reply_to="<1@firma.cz>"))
    filed = office.filed[1]
    assert (filed.contract, filed.order, filed.task) == (None, None, None)
    (suggest,) = of(office.decisions[1], Suggest)
    assert (suggest.kind, suggest.payload["task"], suggest.payload["because"]) == ("assignment", "77", "thread")


def test_in_safe_mode_somebody_of_the_thread_inherits_its_filing() -> None:
    filed = answered(eml(in_reply_to="<1@firma.cz>"), rules="safe").filed[1]
    assert (filed.contract, filed.order, filed.task) == ("123", "2026-15", "77")


def test_in_safe_mode_a_stranger_to_the_thread_has_it_suggested() -> None:
    office = answered(eml(sender="eve@evil.test", in_reply_to="<1@firma.cz>"), rules="safe")
    assert office.filed[1].contract is None
    assert [suggest.payload["because"] for suggest in of(office.decisions[1], Suggest)] == ["thread"]


def test_a_marker_wins_over_the_thread() -> None:
    filed = answered(out("zak:124", in_reply_to="<1@firma.cz>"), rules="safe").filed[1]
    assert (filed.contract, filed.order, filed.task) == ("124", None, None)


def test_the_newest_filing_is_the_threads() -> None:
    office = answered(out("zak:124", in_reply_to="<1@firma.cz>"), out("dál", in_reply_to="<1@firma.cz>"), rules="safe")
    assert office.filed[2].contract == "124"


def test_type_and_scope_are_not_inherited() -> None:
    office = Office(rules="safe")
    office.receive(out("zak:123 Dokumentace p-", message_id="1@firma.cz"), out("dál", in_reply_to="<1@firma.cz>"))
    assert [(filed.type, filed.scope) for filed in office.filed] == [("Dokumentace", "p-"), ("E-mail", "p2")]


def test_unfiled_mail_makes_no_thread() -> None:
    office = Office()
    office.receive(eml(to="nikdo@jinde.example", message_id="1@acme.cz"), eml(in_reply_to="<1@acme.cz>"))
    assert len(office.filed) == 1


def test_a_thread_of_one_batch_is_known() -> None:
    office = Office(rules="safe")
    office.receive_together(FIRST, eml(in_reply_to="<1@firma.cz>"))
    assert office.filed[1].contract == "123"
