"""The folder of the old service, CRMService.exe: checked, and its history taken in (SPEC 13.14).

Its XML files and ``Config`` are ours as they stand; ``POP3Downloads`` is its backup of every mail, by day. Each mail becomes
an arrival of its day and is filed by today's rules, in the mode that its box's XML says.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from crmservice.backup import Found, RawMail
from crmservice.backup.directory import make_folder
from crmservice.backup.folder import BackupFolder
from crmservice.config import Box, box_files
from crmservice.errors import BadConfiguration
from crmservice.pipeline.gateway import Outcome
from crmservice.service import cycle, wiring
from crmservice.service.adopting import Adopting, by_arrival
from crmservice.service.box_work import BoxWork
from crmservice.service.child import Life
from crmservice.service.cycle import Cycle
from crmservice.service.health import Say

if TYPE_CHECKING:
    from crmservice.service.wiring import Configured

Progress = Callable[[int, int], None]
"""Shows how many of how many messages are done."""

SOURCE = "migrated"
OAUTH = Path("Config", "MicrosoftOAuth.json")


@dataclass(frozen=True, slots=True)
class OldFolder:
    """What the old folder holds. ``first`` and ``last``: days of its mails, empty where there are none."""

    folder: Path
    boxes: int
    mails: int
    size: int
    first: str
    last: str
    oauth: bool


def look(folder: Path) -> OldFolder:
    """Look at an old folder. Raises BadConfiguration where it is none."""
    if not folder.is_dir():
        raise BadConfiguration("{folder} is no folder: name the one of CRMService.exe", folder=folder)
    xml = box_files(folder)
    mails = list(by_arrival(BackupFolder(folder)))
    if not xml and not mails:
        raise BadConfiguration(
            "{folder} holds neither a box's XML file nor POP3Downloads: name the folder of CRMService.exe",
            folder=folder,
        )
    days = [Path(file.path).parent.name for file in mails]
    return OldFolder(
        folder, len(xml), len(mails), sum(file.size for file in mails), min(days, default=""), max(days, default=""),
        (folder / OAUTH).is_file(),
    )  # fmt: skip


def take_over(folder: Path, home: Path) -> list[str]:
    """Copy the old configuration into the home, where it is another folder; nothing that is there is replaced.

    Returns the names of what was copied.
    """
    make_folder(home)
    if home.resolve() == folder.resolve():
        return []
    wished = [
        *(path.relative_to(folder) for path in box_files(folder)),
        *([OAUTH] if (folder / OAUTH).is_file() else []),
    ]
    new = [name for name in wished if not (home / name).exists()]
    for name in new:
        make_folder((home / name).parent)
        shutil.copyfile(folder / name, home / name)
        (home / name).chmod(0o600)
    return [name.as_posix() for name in new]


@dataclass
class History:
    """Takes the old backup's mails into the home's inbox; run again, it goes on where it stopped."""

    folder: Path
    found: Configured
    told: Callable[[int, int], None] = field(default=lambda _done, _total: None)
    stopping: Callable[[], bool] = field(default=lambda: False)

    def take(self) -> int:
        """Returns how many were new. Raises BackupFailed, DatabaseUnavailable or BadConfiguration."""
        raw = wiring.raw_mail(self.found.settings)
        same = self.folder.resolve() == self.found.home.resolve()
        old: RawMail = raw if same else BackupFolder(self.folder)
        files = [file for file in by_arrival(old) if file.path.lower().endswith(".eml")]
        adopting = Adopting(raw, _boxes(self.found.boxes), SOURCE)
        for done, file in enumerate(_unknown(files), 1):
            if self.stopping():
                break
            adopting.take(old, file)
            self.told(done, len(files))
        adopting.write()
        return adopting.count


def _boxes(boxes: Sequence[Box]) -> Sequence[Box]:
    if not boxes:
        raise BadConfiguration("no box can be used: mend its XML first (crmservice check)")
    return boxes


def _unknown(files: Sequence[Found]) -> list[Found]:
    """Those that no row names yet."""
    from crmservice.store import inbox

    new = set(inbox.without_row([file.path for file in files]))
    return [file for file in files if file.path in new]


@dataclass(frozen=True, slots=True)
class Migrated:
    """How many mails were new, and how many were filed. ``nobody``: no users are loaded, so that none was."""

    taken: int
    filed: int
    nobody: bool


def migrate(folder: Path, home: Path, life: Life, say: Say, progress: Progress) -> Migrated:
    """Take the history in and file it. Raises BadConfiguration, LeaseHeld, Leave.

    While there are no users nothing is filed, as it would be filed for nobody.
    """
    from crmservice.store import people

    begun = cycle.begin(home, life, say)
    with contextlib.ExitStack() as leases:
        held = []
        for box in begun.found.boxes:
            held.append((box, cycle.take_lease(box)))
            leases.callback(held[-1][1].release)
        taken = History(folder, begun.found, progress, life.stop).take()
        if not people.anybody():
            return Migrated(taken, 0, nobody=True)
        filing = Filing(begun, progress, taken)
        for box, lease in held:
            BoxWork(box, begun.found.settings, lease, life, begun.log, filing.report).file()
    return Migrated(taken, filing.done, nobody=False)


@dataclass
class Filing:
    """Writes what became of the mails into the log, and counts them."""

    begun: Cycle
    progress: Progress
    expected: int
    done: int = 0

    def report(self, box: Box, outcomes: Sequence[Outcome]) -> None:
        """Report a batch."""
        self.done += len(outcomes)
        self.begun.log.messages(box, outcomes)
        self.progress(self.done, max(self.done, self.expected))
