"""Our own notices and canaries are never processed: a loop of them would feed itself.

They carry an HMAC of their Message-ID that nobody else can make (SPEC chapter 7).
"""

from __future__ import annotations

from crmservice.pipeline.rule import Answer, Case, not_mine, stop


def own_notice(case: Case) -> Answer:
    """Stop mail that carries our own HMAC header."""
    if case.reading.own_notice:
        return stop("OWN NOTICE", "DELETED", because="own-hmac")
    return not_mine("no-own-hmac")
