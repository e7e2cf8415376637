"""15.11  An outgoing mail, or an incoming one that nobody is responsible for, is filed for its sender."""

from __future__ import annotations

from crmservice.crm.records import Direction
from crmservice.pipeline.filing import file
from crmservice.pipeline.rule import Answer, Case, not_mine, stop


def outgoing(case: Case) -> Answer:
    """Stop a user's mail with his one activity made, linked to everybody he wrote to."""
    if case.only_for is not None:
        return not_mine("is-duplicate")
    user = case.user(case.sender.email) if case.sender else None
    if user is None:
        return not_mine("sender-no-user")
    if user.id in case.found.left_out:
        return stop("NEVER FILED", "DELETED", because="listed-by-all")
    own = case.found.own.responsible if case.found.own else None
    user = own or user
    recipients = tuple(address for address in case.message.recipients if not case.is_box(address))
    intents = file(case, Direction.OUTGOING, (user,), recipients)
    return stop("PROCESSED", because="filed", intents=intents, responsible=[user.login])
