"""Our own notices and canaries are never processed: a loop of them would feed itself.

They carry an HMAC that nobody else can make (SPEC chapter 7); it is believed for 30 days from the mail's date on, so that
an old notice is no seal for whoever kept it. A canary's return is written down.
"""

from __future__ import annotations

from datetime import timedelta

from crmservice.crm.records import CanaryReturned
from crmservice.mail.own_notice import canary_token
from crmservice.pipeline.rule import Answer, Case, not_mine, stop

BELIEVED = timedelta(days=30)


def own_notice(case: Case) -> Answer:
    """Stop mail that carries our own HMAC header."""
    if not case.reading.own_notice:
        return not_mine("no-own-hmac")
    if case.message.sent is None or case.arrived - case.message.sent > BELIEVED:
        return not_mine("own-hmac-old")
    token = canary_token(case.message)
    intents = (CanaryReturned(token),) if token else ()
    return stop("OWN NOTICE", "DELETED", because="own-hmac", intents=intents)
