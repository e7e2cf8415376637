"""15.6  "New task:" at the subject's start makes a task beside the activity.

Solvers are the recipients who are users (none: the sender), approver is the sender; the sender must be an
active user, and verified where ``authservId`` is set.
"""

from __future__ import annotations

from dataclasses import replace

from crmservice.crm.records import Contract, CreateTask, User
from crmservice.mail import prefixes
from crmservice.pipeline.assignment import first_known
from crmservice.pipeline.people import named_users
from crmservice.pipeline.rule import Answer, Case, go_on, not_mine


def new_task(case: Case) -> Answer:
    """Go on with the task made, or with UNKNOWN USER when the sender may make none."""
    subject = _subject(case)
    if subject is None:
        return not_mine("subject-other")
    if case.safe and case.message.auto_reply:
        return not_mine("automatic-reply")
    approver = case.user(case.sender.email) if case.sender else None
    if approver is None or not approver.active or not case.may_command:
        return go_on("sender-may-not", log=("UNKNOWN USER",), verified=case.sender_verified)
    task = _task(case, subject, approver)
    found = replace(case.found, new_task=task.number)
    return go_on("task-created", task, log=("NEW TASK CREATED",), found=found, task=task.number)


def _subject(case: Case) -> str | None:
    """The rest of the subject behind the words, also after forward prefixes, never after a reply's."""
    rest = prefixes.behind_forwards(case.message.subject, case.words)
    return None if rest is None else prefixes.begins_with(rest, case.words.new_task)


def _task(case: Case, subject: str, approver: User) -> CreateTask:
    _marker, marked = first_known(case, "contract") or (None, None)
    solvers = tuple(user.id for user in named_users(case) if user.active) or (approver.id,)
    return CreateTask(
        number=case.directory.next_task_number,
        subject=subject.strip(),
        body=case.message.text,
        solvers=solvers,
        approver=approver.id,
        contract=marked.id if isinstance(marked, Contract) else None,
    )
