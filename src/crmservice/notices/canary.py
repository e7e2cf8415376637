"""The canary: a marked mail to each employee, which the forwarding brings back to the box (SPEC 13.6)."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Literal

from crmservice.config import Box
from crmservice.notices.channel import channel
from crmservice.notices.letter import Letter, seal
from crmservice.store import canaries, outgoing
from crmservice.store.canaries import Flown
from crmservice.store.database import writing
from crmservice.words import Translate, Words

ON_ITS_WAY = timedelta(hours=2)
"""A canary may take so long; later it is missed."""

BATCH = 50

State = Literal["back", "on-its-way", "lost", "never-sent"]


@dataclass(frozen=True, slots=True)
class Watched:
    """How the forwarding of an address fares. ``since``: since when canaries are lost, the first that nothing answered."""

    address: str
    state: State
    sent: datetime | None = None
    returned: datetime | None = None
    since: datetime | None = None


def routes(addresses: Iterable[str], boxes: Sequence[Box]) -> dict[str, Box]:
    """The box that sends each address its canary: one of its domain, with a mail server. Others get none.

    A technology box's own address gets none either: nobody forwards it.
    """
    own = {box.email for box in boxes}
    able = [box for box in boxes if box.smtp is not None]
    found = {}
    for address in addresses:
        domain = address.rpartition("@")[2]
        box = next((box for box in able if domain in box.our_domains), None)
        if box is not None and address not in own:
            found[address] = box
    return found


def release(to: Mapping[str, Box], key: bytes, now: datetime, translate: Translate, zone: tzinfo) -> None:
    """Put a canary for each address into the outbox, beside the row that waits for its return."""
    pairs = list(to.items())
    for start in range(0, len(pairs), BATCH):
        with writing():
            for address, box in pairs[start : start + BATCH]:
                _release(address, box, key, now, translate, zone)


def _release(address: str, box: Box, key: bytes, now: datetime, translate: Translate, zone: tzinfo) -> None:
    way = channel(box)
    assert way is not None
    token = secrets.token_hex(16)
    letter = Letter(way.sender, address, *_said(translate))
    mail = seal(letter, key, now, zone, token=token)
    outgoing.add(outgoing.New("canary", "", box.name, way.sender, address, mail.message_id, mail.raw), now)
    canaries.add(address, box.name, token, now)


def _said(translate: Translate) -> tuple[str, str]:
    """Subject and text: what it is, in one line, for the person who gets it."""
    subject = Words("CRMService: automatic test of mail forwarding")
    line = Words(
        "This is an automatic test of whether your mail reaches the CRM. You need not do anything; you may delete it."
    )
    return subject.translated(translate), line.translated(translate) + "\n"


def watched(addresses: Sequence[str], known: Iterable[Flown], now: datetime) -> list[Watched]:
    """How the forwarding of each address fares, in their order."""
    flown = {one.address: one for one in known}
    return [_watched(address, flown.get(address), now) for address in addresses]


def _watched(address: str, flown: Flown | None, now: datetime) -> Watched:
    if flown is None:
        return Watched(address, "never-sent")
    since = flown.waits_since
    if since is None:
        return Watched(address, "back", flown.sent, flown.returned)
    # A clock that was set back makes no canary late.
    state: State = "lost" if now - since > ON_ITS_WAY else "on-its-way"
    return Watched(address, state, flown.sent, flown.returned, since)
