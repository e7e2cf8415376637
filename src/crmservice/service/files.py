"""What the home's files say, told to whoever should know: a bad file is a box's state and a notice (SPEC chapter 2)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from crmservice.config import Fault
from crmservice.config.wording import UNKNOWN_KEY
from crmservice.errors import TryLater
from crmservice.notices import note
from crmservice.words import Words, joined


def by_box(faults: Iterable[Fault]) -> dict[str, Words]:
    """Everything that is wrong with each box's file, by the box's name; what is no box's own is under ""."""
    found: dict[str, list[Words]] = {}
    for fault in faults:
        found.setdefault(_box(fault), []).append(fault.words)
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


def tell_unknown_keys(warnings: Iterable[Fault]) -> bool:
    """A notice for each key that is not known, once for each change of its file. False: the database is away."""
    noted = [
        note(
            "unknown-key", _box(fault), f"{fault.file.name} {fault.key} {_content(fault)}", once=True,
            file=fault.place, key=fault.key, advice=fault.advice or "",
        )
        for fault in warnings
        if fault.message == UNKNOWN_KEY
    ]  # fmt: skip
    return all(noted)


def _box(fault: Fault) -> str:
    """The box whose file it is, or "" for what is no box's own."""
    return fault.file.stem if fault.file.suffix.lower() == ".xml" else ""


def _content(fault: Fault) -> str:
    """The file as it stands, in a word."""
    try:
        return hashlib.sha256(fault.file.read_bytes()).hexdigest()[:16]
    except OSError:  # the environment's variables are in no file
        return ""
