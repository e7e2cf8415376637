"""15.8, 15.7  Subjects that the administrator wants left out (``ignoreSubject``); replies and forwards are not."""

from __future__ import annotations

from crmservice.mail import prefixes
from crmservice.mail.text import fold
from crmservice.pipeline.rule import Answer, Case, not_mine, stop


def ignored_subject(case: Case) -> Answer:
    """Stop mail whose subject contains an ``ignoreSubject`` value and does not begin Re:, Fwd: or FW:."""
    if not case.box.ignore_subjects:
        return not_mine("nothing-ignored")
    subject = fold(case.message.subject)
    value = next((value for value in case.box.ignore_subjects if fold(value) in subject), None)
    if value is None:
        return not_mine("subject-other")
    if prefixes.begins_with(case.message.subject, prefixes.SENT_ON) is not None:
        return not_mine("reply-or-forward", value=value)
    return stop("IGNORED SUBJECT", "DELETED", because="subject-ignored", value=value)
