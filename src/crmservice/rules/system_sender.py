"""15.4  Mail of NET Genium itself, and of the box's ``serviceSenders``, is no contact with a customer."""

from __future__ import annotations

from crmservice.pipeline.rule import Answer, Case, not_mine, stop

SENDERS = frozenset({"license@netgenium.com", "error@netgenium.com"})


def system_sender(case: Case) -> Answer:
    """Stop mail whose sender is a system."""
    sender = case.sender.email if case.sender else ""
    if sender in SENDERS or case.listed(sender, case.box.service_senders):
        return stop("NET Genium", "DELETED", because="system-sender", address=sender)
    return not_mine("sender-other")
