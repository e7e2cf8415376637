"""Would this suite find a fault? Eight are planted in a copy of the source, and eight must be found (TRUST.md C.0)."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import crmservice
from tests.faults import poison, strace
from tests.faults.disks import why_not
from tests.faults.fixtures import Figures
from tests.faults.place import mail
from tests.faults.scene import PATIENCE_S as PATIENCE_MOST_S
from tests.faults.scene import scene
from tests.faults.test_death import killed
from tests.faults.test_lease import together
from tests.faults.test_power import cut, on_disks
from tests.faults.test_syscalls import Striking
from tests.faults.warm import Warm, warm_parent

PATIENCE_S = 8.0
"""What a sound worker does in one."""

TURNS = 12
"""So often a campaign is begun anew where chance has to help; most are over after one or two."""


Find = Callable[[Warm, Path, Path], list[str]]


@dataclass(frozen=True)
class Bug:
    """In ``file``, ``right`` becomes ``wrong``; ``find`` looks for it and says what it saw, in which ``says`` must be."""

    file: str
    right: str
    wrong: str
    find: Find
    says: str


def _plain(warm: Warm, template: Path, folder: Path, patience: float = PATIENCE_S) -> list[str]:
    """Five mails over POP3, and nothing in the way."""
    with scene(warm, template, folder / "home", "pop3", twice=0, broken=0, large=0) as one:
        one.fill(5)
        return one.settle(patience)


def _early(warm: Warm, template: Path, folder: Path) -> list[str]:
    """The same, with all the time that it takes: the server sees it."""
    return _plain(warm, template, folder, PATIENCE_MOST_S)


def _poison(warm: Warm, template: Path, folder: Path) -> list[str]:
    """A mail that kills its reader, among others."""
    with scene(warm, template, folder / "home", "pop3", twice=0, broken=0, large=0) as one:
        bad = mail(0, extra=f"{poison.HEADER.decode()}crash\r\n")
        one.place.deliver([*one.mails.some(3), bad, *one.mails.some(3)])
        return one.settle(PATIENCE_S)


def _kills(warm: Warm, template: Path, folder: Path) -> list[str]:
    """Deaths at random moments, on a server that gives a message's id to another one as soon as it is free."""
    with scene(warm, template, folder / "home", "pop3", broken=0, large=0) as one:
        return _again(lambda turn: killed(one, 10 * turn))


def _power(warm: Warm, template: Path, folder: Path) -> list[str]:
    """Power cuts, the backup and the database on two disks."""
    if reason := why_not("ext4-ordered"):
        pytest.skip(reason)
    with on_disks(warm, template, "pop3", "ext4-ordered") as (one, outer, inner):
        return _again(lambda _turn: cut(one, outer, inner, 5))


def _failing_sync(warm: Warm, template: Path, folder: Path) -> list[str]:
    """Each sync fails once."""
    if reason := strace.why_not():
        pytest.skip(reason)
    striking = Striking(warm, template, folder, "pop3")
    strikes = [("fsync", number) for number in range(1, TURNS)]
    return _again(lambda turn: striking.failure(strikes[turn - 1], "EIO"), len(strikes))


def _two_workers(warm: Warm, template: Path, folder: Path) -> list[str]:
    """Two workers want the same box."""
    with scene(warm, template, folder / "home", "pop3", twice=0, broken=0, large=0) as one:
        return _again(lambda _turn: together(one, PATIENCE_S))


def _again(look: Callable[[int], list[str]], turns: int = TURNS) -> list[str]:
    """Look until something is wrong, so many times at most."""
    return next((wrong for turn in range(1, turns + 1) if (wrong := look(turn))), [])


BUGS = {
    "no sync of the folder": Bug(
        "backup/directory.py", "        os.fsync(self._folder)\n", "        pass\n", _power, "files, not"
    ),
    "a commit that is not synced": Bug(
        "store/database.py",
        "WAL; PRAGMA synchronous = FULL",
        "WAL; PRAGMA synchronous = NORMAL",
        _power,
        "in the inbox as",
    ),
    "deleted before the commit": Bug(
        "service/capture.py",
        "            new = self._take(",
        "            source.confirm([mail.source_id for mail in batch])\n            new = self._take(",
        _early,
        "deleted before it was durable",
    ),
    "the attempt counted after reading": Bug(
        "service/filing.py",
        """        self.inbox.claim(ids)
        try:
            readings = [(row, self._read(box, row)) for row in batch]
""",
        """        try:
            readings = [(row, self._read(box, row)) for row in batch]
            self.inbox.claim(ids)
""",
        _poison,
        "not filed after",
    ),
    "no QUIT": Bug("sources/pop3/__init__.py", 'session.command(b"QUIT")', "pass", _plain, "not filed after"),
    "a failed sync tried again": Bug(
        "backup/folder.py",
        "        os.fsync(file)\n",
        """        try:
            os.fsync(file)
        except OSError:
            os.fsync(file)
""",
        _failing_sync,
        "after a sync of it failed",
    ),
    "known by its UIDL alone": Bug(
        "service/capture.py",
        " if stored == checksum), None)",
        " if stored or checksum), None)",
        _kills,
        "in the inbox as {}",
    ),
    "two workers without a lease": Bug(
        "store/locks.py",
        "    if _try_lock(descriptor):",
        "    if _try_lock(descriptor) or True:",
        _two_workers,
        "at a time",
    ),
}


def plant(bug: Bug, folder: Path) -> Path:
    """A copy of the source with the bug in it."""
    source = folder / "source"
    shutil.copytree(
        Path(crmservice.__file__).parent, source / "crmservice", ignore=shutil.ignore_patterns("__pycache__")
    )
    file = source / "crmservice" / bug.file
    text = file.read_text(encoding="utf-8")
    assert text.count(bug.right) == 1, f"{bug.file} has changed: plant this bug anew"
    file.write_text(text.replace(bug.right, bug.wrong), encoding="utf-8")
    return source


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_found(name: str, template: Path, tmp_path: Path, figures: Figures) -> None:
    bug = BUGS[name]
    with warm_parent(tmp_path / "said.txt", plant(bug, tmp_path)) as warm:
        found = bug.find(warm, template, tmp_path)
    assert any(bug.says in one for one in found), found
    figures("C.0", f"{name}: found")
