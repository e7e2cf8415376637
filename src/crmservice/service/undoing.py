"""What people take back, have processed after all, or accept: each is a change that can be taken back in its turn.

The command line and the pages come here; the store is connected by then (``wiring.connect``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crmservice.config import Box
from crmservice.errors import CrmServiceError
from crmservice.pipeline.gateway import Outcome
from crmservice.pipeline.process import Pipeline
from crmservice.service.limits import cpu_limit
from crmservice.service.replaying import Backup

if TYPE_CHECKING:
    from crmservice.store.undo import By, Undone


class NobodyResponsible(CrmServiceError):
    """The rules find nobody who is responsible for this message: somebody must be named."""


@dataclass(frozen=True, slots=True)
class Processed:
    """A message that was processed after all: its outcome, and the change that takes it back."""

    outcome: Outcome
    change: int


@dataclass(frozen=True, slots=True)
class AfterAll:
    """Processes mail that the rules left out. ``box`` gives a message's technology box by its name, ``report`` logs it."""

    box: Callable[[str], Box]
    backup: Backup
    pipeline: Pipeline
    report: Callable[[Box, Sequence[Outcome]], None]

    def process(self, message: int, by: By, responsible: str = "") -> Processed:
        """Decide a message from rule 7 on and write it down. ``responsible``: login of the user who gets it.

        Without one the rules find somebody. Raises NobodyResponsible, NotLeftOut with the reason, NoSuchUser, Crossed, or
        DatabaseUnavailable.
        """
        from crmservice.store import access, again, lookup

        users = lookup.users_by("login", [responsible] if responsible else [])
        if responsible and not users:
            raise access.NoSuchUser("there is no user {login!r}", login=responsible)
        row = again.left_out(message)
        box = self.box(row.box)
        raw = self.backup.read(row.path)
        with cpu_limit():
            reading = self.pipeline.read(raw, box)
        decision = self.pipeline.decide_after_all(box, row, reading, next(iter(users), None))
        if decision is None:
            raise NobodyResponsible(
                "message {id}: the rules find nobody who is responsible; name a user (--responsible LOGIN)", id=message
            )
        outcome = Outcome(row, box, decision)
        change = again.process_after_all(outcome, by)
        self.report(box, [outcome])
        return Processed(outcome, change)


def undo_messages(messages: Sequence[int], by: By, *, dry: bool = False) -> Undone:
    """Take back what these messages (or those of these activities) caused; ``dry``: only say what would be done."""
    from crmservice.store import undo

    return undo.undo_messages(messages, by, dry=dry)


def undo_change(change: int | None, by: By, *, dry: bool = False) -> Undone:
    """Take back what a change did; None: the newest one."""
    from crmservice.store import undo

    return undo.undo_change(undo.last_change() if change is None else change, by, dry=dry)


def accept(suggestion: int, by: By, choice: int | None = None) -> int:
    """Do what a suggestion proposes; returns the change. ``choice``: the account meant, where several are suggested."""
    from crmservice.store import accepting

    return accepting.accept(suggestion, by, choice)
