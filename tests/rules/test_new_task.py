"""Rule 9 (manual 15.6): "New task:" makes a task beside the activity."""

from __future__ import annotations

from typing import Any

import pytest

from crmservice.crm.records import CreateTask
from crmservice.testing.builders import Office, company, decided, eml, of

MADE = ("NEW TASK CREATED", "PROCESSED")
REFUSED = ("UNKNOWN USER", "PROCESSED")


def order(subject: str = "New task: Zavolat", sender: str = "sef@firma.cz", **more: Any) -> bytes:
    return eml("Prosím dnes.", sender=sender, subject=subject, **({"to": "novak@firma.cz, jana@acme.cz"} | more))


def solvers(office: Office) -> list[str | None]:
    return [office.login(key) for key in of(office.decisions[-1], CreateTask)[0].solvers]


def test_the_task_is_the_mails() -> None:
    office = Office()
    decision = office.receive(order())
    assert decision.log == MADE
    (task,) = of(decision, CreateTask)
    assert (task.number, task.subject, task.status, task.problem_id) == ("78", "Zavolat", "new", "")
    assert "Prosím dnes." in task.body
    assert office.login(task.approver) == "sef"
    assert solvers(office) == ["novak"]
    assert office.filed[0].task == "78"


@pytest.mark.parametrize(
    "subject",
    [
        "New task: Zavolat", "NEW TASK:Zavolat", "Nový úkol: Zavolat", "novy ukol:Zavolat", "Fwd: New task: Zavolat",
        "FW: Nový úkol: Zavolat", "Př: Nový úkol: Zavolat", "FW: Fwd: New task: Zavolat", "  new  task : Zavolat"
        .replace(" :", ":"),
    ],
)  # fmt: skip
def test_the_words_begin_the_subject_also_behind_a_forward(subject: str) -> None:
    (task,) = of(decided(order(subject)), CreateTask)
    assert task.subject == "Zavolat"


@pytest.mark.parametrize(
    "subject",
    [
        "Re: New task: Zavolat",
        "Fwd: Re: Nový úkol: x",
        "Odp: Nový úkol: x",
        "O New task: x",
        "New task Zavolat",
        "Nový úkolník: x",
    ],
)
def test_a_reply_and_other_subjects_make_none(subject: str) -> None:
    decision = decided(order(subject))
    assert decision.log == ("PROCESSED",)
    assert of(decision, CreateTask) == []


def test_solvers_are_the_recipients_who_are_active_users() -> None:
    office = Office()
    office.receive(
        order(to="svoboda@firma.cz, byvala@firma.cz, jan.novak@firma.cz", cc="novak@firma.cz, junior+x@firma.cz")
    )
    assert solvers(office) == ["svoboda", "novak", "junior"]


@pytest.mark.parametrize("to", ["jana@acme.cz", "crm@firma.cz", "byvala@firma.cz", "obchod@firma.cz, jana@acme.cz"])
def test_without_such_recipients_the_sender_solves(to: str) -> None:
    office = Office()
    office.receive(order(to=to))
    assert solvers(office) == ["sef"]


@pytest.mark.parametrize("sender", ["jana@acme.cz", "nikdo@firma.cz", "byvala@firma.cz"])
def test_a_sender_who_is_no_active_user_makes_none(sender: str) -> None:
    decision = decided(order(sender=sender, to="novak@firma.cz"))
    assert decision.log == REFUSED
    assert of(decision, CreateTask) == []


def test_a_user_with_an_address_elsewhere_makes_one() -> None:
    assert decided(order(sender="externi@partner.example")).log[0] == "NEW TASK CREATED"


def test_an_unverified_sender_makes_none_where_proof_is_asked() -> None:
    proof = [("Authentication-Results", "mx.firma.cz; dmarc=pass header.from=firma.cz")]
    proven = eml(sender="sef@firma.cz", subject="New task: a", headers=proof)
    assert decided(order(), authserv_ids=("mx.firma.cz",)).log == REFUSED
    assert decided(proven, authserv_ids=("mx.firma.cz",)).log == MADE


def test_the_number_is_the_largest_whole_number_and_one() -> None:
    tables = company(tasks=[{"number": "1500"}, {"number": "2000-1"}, {"number": "x9999"}])
    assert of(decided(order(), tables), CreateTask)[0].number == "1501"
    assert of(decided(order(), company(tasks=[]) | {"tasks": []}), CreateTask)[0].number == "1"


def test_tasks_of_one_batch_get_numbers_of_their_own() -> None:
    office = Office()
    made = office.receive_together(order("New task: a"), order("New task: b"), order("New task: c"))
    assert [of(decision, CreateTask)[0].number for decision in made] == ["78", "79", "80"]
    assert [filed.task for filed in office.filed] == ["78", "79", "80"]


def test_the_contract_comes_from_the_markers() -> None:
    office = Office()
    office.receive(order("New task: Zavolat, zakázka: 124"))
    assert of(office.decisions[0], CreateTask)[0].contract == office.gateway.directory.contracts["124"].id
    assert (office.filed[0].contract, office.filed[0].task) == ("124", "78")


def test_a_marker_that_names_another_task_has_the_activity() -> None:
    office = Office()
    office.receive(order("New task: Zavolat, úkol: 77"))
    assert of(office.decisions[0], CreateTask)[0].number == "78"
    assert office.filed[0].task == "77"


def test_the_words_themselves_are_no_marker() -> None:
    office = Office()
    office.receive(order("Nový úkol: 77"))
    assert (of(office.decisions[0], CreateTask)[0].subject, office.filed[0].task) == ("77", "78")


def test_a_threads_task_is_no_marker() -> None:
    """rules=safe files a reply as its thread is; a new task's mail belongs to the new task all the same."""
    office = Office(rules="safe")
    office.receive(eml(sender="sef@firma.cz", to="novak@firma.cz, jana@acme.cz", subject="Task:77", message_id="t@x"))
    office.receive(order("New task: b", in_reply_to="<t@x>"))
    assert [filed.task for filed in office.filed] == ["77", "78"]


def test_an_automatic_reply_makes_none_in_safe_mode() -> None:
    raw = eml(sender="sef@firma.cz", subject="New task: a", headers=[("Auto-Submitted", "auto-replied")])
    assert decided(raw, rules="safe").log == ("PROCESSED",)
    assert decided(raw).log == MADE


def test_it_stands_whatever_becomes_of_the_mail() -> None:
    office = Office()
    office.receive(order(to="nikdo@firma.cz"))
    assert office.logs == [MADE]
    assert office.filed[0].direction == "outgoing"
