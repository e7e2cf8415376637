"""14  An invitation in a mail becomes a record for each recipient who is a user, or changes it (SPEC chapter 8)."""

from __future__ import annotations

from crmservice.crm.invitations import decide_invitation
from crmservice.pipeline.people import all_users
from crmservice.pipeline.rule import Answer, Case, go_on, not_mine


def invitation(case: Case) -> Answer:
    """Go on with the invitations of the recipients made, changed or cancelled."""
    found = case.message.invitation
    if found is None:
        return not_mine("no-calendar")
    decided = decide_invitation(
        found,
        sender=case.sender.email if case.sender else "",
        may_change=case.may_command,
        users=tuple(user for user in all_users(case) if user.active),
        records=case.directory.invitations,
        our_domains=case.box.our_domains,
    )
    counts = dict(decided.codes)
    return go_on(decided.code, *decided.intents, method=found.method, uid=found.uid, codes=counts)
