"""Canaries as the command and the keeper send them, and what is told of those that do not come back (SPEC 13.6)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from crmservice.config import Box, Settings
from crmservice.errors import BadConfiguration
from crmservice.notices import note
from crmservice.service import mailing, wiring
from crmservice.service.log import ServiceLog
from crmservice.service.scheduled import Context, Scheduled, every
from crmservice.words import Words, in_language, joined

if TYPE_CHECKING:
    from crmservice.notices.canary import Watched
    from crmservice.notices.outbox import Sent

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SEND_S = 300.0
MOST_NAMED = 100


@dataclass(frozen=True, slots=True)
class Sending:
    """Canaries that were sent. ``left_out``: users' addresses that are of no domain of ours, or have no mail server."""

    sent: int
    waiting: int
    left_out: tuple[str, ...]
    faults: tuple[Words, ...]


def send(home: Path) -> Sending:
    """Send a canary to each active user. Raises BadConfiguration where there is nobody to send one to."""
    wiring.connect_to_read(home)
    found = wiring.configured(home)
    routes, left_out = _release(found.settings, found.boxes, wiring.now())
    if not routes:
        raise BadConfiguration(
            "no user's address is of a domain of a technology box with an smtpServer: there is nobody to send a canary to"
        )
    log = ServiceLog(home, found.settings.zone, wiring.now, found.settings.log)
    done: Sent = mailing.outbox(found.settings, found.boxes, log.notice).run(SEND_S)
    from crmservice.store import outgoing

    waiting = outgoing.waiting_for(routes)
    return Sending(len(routes) - waiting, waiting, left_out, tuple(done.faults))


def _release(settings: Settings, boxes: Sequence[Box], now: datetime) -> tuple[list[str], tuple[str, ...]]:
    from crmservice.notices import canary
    from crmservice.store import canaries, keys

    addresses = canaries.active_addresses()
    routes = canary.routes(addresses, boxes)
    canary.release(routes, keys.secret(mailing.KEY), now, in_language(settings.language), settings.zone)
    return list(routes), tuple(address for address in addresses if address not in routes)


def status(home: Path) -> list[Watched]:
    """How the forwarding of each active user of our domains fares."""
    wiring.connect_to_read(home)
    return _status(wiring.configured(home).boxes, wiring.now())


def _status(boxes: Sequence[Box], now: datetime) -> list[Watched]:
    from crmservice.notices import canary
    from crmservice.store import canaries

    addresses = list(canary.routes(canaries.active_addresses(), boxes))
    return canary.watched(addresses, canaries.flown(addresses), now)


def watch(context: Context) -> Mapping[str, object]:
    """Send canaries where their day has come; tell once a round whose did not come back within a day."""
    from crmservice.store import canaries

    sent = 0
    last = canaries.last_sent()
    wished = context.settings.canary_days
    if wished is not None and (last is None or abs(context.now() - last) >= timedelta(days=wished)):
        sent = len(_release(context.settings, context.boxes, context.now())[0])
        canaries.tidy(context.now())
    lost = [
        one
        for one in _status(context.boxes, context.now())
        if one.since is not None and context.now() - one.since > DAY
    ]
    if lost and last is not None and context.now() - last > DAY:
        named = [_named(one, context) for one in lost[:MOST_NAMED]]
        more = [Words("… and {n} more", n=len(lost) - MOST_NAMED)] if len(lost) > MOST_NAMED else []
        note("canary", "", last.date().isoformat(), once=True, addresses=joined("\n", [*named, *more]))
    return {"sent": sent, "lost": len(lost)}


def _named(one: Watched, context: Context) -> Words:
    assert one.since is not None
    days = max(1, (context.now() - (one.returned or one.since)).days)
    if one.returned is None:
        return Words(
            "{address}: no test mail ever came back; days since the first: {days}", address=one.address, days=days
        )
    return Words("{address}: days since the last test mail came back: {days}", address=one.address, days=days)


WATCH = Scheduled("canary", every(HOUR), watch)
