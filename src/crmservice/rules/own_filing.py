"""An administrator's own rules that file mail: under a contract, order or task, with a type and scope, for somebody.

The first one that fits decides. What the mail's own markers say stands; the rule fills what they leave open. Its scope and
its responsible person hold whatever the mail says.
"""

from __future__ import annotations

from dataclasses import replace

from crmservice.crm.own_rules import OwnRule, first_match
from crmservice.pipeline.rule import Answer, Assignment, Case, go_on, not_mine


def own_filing(case: Case) -> Answer:
    """Go on with what an own rule says of this mail."""
    if case.only_for is not None:
        return not_mine("is-duplicate")
    rule = first_match(case.directory.own_rules, case.message, skip=False)
    if rule is None:
        return not_mine("no-own-rule-fits" if case.directory.own_rules else "no-own-rule")
    found = replace(case.found, assignment=_filled(case.found.assignment, rule), own=rule)
    return go_on("own-rule", found=found, name=rule.name)


def _filled(assignment: Assignment, rule: OwnRule) -> Assignment:
    return replace(
        assignment,
        contract=assignment.contract if assignment.contract is not None else rule.contract,
        order=assignment.order if assignment.order is not None else rule.order,
        task=assignment.task or rule.task,
    )
