"""What comes to its end: certificates, the client secret, the room of a mailbox (SPEC 13.7). A job, and ``check``."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from crmservice.config import Box, microsoft_oauth, oauth_path, paused
from crmservice.errors import CrmServiceError
from crmservice.notices import note
from crmservice.service import certificates, wiring
from crmservice.service.scheduled import Context, Scheduled, daily
from crmservice.sources import Measured
from crmservice.tls import Timeouts, tls_context
from crmservice.words import Words

if TYPE_CHECKING:
    from crmservice.store.jobs import Last

DAYS = (0, 1, 7, 30)
"""So many days before, each once; 0 when it has ended."""

FULL = (90, 80)
"""So many percent of a mailbox; told once a week while it lasts."""

WAITS = Timeouts(connect=10, read=10, session=30)


@dataclass(frozen=True, slots=True)
class Ending:
    """Something that ends. ``key`` names it; ``ends`` is None where it has ended, ``percent`` how full it is."""

    box: str
    key: str
    what: Words
    ends: datetime | None = None
    percent: int | None = None

    def step(self, now: datetime) -> int | None:
        """The last of the steps that was passed; None while there is time."""
        if self.percent is not None:
            return next((step for step in FULL if self.percent >= step), None)
        left = (self.ends - now) / timedelta(days=1) if self.ends is not None else 0
        return next((step for step in DAYS if left <= step), None)

    def words(self, now: datetime) -> Words:
        """What it is, and when it ends."""
        if self.percent is not None:
            return Words("{what} is {percent} % full", what=self.what, percent=self.percent)
        if self.ends is None or self.ends <= now:
            return Words("{what} has expired", what=self.what)
        days = (self.ends - now) // timedelta(days=1)
        return Words(
            "{what} is good until {date} (days left: {days})", what=self.what, date=self.ends.date(), days=days
        )


def endings(box: Box, home: Path, waits: Timeouts = WAITS) -> Iterator[Ending]:
    """Everything of a box that has an end, as far as it can be known now; a server that is away is told elsewhere."""
    yield from _certificates(box, waits)
    yield from _secret(box, home)
    yield from _room(box, home, waits)


def _certificates(box: Box, waits: Timeouts) -> Iterator[Ending]:
    for protocol, endpoint in (("pop3", box.pop3), ("imap", box.imap), ("smtp", box.smtp)):
        if endpoint is None or endpoint.security == "plain":
            continue
        server = f"{endpoint.host}:{endpoint.port}"
        ending = Ending(box.name, f"certificate {server}", Words("the certificate of {server}", server=server))
        try:
            ends = certificates.of_server(endpoint, protocol, tls_context(box.tls_ca_file), waits)
        except certificates.Expired:
            yield ending
        except (OSError, ValueError):
            continue
        else:
            yield Ending(ending.box, ending.key, ending.what, ends)
    if box.smtp_listen_cert is not None:
        file = box.smtp_listen_cert
        try:
            ends = certificates.of_file(file)
        except (OSError, ValueError):
            return
        yield Ending(box.name, f"certificate {file}", Words("the certificate {file}", file=file), ends)


def _secret(box: Box, home: Path) -> Iterator[Ending]:
    """The client secret, where MicrosoftOAuth.json says when it ends: no server does. It is good through that day."""
    found, _faults = microsoft_oauth(box.root_path, home, os.environ)
    if found is not None and found.client_secret_expires is not None:
        file = oauth_path(box.root_path, home)
        what = Words("the client secret of {client} ({file})", client=found.client_id, file=file)
        yield Ending(box.name, f"secret {file}", what, _end_of(found.client_secret_expires))


def _end_of(day: date) -> datetime:
    return datetime.combine(day, time.max, UTC)


def _room(box: Box, home: Path, waits: Timeouts) -> Iterator[Ending]:
    try:
        sources = wiring.sources(box, home, waits)
    except CrmServiceError:
        return
    for source in sources:
        try:
            rooms = source.room() if isinstance(source, Measured) else ()
        except CrmServiceError:
            continue
        finally:
            source.close()
        for room in rooms:
            what = Words("the mailbox of {box} ({name})", box=box.name, name=room.name)
            yield Ending(box.name, f"room {box.name} {room.name}", what, percent=room.percent)


def all_endings(boxes: Iterable[Box], home: Path, waits: Timeouts = WAITS) -> list[Ending]:
    """Those of all boxes, each once: boxes may share a server."""
    found: dict[str, Ending] = {}
    for box in boxes:
        for ending in endings(box, home, waits):
            found.setdefault(ending.key, ending)
    return list(found.values())


def tell(found: Iterable[Ending], now: datetime) -> int:
    """Note what has come to its next step; how many these are."""
    told = 0
    for ending in found:
        step = ending.step(now)
        if step is None:
            continue
        year, week, _day = now.isocalendar()
        round_ = f"{year}-{week}" if ending.percent is not None else str(ending.ends.date() if ending.ends else "")
        note("expiry", ending.box, f"{ending.key} {round_} {step}", once=True, what=ending.words(now))
        told += 1
    return told


def watch(context: Context) -> Mapping[str, object]:
    """Look at everything that ends; at the servers of boxes in their pause another time."""
    found = all_endings([box for box in context.boxes if not paused(box, context.now())], context.home)
    return {"seen": len(found), "soon": tell(found, context.now())}


_MORNING, _EVENING = daily(time(7, 30)), daily(time(19, 30))


def _due(now: datetime, last: Last | None) -> bool:
    """Twice a day: a box that has its pause at one of these times seldom has it at the other."""
    return _MORNING(now, last) or _EVENING(now, last)


WATCH = Scheduled("expiry", _due, watch)
