"""Junk, newsletters and strangers go to lists of their own where the box asks for it.

``bulkMail=list`` looks at headers, ``onlyKnownSenders=true`` at the address book. A bounce is neither: it
tells about our own mail.
"""

from __future__ import annotations

from crmservice.pipeline.people import counterparty, known
from crmservice.pipeline.rule import Answer, Case, not_mine, stop


def bulk(case: Case) -> Answer:
    """Stop bulk mail, and mail of people in no address book, where the box keeps them apart."""
    if case.message.bounce is not None:
        return not_mine("not-kept-apart", source=case.message.bounce.source)
    if case.box.bulk_mail == "list" and case.message.bulk:
        return stop("BULK", "DELETED", because="bulk-header", header=case.message.bulk)
    if case.box.only_known_senders and not any(known(case, address) for address in counterparty(case)):
        return stop("UNKNOWN SENDER", "DELETED", because="in-no-address-book")
    return not_mine("not-kept-apart")
