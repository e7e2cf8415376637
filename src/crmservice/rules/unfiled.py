"""15.11  Mail that concerns no user makes no activity; it stays in the inbox list with this reason."""

from __future__ import annotations

from crmservice.pipeline.rule import Answer, Case, stop


def unfiled(case: Case) -> Answer:
    """Stop whatever no rule before has filed."""
    return stop("DELETED", because="no-user", direction=str(case.found.direction))
