"""Rule 2 (manual 15.2): the Troubleshooting application's mail becomes a task."""

from __future__ import annotations

from typing import Any

import pytest

from crmservice.crm.records import CreateTask, UpdateTask
from crmservice.pipeline.rule import Verdict
from crmservice.testing.builders import Office, decided, eml, of

CREATED = ("Task application", "NEW TASK CREATED", "DELETED")
INVALID = ("INVALID TASK", "DELETED")
LINK = "https://ng.firma.cz/form.aspx?form=10&amp;id=512"


def problem(
    subject: str = "New Issue No. 512",
    *,
    contract: str = "Contract: 123",
    link: str = LINK,
    rows: tuple[tuple[str, str], ...] = (("Subject", "Nejde tisk"), ("Status", "New")),
    **more: Any,
) -> bytes:
    table = "".join(f"<tr><td>{name}</td><td>{value}</td></tr>" for name, value in rows)
    html = f'<html><body><p>{contract}</p><table>{table}</table><a href="{link}">Open</a></body></html>'
    return eml("bez textu", sender="podpora@firma.cz", subject=subject, html=html, **more)


def test_four_facts_make_a_task() -> None:
    office = Office()
    decision = office.receive(problem())
    assert decision.log == CREATED
    assert decision.verdict is Verdict.PROCESSED
    (task,) = of(decision, CreateTask)
    assert (task.number, task.subject, task.status, task.problem_id) == ("78", "Nejde tisk", "New", "512")
    assert (task.contract, task.approver, task.solvers) == (office.gateway.directory.contracts["123"].id, None, ())
    assert office.filed == []


@pytest.mark.parametrize(
    "subject",
    [
        "Description Problem No. 1", "Commentary Problem No. 1", "Status Problem No. 1", "New Issue No. 1", "Problem No. 1",
        "Popis Problém č. 1", "Komentář Problém č. 1", "Stav Problém č. 1", "Nový problém č. 1", "Problém č. 1",
        "problem no. 1", "NOVY PROBLEM C. 1", "  Problem No.1",
    ],
)  # fmt: skip
def test_a_subject_that_begins_as_such_mail_does_is_read(subject: str) -> None:
    assert decided(problem(subject)).log == CREATED


@pytest.mark.parametrize("subject", ["Re: Problem No. 1", "O Problem No. 1", "Problém 1", "Problem Number 1", ""])
def test_another_subject_is_no_such_mail(subject: str) -> None:
    assert decided(problem(subject)).log == ("PROCESSED",)


def test_czech_words_are_found_in_the_body() -> None:
    (task,) = of(decided(problem(contract="Zakázka:124", rows=(("Předmět", "Tisk"), ("STAV:", "Nový")))), CreateTask)
    assert (task.subject, task.status) == ("Tisk", "Nový")


@pytest.mark.parametrize("link", ["https://x/?id=512", "https://x/y?id=512&amp;a=1", "http://x/y?a=1&amp;id=512#z"])
def test_the_problem_id_is_the_number_behind_id_in_a_link(link: str) -> None:
    (task,) = of(decided(problem(link=link)), CreateTask)
    assert task.problem_id == "512"


@pytest.mark.parametrize(
    ("missing", "raw"),
    [
        ("contract", problem(contract="beze smlouvy")),
        ("contract", problem(contract="Contract: 99999")),
        ("id", problem(link="https://x/?ide=512")),
        ("id", problem(link="https://x/?id=abc")),
        ("status", problem(rows=(("Subject", "Nejde tisk"),))),
        ("subject", problem(rows=(("Status", "New"),))),
        ("subject", problem(rows=(("Subject", ""), ("Status", "New")))),
    ],
)
def test_a_missing_fact_is_an_invalid_task(missing: str, raw: bytes) -> None:
    decision = decided(raw)
    assert decision.log == INVALID
    assert decision.verdict is Verdict.SKIPPED
    assert decision.intents == ()
    assert decision.trail[-1].evidence["missing"] == [missing]


def test_a_later_mail_updates_the_task() -> None:
    office = Office()
    office.receive(problem())
    decision = office.receive(
        problem("Status Problem No. 512", rows=(("Subject", "Jinak"), ("Status", "Solved")), contract="Contract: 124")
    )
    assert decision.log == ("Task application", "TASK 78 UPDATED", "DELETED")
    assert decision.verdict is Verdict.PROCESSED
    (update,) = of(decision, UpdateTask)
    assert (update.number, update.subject, update.status) == ("78", "Jinak", "Solved")
    assert update.contract == office.gateway.directory.contracts["124"].id


def test_a_task_made_in_the_same_batch_is_updated() -> None:
    first, second = Office().receive_together(problem(), problem("Problem No. 512"))
    assert (first.log, second.log[1]) == (CREATED, "TASK 78 UPDATED")


def test_two_problems_of_one_batch_get_two_numbers() -> None:
    office = Office()
    office.receive_together(problem(), problem("Problem No. 513", link="https://x/?id=513"))
    assert {"78", "79"} <= office.gateway.directory.tasks.keys()


def test_the_manual_mode_takes_anybodys() -> None:
    assert decided(eml(subject="Problém č. 3")).log == INVALID


def test_in_safe_mode_a_customer_may_write_of_a_problem() -> None:
    assert decided(eml(subject="Problém č. 3"), rules="safe").log == ("PROCESSED",)


def test_in_safe_mode_a_customer_makes_no_task_whatever_he_knows() -> None:
    raw = problem().replace(b"podpora@firma.cz", b"jana@acme.cz")
    decision = decided(raw, rules="safe")
    assert decision.log == ("PROCESSED",)
    assert of(decision, CreateTask) == []


def test_in_safe_mode_our_domains_and_service_senders_make_tasks() -> None:
    outside = problem().replace(b"podpora@firma.cz", b"app@ng.example")
    assert decided(problem(), rules="safe").log == CREATED
    assert decided(outside, rules="safe").log == ("PROCESSED",)
    assert decided(outside, rules="safe", service_senders=frozenset({"app@ng.example"})).log == CREATED
    assert decided(problem(link="x"), rules="safe").log == INVALID


def test_an_unverified_sender_makes_no_task_and_is_filed() -> None:
    decision = decided(problem(), authserv_ids=("mx.firma.cz",))
    assert of(decision, CreateTask) == []
    assert decision.log == ("PROCESSED",)


def test_the_words_of_the_rule_are_no_marker() -> None:
    office = Office()
    office.receive(eml(subject="Nový problém č. 3 úkol: 77"))
    assert office.logs == [INVALID]
