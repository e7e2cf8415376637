"""Mail among colleagues only, where ``internalMail=skip``."""

from __future__ import annotations

from crmservice.pipeline.rule import Answer, Case, not_mine, stop


def internal_mail(case: Case) -> Answer:
    """Stop mail whose sender and recipients are all of our domains."""
    if case.box.internal_mail != "skip":
        return not_mine("not-skipped", setting=case.box.internal_mail)
    sender = case.sender.email if case.sender else ""
    if case.message.recipients and all(map(case.ours, (sender, *case.message.recipients))):
        return stop("INTERNAL MAIL", "DELETED", because="colleagues-only")
    return not_mine("somebody-outside")
