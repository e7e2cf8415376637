"""The look back of ``neverFile``: mail that was filed before somebody was listed (SPEC chapter 2).

The rule itself is asked about every mail that is kept, as of today. Where nobody keeps anything of a mail, its headers
alone stay, for good. Where a user's own list leaves him out and others keep the mail, what is his is taken from him: that is
a change that can be taken back. Mail under a legal hold stays as it is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from crmservice.backup import RawMail
from crmservice.config import Box
from crmservice.mail.mentions import mentions
from crmservice.pipeline.gateway import Waiting
from crmservice.pipeline.process import Pipeline
from crmservice.pipeline.rule import Decision, Rule
from crmservice.rules.never_filed import never_filed
from crmservice.service.carrying_out import CarryOut
from crmservice.service.fates import Fate, Found, Told
from crmservice.store import audit, erase, holds, kept_mail, never_file
from crmservice.store.kept_mail import KeptMail
from crmservice.store.never_file import Taken
from crmservice.store.undo import By

RULE = Rule("never_filed", "", never_filed)
NEVER_FILED = "NEVER FILED"

_DECIDED = "verdict NOT IN ('', 'set_aside') AND path <> '' AND log NOT LIKE %s"
"""What waits or was set aside meets the rule when it is decided; what was never filed has nothing to lose any more."""


@dataclass(frozen=True)
class Listed:
    """What would be done, or was.

    ``found``: mails of which the headers alone stay, or that are held; ``users``: message -> those from whom it is taken;
    ``rows``: what the tables lose for good; ``compacted``: the database's free pages hold nothing of it.
    """

    found: Sequence[Found]
    users: Mapping[int, frozenset[int]]
    rows: Mapping[str, int]
    taken: Taken
    compacted: bool = True

    def count(self, fate: Fate) -> int:
        """How many mails have this fate."""
        return sum(1 for one in self.found if one.fate is fate)


@dataclass(frozen=True)
class LookBack:
    """Looks back for these boxes, by name: mail of a box that there is no more stays as it is."""

    raw: RawMail
    boxes: Mapping[str, Box]
    pipeline: Pipeline
    now: Callable[[], datetime]
    told: Told = field(default=lambda _done, _total: None)

    def plan(self, by: By) -> Listed:
        """What today's entries mean for what is kept. Raises DatabaseUnavailable or BackupFailed."""
        CarryOut(self.raw, self.now).finish()
        found: list[Found] = []
        users: dict[int, frozenset[int]] = {}
        for mail, fate, whose in self._find():
            if fate is not None:
                found.append(Found(mail, fate))
            elif whose:
                users[mail.id] = whose
        return Listed(found, users, _tried(found), never_file.take_from(users, by, dry=True))

    def carry_out(self, plan: Listed, by: By) -> Listed:
        """Do it; raises as ``plan``. Cut short, the same again goes on where it stopped."""
        work = CarryOut(self.raw, self.now)
        work.all(plan.found)
        taken = never_file.take_from(plan.users, by)
        work.end()
        reduced = plan.count(Fate.REDUCED)
        audit.append(by.name, by.source, "look-back", "neverFile", {"reduced": reduced, "taken": taken.count})
        compacted = erase.compacted() if reduced else True
        return replace(plan, rows=dict(work.gone), taken=taken, compacted=compacted)

    def _find(self) -> Iterator[tuple[KeptMail, Fate | None, frozenset[int]]]:
        """Mails that an entry is about: their fate, or the users from whom they are taken."""
        asked = replace(self.pipeline, chain=[RULE])
        held = frozenset(one.address for one in holds.read())
        total = kept_mail.count()
        for done, mail in enumerate(kept_mail.every(_DECIDED, f"%{NEVER_FILED}%"), 1):
            self.told(done, total)
            if mail.box in self.boxes:
                yield mail, *self._of(asked, mail, held)

    def _of(self, asked: Pipeline, mail: KeptMail, held: frozenset[str]) -> tuple[Fate | None, frozenset[int]]:
        try:
            raw = self.raw.read(mail.path)
        except OSError:  # verify names it; there is nothing of it to lose
            return None, frozenset()
        decision = _decided(asked, self.boxes[mail.box], mail, raw)
        left_out, known = decision.found.left_out, never_file.known(mail.id)
        theirs = known.users & left_out
        alone = known.holders and known.holders <= left_out
        everybodys = NEVER_FILED in decision.log or bool(left_out and (alone or known.repeats_never_filed))
        if not (everybodys or theirs):
            return None, frozenset()
        if any(holds.covers(held, address) for address in mentions(raw).parties):
            return Fate.HELD, frozenset()
        return (Fate.REDUCED, frozenset()) if everybodys else (None, theirs)


def _decided(asked: Pipeline, box: Box, mail: KeptMail, raw: bytes) -> Decision:
    """What the rule says, whatever the mail's limits: they were met when it was filed."""
    row = Waiting(mail.id, mail.box, mail.path, "", mail.arrived)
    return asked.decide_alone(box, row, asked.read(raw, box), start=RULE.name)[1]


def _tried(found: Sequence[Found]) -> dict[str, int]:
    """What the tables would lose: done, counted and taken back."""
    with erase.taken_back():
        gone: Counter[str] = erase.reduced({one.mail.id: "" for one in found if one.fate is Fate.REDUCED})
    return dict(sorted(gone.items()))


def entries_of(boxes: Sequence[Box]) -> list[tuple[str, str]]:
    """Every entry: the box or the login whose it is, and the address or domain."""
    by_box = [(f"{box.name}.xml", address) for box in boxes for address in sorted(box.never_file)]
    return by_box + never_file.entries()
