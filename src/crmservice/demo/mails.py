"""The demo's mail: every rule and every log word of SPEC chapter 4 occurs (a test says so)."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from crmservice.demo import classic, colleagues, customers, machines, meetings
from crmservice.demo.sample import CLASSIC, CRM, Post, Sample, Says


class Chapter(NamedTuple):
    """Mails of one kind, all of one box."""

    title: Says
    box: str
    samples: tuple[Sample, ...]


ROOMS = (
    (customers, CRM, Says("Customers write", "Píší zákazníci")),
    (colleagues, CRM, Says("Colleagues write", "Píší kolegové")),
    (machines, CRM, Says("Machines write", "Píší stroje")),
    (meetings, CRM, Says("Invitations", "Pozvánky")),
    (classic, CLASSIC, Says("A second box, as the original worked", "Druhá schránka, jak pracovala původní služba")),
)

HIGHLIGHTS = frozenset({
    "poptavka-ctecky", "nabidka-ctecky", "nabidka-podruhe", "souhlas-s-nabidkou", "skryta-kopie-podruhe", "neposilat",
    "novy-ukol", "podvrzeny-reditel", "preposlano-jako-priloha", "problem-stav", "zprava-o-nedoruceni", "bomba",
    "pozvanka-zmena", "odpoved-vsem-klasik",
})  # fmt: skip
"""The mails that a picture shows."""


def chapters(start: date, notice_key: bytes) -> tuple[Chapter, ...]:
    """All mails by kind, in the order of their arrival.

    They are the same bytes for the same first day (a Monday) and the same key of our own notices.
    """
    post = Post(start, notice_key)
    return tuple(Chapter(title, box, tuple(room.samples(post))) for room, box, title in ROOMS)


def samples(start: date, notice_key: bytes) -> list[Sample]:
    """All mails in the order of their arrival."""
    return [sample for chapter in chapters(start, notice_key) for sample in chapter.samples]
