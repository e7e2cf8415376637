"""The chain: every rule in its place, with the reason for the place. The names are SPEC chapter 4's."""

from __future__ import annotations

from crmservice.pipeline.rule import Rule
from crmservice.rules.assignment import assignment
from crmservice.rules.bounce import bounce
from crmservice.rules.bulk import bulk
from crmservice.rules.direction import direction
from crmservice.rules.duplicate import duplicate
from crmservice.rules.ignored_subject import ignored_subject
from crmservice.rules.incoming import incoming
from crmservice.rules.internal_mail import internal_mail
from crmservice.rules.invalid_addresses import invalid_addresses
from crmservice.rules.invitation import invitation
from crmservice.rules.never_filed import never_filed
from crmservice.rules.new_task import new_task
from crmservice.rules.notify_others import notify_others
from crmservice.rules.opt_out import opt_out
from crmservice.rules.outgoing import outgoing
from crmservice.rules.own_filing import own_filing
from crmservice.rules.own_notice import own_notice
from crmservice.rules.own_rule import own_rule
from crmservice.rules.problem import problem
from crmservice.rules.system_sender import system_sender
from crmservice.rules.unfiled import unfiled

CHAIN: tuple[Rule, ...] = (
    Rule("own_notice", "", own_notice),  # first: a notice that comes back must touch nothing at all
    Rule("duplicate", "15.1", duplicate),  # before every effect: nothing twice
    Rule("problem", "15.2", problem),  # machine mail with effects of its own, before the filters of machine mail
    Rule("invalid_addresses", "15.3", invalid_addresses),  # from here on the sender can be relied upon to be there
    Rule("system_sender", "15.4", system_sender),
    Rule("notify_others", "15.5", notify_others),
    Rule("ignored_subject", "15.8", ignored_subject),
    Rule("never_filed", "", never_filed),  # what the company must not keep goes before what it may leave out
    Rule("internal_mail", "", internal_mail),
    Rule("bulk", "", bulk),
    Rule("own_rule", "", own_rule),  # the last of what leaves mail out: the product's own reasons come first
    Rule("opt_out", "13", opt_out),  # effects that stand whatever becomes of the mail; "process after all" starts here
    Rule("bounce", "13", bounce),
    Rule("new_task", "15.6", new_task),  # before the assignment: the activity belongs to the new task
    Rule("invitation", "14", invitation),
    Rule("assignment", "10-12", assignment),
    Rule("own_rule", "", own_filing),  # its other half, after the markers, which are about this one mail
    Rule("direction", "15.9", direction),  # after all that does not depend on it
    Rule("incoming", "15.10", incoming),
    Rule("outgoing", "15.11", outgoing),  # also takes the incoming mail that nobody is responsible for
    Rule("unfiled", "", unfiled),  # always stops
)
