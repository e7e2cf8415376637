"""15.3  Mail nobody can answer, and mail to oneself, is noise."""

from __future__ import annotations

from crmservice.crm.directory import without_tag
from crmservice.pipeline.rule import Answer, Case, not_mine, stop


def invalid_addresses(case: Case) -> Answer:
    """Stop mail without a usable sender (a bounce may have none), or sent by somebody to themselves alone."""
    message = case.message
    if message.sender is None:
        if message.bounce is not None:
            return not_mine("bounce-without-sender")
        return stop(
            "SPAM", "DELETED", because="sender-unusable", problem=message.sender_problem, header=message.raw_from
        )
    if {_plain(case, address) for address in message.recipients} == {_plain(case, message.sender.email)}:
        return stop("SPAM", "DELETED", because="sent-to-self", address=message.sender.email)
    return not_mine("addresses-usable", sender=message.sender.email)


def _plain(case: Case, address: str) -> str:
    """The address; in our domains without its ``+tag`` where nobody has the exact one (SPEC chapter 4)."""
    return address if address in case.directory.users else without_tag(address, case.box.our_domains)
