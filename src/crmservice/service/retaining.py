"""Retention: what is older than its days goes, every night (SPEC 13.15). Nothing goes that no setting names.

``backups``: the raw mail goes, its message and what was made of it stay. ``unfiled``: mail of which nobody has an activity or
an invitation goes whole. ``personal``: every mail goes whole. A message's row stays counted in each case. What waits for its
verdict never goes, what was set aside only as personal data: somebody is to look at it. A legal hold stops all three.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from crmservice.backup import RawMail
from crmservice.config.values import Retention
from crmservice.mail.mentions import mentions
from crmservice.service.carrying_out import CarryOut
from crmservice.service.fates import Fate, Found
from crmservice.store import audit, holds, kept_mail
from crmservice.store.kept_mail import KeptMail

_UNFILED = (
    "verdict IN ('skipped', 'duplicate')"
    " AND NOT EXISTS (SELECT 1 FROM crm_activity a WHERE a.message_id = crm_message.id)"
    " AND NOT EXISTS (SELECT 1 FROM crm_invitation i WHERE i.message_id = crm_message.id)"
)


@dataclass(frozen=True)
class Retaining:
    """Lets go of what is too old. ``now``: on the home's wall clock, by which days are counted."""

    raw: RawMail
    retention: Retention
    now: Callable[[], datetime]
    stopping: Callable[[], bool] = field(default=lambda: False)

    def run(self, by: str, source: str) -> Mapping[str, int]:
        """Do it; how many mails went, by kind, and how many are held. Raises BackupFailed, DatabaseUnavailable or OSError.

        Cut short, the next run goes on.
        """
        CarryOut(self.raw, self.now).finish()
        counts: Counter[str] = Counter()
        for name, days, found in self._kinds():
            work = CarryOut(self.raw, self.now)
            work.all(self._counted(name, found, counts))
            work.end()
            if counts[name]:
                audit.append(by, source, "retention", name, {"days": days, "mails": counts[name]})
        return dict(counts)

    def _kinds(self) -> Iterator[tuple[str, int, Iterator[Found]]]:
        """What is set: its name, its days, and the mails that are older. What goes whole is found first."""
        wishes = (
            ("personal", self.retention.personal, "verdict <> ''", Fate.GOES),
            ("unfiled", self.retention.unfiled, _UNFILED, Fate.GOES),
            ("backups", self.retention.backups, "path <> '' AND verdict NOT IN ('', 'set_aside')", Fate.BACKUP_GOES),
        )
        for name, days, where, fate in wishes:
            if days is not None:
                yield name, days, self._older(self.now().date() - timedelta(days=days), where, fate)

    def _older(self, day: date, where: str, fate: Fate) -> Iterator[Found]:
        held = frozenset(one.address for one in holds.read())
        for mail in kept_mail.every(f"{where} AND day < %s", day.isoformat()):
            if self.stopping():
                return
            yield Found(mail, Fate.HELD if held and self._is_held(mail, held) else fate)

    def _is_held(self, mail: KeptMail, held: frozenset[str]) -> bool:
        """Whether somebody under a hold takes part; one of whom that can't be known any more is held too."""
        if not mail.path:
            return holds.covers(held, mail.sender)
        try:
            found = mentions(self.raw.read(mail.path))
        except OSError:
            return True
        return not found.whole or any(holds.covers(held, address) for address in found.parties)

    def _counted(self, name: str, found: Iterator[Found], counts: Counter[str]) -> Iterator[Found]:
        for one in found:
            counts["held" if one.fate is Fate.HELD else name] += 1
            yield one
