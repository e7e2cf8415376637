"""13  Addresses that a delivery report calls dead are marked broken; the report's activity stays open.

At most 50 from one mail, never our own. With ``rules=safe`` a report is believed only for something we sent
(SPEC 13.5): it quotes a Message-ID or an address that an outgoing activity knows; else it is a suggestion.
"""

from __future__ import annotations

from dataclasses import replace

from crmservice.crm.records import Intent, MarkAddress, Suggest
from crmservice.mail.message import Bounce, digest
from crmservice.pipeline.rule import Answer, Case, go_on, not_mine

MOST = 50


def bounce(case: Case) -> Answer:
    """Go on with the dead addresses of a report marked."""
    report = case.message.bounce
    if report is None:
        return not_mine("no-report")
    if not report.permanent:
        return not_mine("temporary", source=report.source)
    dead = [address for address in report.dead if not (case.ours(address) or case.user(address))][:MOST]
    quoted = _quotes_our_mail(case, report)
    marked = dead if case.only_for is None else []  # a duplicate's first copy has marked them
    intents = tuple(intent for address in marked for intent in _intent(case, address, quoted))
    found = replace(case.found, bounced=True)
    return go_on("report", *intents, found=found, source=report.source, failed=list(report.failed[:MOST]), dead=dead)


def _quotes_our_mail(case: Case, report: Bounce) -> bool:
    return any(digest(message_id) in case.directory.sent_ids for message_id in report.quoted_ids)


def _intent(case: Case, address: str, quoted: bool) -> tuple[Intent, ...]:
    if case.safe and not quoted and address not in case.directory.sent_to:
        return (Suggest("broken", address, {"because": "nothing-sent"}),)
    contacts = tuple(contact.id for contact in case.contacts(address))
    accounts = tuple(account.id for account in case.accounts(address))
    return (MarkAddress(address, "broken", contacts, accounts),)
