"""How a mail becomes activities: what each holds (SPEC chapter 4, "An activity holds"). Asked by rules 13 and 14."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from crmservice.crm.records import NO_SCOPE, CreateActivity, Direction, Intent, JoinThread, Suggest, User
from crmservice.pipeline.assignment import own_thread, threads_of
from crmservice.pipeline.people import accounts_of, contacts_of, suggested_accounts
from crmservice.pipeline.rule import Case

EMAIL = "E-mail"


def file(case: Case, direction: Direction, responsible: Iterable[User], addresses: Iterable[str]) -> tuple[Intent, ...]:
    """One activity for each responsible user, linked to everybody with these addresses."""
    addresses = tuple(addresses)
    activities = [_activity(case, direction, user, addresses) for user in responsible]
    suggestions = (*suggested_accounts(case, addresses), *case.found.assignment.suggestions)
    return (_thread(case), *activities, *suggestions, *_quoted_original(case))


def _quoted_original(case: Case) -> tuple[Suggest, ...]:
    """A colleague forwarded a mail as a quoted block: filing it as that incoming mail is a suggestion (SPEC chapter 4)."""
    quoted = case.reading.quoted
    if quoted is None or quoted.sender is None or case.sender is None or case.user(case.sender.email) is None:
        return ()
    address = quoted.sender.email
    payload = {
        "name": quoted.sender.name,
        "subject": quoted.subject,
        "sent": quoted.sent.isoformat() if quoted.sent else None,
        "contacts": list(contacts_of(case, (address,))),
        "accounts": list(accounts_of(case, (address,))),
    }
    return (Suggest("forwarded", address, payload),)


def _activity(case: Case, direction: Direction, user: User, addresses: tuple[str, ...]) -> CreateActivity:
    assigned = case.found.assignment
    sent = case.message.sent or case.arrived
    due, completed = _dates(case, direction, sent)
    return CreateActivity(
        responsible=user.id,
        direction=direction,
        type=_type(case, direction),
        scope=scope_of(case, direction, user.level),
        sent=sent,
        due=due,
        completed=completed,
        contacts=contacts_of(case, addresses),
        accounts=accounts_of(case, addresses),
        contract=assigned.contract,
        order=assigned.order,
        task=assigned.task or case.found.new_task,
        thread=_thread(case).thread,
        unverified=bool(case.box.authserv_ids) and not case.sender_verified,
        keep_original=case.sender is not None and case.listed(case.sender.email, case.box.save_originals_from),
    )


def _type(case: Case, direction: Direction) -> str:
    """The marker's type where a mail may set one, else an own rule's (SPEC chapters 5 and 13.12)."""
    marked = case.found.assignment.type if direction is Direction.OUTGOING else None
    return marked or (case.found.own.type if case.found.own else None) or EMAIL


def _dates(case: Case, direction: Direction, sent: datetime) -> tuple[datetime | None, datetime | None]:
    """Due and completed: a bounce stays open, incoming mail too where it is saved as pending (manual 7, 13)."""
    automatic = case.safe and case.message.auto_reply
    pending = direction is Direction.INCOMING and case.box.save_incoming_as_pending and not automatic
    return (sent if pending else None), (None if pending or case.found.bounced else sent)


def scope_of(case: Case, direction: Direction, level: int | None) -> str:
    """The scope: private mail is ``p-``, then an own rule's, the marker's, the level of the responsible person's role."""
    default = NO_SCOPE if level is None else f"p{level}"
    if case.message.private or (case.box.internal_mail == "private" and _internal(case)):
        return NO_SCOPE
    if case.found.own is not None and case.found.own.scope is not None:
        return case.found.own.scope
    wished = case.found.assignment.scope
    if wished is None:
        return default
    narrows_only = case.safe and direction is Direction.INCOMING
    return wished if not narrows_only or _narrower(wished, level) else default


def _narrower(wished: str, level: int | None) -> bool:
    """Incoming mail may narrow its scope but not widen it (SPEC chapter 6): fewer see a smaller level."""
    return wished == NO_SCOPE or (level is not None and int(wished[1:]) <= level)


def _internal(case: Case) -> bool:
    people = (*case.message.recipients, case.sender.email if case.sender else "")
    return all(map(case.ours, people))


def _thread(case: Case) -> JoinThread:
    """The oldest known thread the mail answers, or a new one of its own; several are shown to be one."""
    known = [thread.id for thread in threads_of(case)]
    return JoinThread(known[0], tuple(known[1:])) if known else JoinThread(own_thread(case))
