"""15.9  Mail to the box, or from our domain to others, is outgoing; else it is incoming.

A colleague's mail to exactly one recipient, of our domain, is incoming.
"""

from __future__ import annotations

from dataclasses import replace

from crmservice.crm.records import Direction
from crmservice.pipeline.rule import Answer, Case, go_on


def direction(case: Case) -> Answer:
    """Go on with the direction found."""
    way, code = _direction(case)
    return go_on(code, found=replace(case.found, direction=way), direction=str(way))


def _direction(case: Case) -> tuple[Direction, str]:
    recipients = case.message.recipients
    if case.forwarder is not None:
        return Direction.INCOMING, "forwarded-by-hand"
    if any(map(case.is_box, recipients)):
        return Direction.OUTGOING, "box-among-recipients"
    if case.sender is None or not case.ours(case.sender.email):
        return Direction.INCOMING, "sender-outside"
    if len(recipients) == 1 and case.ours(recipients[0]):
        return Direction.INCOMING, "colleague-to-colleague"
    return Direction.OUTGOING, "sender-ours"
