"""What is done every night (``nightly``): everything verified, what is too old let go, the home backed up (SPEC 13.1, 13.15).

One at a time, each on its own: what one finds or fails at keeps no other from its work.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from functools import wraps

from crmservice.errors import TryLater
from crmservice.notices import note
from crmservice.service import upkeep, wiring
from crmservice.service.retaining import Retaining
from crmservice.service.scheduled import Context, Run, Scheduled
from crmservice.service.verifying import Verified
from crmservice.store import jobs
from crmservice.store.ledger import Difference
from crmservice.words import Words, joined

DAMAGE = frozenset({"size", "checksum", "audit", "database"})
"""Kinds of differences that say something kept was damaged; the others say that the ledger does not add up."""

TOLD = 20
"""Differences that a notice names."""

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
    """Hold everything against what is known of it; a notice says what differs."""
    last = jobs.read("verify")
    before = last.result.get("waiting") if last is not None else None
    raw = wiring.raw_mail(context.settings)
    found = upkeep.verified(
        raw, context.home, context.boxes, quick=False, server=True, told=_told(context), before=before
    )
    _tell(found)
    return {
        "messages": found.messages,
        "differences": len(found.differences),
        "away": len(found.away),
        "waiting": {place: list(ids) for place, ids in found.waiting.items()},
    }


def _tell(found: Verified) -> None:
    damage = [one for one in found.differences if one.kind in DAMAGE]
    others = [one for one in found.differences if one.kind not in DAMAGE]
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
RETAIN = Scheduled("retention", None, retain)
BACK_UP = Scheduled("backup", None, back_up)
