"""The home's configuration as the service holds it: a file that turns bad keeps its last good state (SPEC chapter 2)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from crmservice.config import Box, Fault, Settings, box_files, oauth_path
from crmservice.config.settings_file import NAME as SETTINGS_FILE
from crmservice.errors import BadConfiguration
from crmservice.service import files, wiring
from crmservice.words import Words

REREAD_S = 60.0
"""Everything is read again so often: what a ``file:`` secret holds is seen in no box's file."""

Stamp = tuple[str, int, int, int]
"""Name, time of the last change in ns, size and inode of a file; zeros where there is none."""


@dataclass(frozen=True, slots=True)
class Found:
    """What the home's files say now. ``boxes`` by name, the last good ones where a file is bad.

    ``bad``: what is wrong, by the box's name; "" is what is no box's own. ``beside``: stamps of the files that a box
    reads later (tokens, certificates). ``broken``: boxes with a fault, as far as they can be read.
    """

    settings: Settings
    boxes: dict[str, Box]
    bad: dict[str, Words] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    warnings: tuple[Fault, ...] = ()
    beside: dict[str, tuple[Stamp, ...]] = field(default_factory=dict)
    broken: tuple[Box, ...] = ()

    def good(self) -> list[str]:
        """The boxes whose file is in order."""
        return [name for name in self.boxes if name not in self.bad]


class Configuration:
    """Reads the home's files again when they change. Raises BadConfiguration at the first time alone."""

    def __init__(self, home: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._home, self._clock = home, clock
        self._stamps = stamps(home, ())
        found = wiring.configured(home)
        self.found = _found(found, {})
        self._stamps = stamps(home, self.found.boxes.values())
        self._read = clock()

    def renew(self, *, at_once: bool = False) -> bool:
        """Look at the files, and read them if one changed, or if told to; whether anything is different now."""
        now = stamps(self._home, self.found.boxes.values())
        if not at_once and now == self._stamps and self._clock() < self._read + REREAD_S:
            return False
        # Stamped before reading: what is written meanwhile is read again.
        self._stamps, self._read = now, self._clock()
        before, self.found = self.found, self._again()
        return self.found != before

    def _again(self) -> Found:
        try:
            return _found(wiring.configured(self._home), self.found.boxes)
        except BadConfiguration as fault:
            kept = self.found
            return Found(
                kept.settings, kept.boxes, {**kept.bad, "": fault.words}, kept.faults, kept.warnings, kept.beside
            )


def _found(read: wiring.Configured, before: dict[str, Box]) -> Found:
    bad = files.by_box(read.faults)
    there = {file.stem for file in _box_files(read.home)}
    kept = {name: box for name, box in before.items() if name in bad and name in there}
    boxes = {**{box.name: box for box in read.boxes}, **kept}
    beside = {name: tuple(map(_stamp, _beside(box, read.home))) for name, box in boxes.items()}
    return Found(read.settings, boxes, bad, read.faults, read.warnings, beside, read.broken)


def stamps(home: Path, boxes: Iterable[Box]) -> tuple[Stamp, ...]:
    """What is seen from outside of every file that the configuration comes from."""
    paths = [home / SETTINGS_FILE, *_box_files(home), *(path for box in boxes for path in _beside(box, home))]
    return tuple(map(_stamp, paths))


def _box_files(home: Path) -> list[Path]:
    try:
        return box_files(home)
    except OSError:
        return []


def _beside(box: Box, home: Path) -> list[Path]:
    """The files beside its own that a box needs."""
    logins = (box.pop3_login, box.imap_login, box.smtp_login)
    tokens = box.graph_mailbox or any(login is not None and login.oauth for login in logins)
    return [
        *([oauth_path(box.root_path, home)] if tokens else []),
        *([box.tls_ca_file] if box.tls_ca_file is not None else []),
    ]


def _stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError:
        return str(path), 0, 0, 0
    return str(path), status.st_mtime_ns, status.st_size, status.st_ino
