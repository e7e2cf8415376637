"""What is done every night (``nightly``): everything verified, what is too old let go, the home backed up (SPEC 13.1, 13.15).

One at a time, each on its own: what one finds or fails at keeps no other from its work.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import time
from functools import wraps

from crmservice.config import paused
from crmservice.errors import TryLater
from crmservice.notices import note
from crmservice.service import upkeep, wiring
from crmservice.service.at_source import AtSource
from crmservice.service.retaining import Retaining
from crmservice.service.scheduled import Context, Run, Scheduled, daily
from crmservice.service.verifying import Verified
from crmservice.store import jobs
from crmservice.store.ledger import Difference
from crmservice.words import Words, joined

DAMAGE = frozenset({"size", "checksum", "audit", "database"})
"""Kinds of differences that say something kept was damaged; the others say that the ledger does not add up."""

TOLD = 20
"""Differences that a notice names."""

RESTING = "resting"
"""In what verify came to: the boxes that had their pause."""

_LOCK = threading.Lock()


class Stopped(TryLater):
    """The service ends; the next night goes on."""


def _one_at_a_time(run: Run) -> Run:
    @wraps(run)
    def alone(context: Context) -> Mapping[str, object]:
        with _LOCK:
            return run(context)

    return alone


def _told(context: Context) -> Callable[[int, int], None]:
    """Ends long work where the service is to end."""

    def tell(_done: int, _total: int) -> None:
        if context.stopping():
            raise Stopped("stopped with the service")

    return tell


@_one_at_a_time
def verify(context: Context) -> Mapping[str, object]:
    """Hold everything against what is known of it; a notice says what differs. Boxes in their pause are left alone."""
    raw = wiring.raw_mail(context.settings)
    resting = [box.name for box in context.boxes if paused(box, context.now())]
    awake = [box for box in context.boxes if box.name not in resting]
    found = upkeep.verified(
        raw, context.home, awake, quick=False, server=True, told=_told(context), before=_waited("verify")
    )
    _tell(found.differences)
    came_to = {"messages": found.messages, **_at_servers(found)}
    return {**came_to, RESTING: resting} if resting else came_to


@_one_at_a_time
def look_at_mailboxes(context: Context) -> Mapping[str, object]:
    """List the mailboxes that had their pause when everything was verified."""
    verified = jobs.read("verify")
    rested = verified.result.get(RESTING, ()) if verified is not None else ()
    boxes = [box for box in context.boxes if box.name in rested and not paused(box, context.now())]
    found = upkeep.at_servers(boxes, context.home, _waited("mailboxes"))
    _tell(found.differences)
    return _at_servers(found)


def _waited(job: str) -> Mapping[str, Collection[str]]:
    """What waited in the mailboxes when this job looked last."""
    last = jobs.read(job)
    return last.result.get("waiting", {}) if last is not None else {}


def _at_servers(found: Verified | AtSource) -> Mapping[str, object]:
    return {
        "differences": len(found.differences),
        "away": len(found.away),
        "waiting": {place: list(ids) for place, ids in found.waiting.items()},
    }


def _tell(found: Collection[Difference]) -> None:
    damage = [one for one in found if one.kind in DAMAGE]
    others = [one for one in found if one.kind not in DAMAGE]
    for kind, differences in (("verify", damage), ("ledger-difference", others)):
        if differences:
            note(kind, what=_named(differences))


def _named(differences: Iterable[Difference]) -> Words:
    words = [one.words for one in differences]
    more = [Words("and {count} more", count=len(words) - TOLD)] if len(words) > TOLD else []
    return joined("\n", [*words[:TOLD], *more])


@_one_at_a_time
def retain(context: Context) -> Mapping[str, object]:
    """Let go of what is too old; nothing where no retention is set."""
    zone = context.settings.zone
    work = Retaining(
        wiring.raw_mail(context.settings),
        context.settings.retention,
        lambda: context.now().astimezone(zone),
        context.stopping,
    )
    return dict(work.run("service", "job"))


@_one_at_a_time
def back_up(context: Context) -> Mapping[str, object]:
    """Back the home up into ``backup_to``; nothing where it is not set. A notice says why it failed."""
    settings = context.settings
    if settings.backup_to is None:
        return {}
    try:
        made = upkeep.backed_up(settings, settings.backup_to, "service", "job", _told(context), context.stopping)
    except Stopped:
        raise
    except Exception as fault:
        note("backup", fault=getattr(fault, "words", type(fault).__name__))
        raise
    if made.spoilt:
        note("verify", what=_named([Difference("checksum", path, _SPOILT) for path in made.spoilt]))
    return {"folder": made.folder.name, "messages": made.messages, "mails": made.mails, "spoilt": len(made.spoilt)}


_SPOILT = Words("it is not as it arrived, and was not backed up")

VERIFY = Scheduled("verify", None, verify)
MAILBOXES = Scheduled("mailboxes", daily(time(14, 30)), look_at_mailboxes)
RETAIN = Scheduled("retention", None, retain)
BACK_UP = Scheduled("backup", None, back_up)
