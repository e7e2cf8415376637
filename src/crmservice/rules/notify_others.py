"""15.5  The CRM's own automatic mail that informs colleagues is no contact with a customer.

With ``rules=safe`` it must come from our domains and be no reply or forward: a customer may quote it.
"""

from __future__ import annotations

from crmservice.mail import prefixes
from crmservice.mail.text import fold
from crmservice.pipeline.rule import Answer, Case, not_mine, stop


def notify_others(case: Case) -> Answer:
    """Stop mail with the automatic sentence and a subject of such notices."""
    log = _log_word(case)
    if not log:
        return not_mine("subject-other")
    body = fold(case.message.text)
    if not any(fold(sentence) in body for sentence in case.words.automatic):
        return not_mine("sentence-missing")
    if case.safe and not _ours_and_original(case):
        return not_mine("foreign-or-reply")
    return stop(log, "DELETED", because="automatic-notice")


def _log_word(case: Case) -> str:
    subject = case.message.subject
    if prefixes.begins_with(subject, case.words.info_about) is not None:
        return "Inform other users..."
    folded = fold(subject)
    return "Notify other users..." if any(fold(word) in folded for word in case.words.details) else ""


def _ours_and_original(case: Case) -> bool:
    found, _ = prefixes.strip(case.message.subject, case.words)
    return case.sender is not None and case.ours(case.sender.email) and not found
