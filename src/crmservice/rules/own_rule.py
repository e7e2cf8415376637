"""An administrator's own rules that leave mail out; those that file it are asked after the assignment.

The first one that fits decides, in the order that the administrator gave them. The mail stays in the list of messages.
"""

from __future__ import annotations

from crmservice.crm.own_rules import first_match
from crmservice.pipeline.rule import Answer, Case, not_mine, stop


def own_rule(case: Case) -> Answer:
    """Stop mail that an own rule skips."""
    rule = first_match(case.directory.own_rules, case.message, skip=True)
    if rule is None:
        return not_mine("no-own-rule-fits" if case.directory.own_rules else "no-own-rule")
    return stop("OWN RULE", "DELETED", because="own-rule", name=rule.name)
