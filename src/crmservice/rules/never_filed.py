"""Mail of the works council, a doctor or a lawyer is never filed (``neverFile``): only its headers are kept."""

from __future__ import annotations

from crmservice.mail.listed import is_listed
from crmservice.pipeline.rule import Answer, Case, not_mine, stop


def never_filed(case: Case) -> Answer:
    """Stop mail with a ``neverFile`` address or domain among its sender and recipients."""
    if not case.box.never_file:
        return not_mine("nobody-listed")
    sender = (case.sender.email,) if case.sender else ()
    listed = any(is_listed(address, case.box.never_file) for address in (*sender, *case.message.recipients))
    return stop("NEVER FILED", "DELETED", because="listed") if listed else not_mine("nobody-listed")
