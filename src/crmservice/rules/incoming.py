"""15.10  An incoming mail makes one activity for each recipient who is a user, and for each shared address.

With ``rules=safe`` an outgoing mail whose sender is no user is tried as incoming: a customer's "reply to all"
with the box in copy is otherwise lost.
"""

from __future__ import annotations

from dataclasses import replace

from crmservice.crm.records import Direction, User
from crmservice.pipeline.filing import file
from crmservice.pipeline.people import all_users, counterparty, shared_users
from crmservice.pipeline.rule import Answer, Case, go_on, not_mine, stop


def incoming(case: Case) -> Answer:
    """Stop an incoming mail with its activities made; go on when nobody of its recipients is a user."""
    rerouted = case.found.direction is Direction.OUTGOING
    if rerouted and not _may_reroute(case):
        return not_mine("is-outgoing")
    words = ("REROUTED",) if rerouted else ()
    own = case.found.own.responsible if case.found.own else None
    own = None if own and own.id in case.found.left_out else own
    shared = () if own else shared_users(case)
    users = (own,) if own else _once((*all_users(case), *(user for user, _ in shared)))
    if not users and _left_out(case):
        return stop("NEVER FILED", "DELETED", because="listed-by-all")
    if not users:
        return go_on("nobody-is-user", log=words) if rerouted else not_mine("nobody-is-user")
    done = "PROCESSED" if case.only_for is None else "RECIPIENT ADDED"
    intents = (*(turn for _, turn in shared), *file(case, Direction.INCOMING, users, counterparty(case)))
    return stop(*words, done, because="filed", intents=intents, responsible=[user.login for user in users])


def _left_out(case: Case) -> bool:
    """Whether somebody would get the mail but for whom it is never filed."""
    everybody = replace(case, found=replace(case.found, left_out=frozenset()))
    return bool(case.found.left_out and (all_users(everybody) or shared_users(everybody)))


def _may_reroute(case: Case) -> bool:
    return case.safe and (case.sender is None or case.user(case.sender.email) is None)


def _once(users: tuple[User, ...]) -> tuple[User, ...]:
    return tuple({user.id: user for user in users}.values())
