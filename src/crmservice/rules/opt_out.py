"""13  Whoever asks for no more mail gets none: both permissions off, honoured always.

The subject, less Re:/Fwd: and the punctuation around it, *is* "do not send" or "I do not want".
"""

from __future__ import annotations

from crmservice.crm.records import MarkAddress
from crmservice.mail import prefixes
from crmservice.pipeline.rule import Answer, Case, go_on, not_mine


def opt_out(case: Case) -> Answer:
    """Go on with the sender's permissions taken off; an address that nobody has becomes forbidden."""
    if not prefixes.is_exactly(case.message.subject, case.words.opt_out, case.words):
        return not_mine("subject-other")
    if case.sender is None:
        return not_mine("no-sender")
    address = case.sender.email
    if case.ours(address) or case.user(address) is not None:
        return not_mine("our-own-address", address=address)
    return go_on("asked-for-no-mail", _mark(case, address), address=address, verified=case.may_command)


def _mark(case: Case, address: str) -> MarkAddress:
    contacts = tuple(contact.id for contact in case.contacts(address))
    accounts = tuple(account.id for account in case.accounts(address))
    return MarkAddress(address, "do_not_send", contacts, accounts, unverified=not case.may_command)
