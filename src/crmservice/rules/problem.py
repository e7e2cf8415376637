"""15.2  The Troubleshooting application's automatic mail creates or updates a task.

Contract number, problem id, status and subject must all be in the body. With ``rules=safe`` only mail of our
domains or of ``serviceSenders`` is such mail (a customer may write "Problém č. 3").
"""

from __future__ import annotations

from crmservice.crm.records import Contract, CreateTask, UpdateTask
from crmservice.mail.problems import Problem
from crmservice.mail.text import fold
from crmservice.pipeline.rule import Answer, Case, not_mine, stop

WORDS = "Task application"


def problem(case: Case) -> Answer:
    """Stop the application's mail with its task made or updated, or as INVALID TASK."""
    facts = case.reading.problem
    if facts is None:
        return not_mine("subject-other")
    if case.safe and not _from_the_application(case):
        return not_mine("sender-foreign")
    if not case.may_command:
        return not_mine("sender-not-verified")
    contract = _contract(case, facts)
    missing = _missing(facts, contract)
    if missing or contract is None:
        return stop("INVALID TASK", "DELETED", because="facts-missing", missing=missing)
    return _task(case, facts, contract)


def _from_the_application(case: Case) -> bool:
    sender = case.sender
    return sender is not None and (case.ours(sender.email) or sender.email in case.box.service_senders)


def _contract(case: Case, facts: Problem) -> Contract | None:
    found = (case.directory.contracts.get(fold(number)) for number in facts.contracts)
    return next((contract for contract in found if contract is not None), None)


def _missing(facts: Problem, contract: Contract | None) -> list[str]:
    have = {"contract": contract, "id": facts.problem_id, "status": facts.status, "subject": facts.subject}
    return [name for name, value in have.items() if not value]


def _task(case: Case, facts: Problem, contract: Contract) -> Answer:
    body = case.message.text
    known = case.directory.problems.get(facts.problem_id)
    if known is not None:
        number = case.directory.tasks[known].number
        update = UpdateTask(number, facts.subject, facts.status, contract.id, body)
        word = f"TASK {number} UPDATED"
        return stop(WORDS, word, "DELETED", because="task-updated", intents=(update,), task=number)
    number = case.directory.next_task_number
    create = CreateTask(number, facts.subject, body, facts.status, contract=contract.id, problem_id=facts.problem_id)
    return stop(WORDS, "NEW TASK CREATED", "DELETED", because="task-created", intents=(create,), task=number)
