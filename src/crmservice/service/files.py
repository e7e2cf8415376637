"""What the home's files say, told to whoever should know: a bad file is a box's state and a notice (SPEC chapter 2)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from crmservice.config import Fault
from crmservice.errors import TryLater
from crmservice.notices import note
from crmservice.words import Words, joined


def by_box(faults: Iterable[Fault]) -> dict[str, Words]:
    """Everything that is wrong with each box's file, by the box's name; what is no box's own is under ""."""
    found: dict[str, list[Words]] = {}
    for fault in faults:
        name = fault.file.stem if fault.file.suffix.lower() == ".xml" else ""
        found.setdefault(name, []).append(fault.words)
    return {name: joined("\n", words) for name, words in found.items()}


def tell(bad: Mapping[str, Words], good: Iterable[str]) -> bool:
    """Say of each box whether its file can be used; a notice for each that can't. False: the database is away."""
    from crmservice.store import box_state

    try:
        for name in good:
            box_state.good_file(name)
        for name, fault in bad.items():
            if name:
                box_state.bad_file(name, fault)
    except TryLater:
        return False
    noted = [note("box-file", name, fault=fault) for name, fault in bad.items()]
    return all(noted)
