"""What becomes of each mail of somebody who is erased: decided from the mail alone, nothing is changed here."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from crmservice.backup import RawMail
from crmservice.mail.mentions import Mentions, mentions
from crmservice.mail.redaction import blacked_out
from crmservice.store import erasures, holds, kept_mail
from crmservice.store.kept_mail import KeptMail

FOR_EVER = datetime.max.replace(tzinfo=UTC)

Told = Callable[[int, int], None]


class Fate(StrEnum):
    """What becomes of a mail."""

    GOES = "erased"
    BLACKED_OUT = "blacked_out"
    REDUCED = "reduced"
    BACKUP_GOES = "backup_gone"
    HELD = "held"
    LOST = "unreadable"


@dataclass(frozen=True, slots=True)
class Found:
    """A mail and its fate."""

    mail: KeptMail
    fate: Fate


@dataclass
class Wanted:
    """Whose mail goes: known by address, or by its HMAC alone, so that a list without names can be applied again.

    ``until``: HMAC -> mail that arrived later is about something else. ``met``: the addresses that are known to be theirs.
    """

    until: Mapping[str, datetime] = field(default_factory=dict)
    met: dict[str, datetime] = field(default_factory=dict)
    _digest: Callable[[str], str] = field(default_factory=erasures.digests)
    _others: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, address: str) -> Wanted:
        """One address, all of its mail."""
        return cls(met={address: FOR_EVER})

    def __call__(self, address: str) -> bool:
        """Whether this is one of them (lower case)."""
        if address in self.met:
            return True
        if not self.until or address in self._others:
            return False
        until = self.until.get(self._digest(address))
        if until is None:
            self._others.add(address)
            return False
        self.met[address] = until
        return True


@dataclass
class Fates:
    """Decides. ``ours``: whether an address is the company's own; ``whole``: a mail that only names them goes too."""

    raw: RawMail
    wanted: Wanted
    ours: Callable[[str], bool]
    held: frozenset[str]
    whole: bool = False

    def find(self, told: Told, stopping: Callable[[], bool] = lambda: False) -> Iterator[Found]:
        """Every mail that something becomes of, in order of arrival."""
        total = kept_mail.count()
        for done, mail in enumerate(kept_mail.every(), 1):
            if stopping():
                return
            told(done, total)
            if (fate := self._of(mail)) is not None:
                yield Found(mail, fate)

    def _of(self, mail: KeptMail) -> Fate | None:
        if not mail.path:  # no backup: too large, or gone by its age
            alone = frozenset(filter(None, [mail.sender]))
            return self._by(mail, Mentions(mail.sender, alone, alone, alone), b"")
        try:
            raw = self.raw.read(mail.path)
        except OSError:
            return Fate.LOST if mail.sender and self._concerns(mail, mail.sender) else None
        return self._by(mail, mentions(raw), raw)

    def _concerns(self, mail: KeptMail, address: str) -> bool:
        return self.wanted(address) and mail.arrived <= self.wanted.met[address]

    def _by(self, mail: KeptMail, found: Mentions, raw: bytes) -> Fate | None:
        theirs = {address for address in found.everybody if self._concerns(mail, address)}
        if not theirs:
            return None
        if any(holds.covers(self.held, address) for address in found.parties):
            return Fate.HELD
        if self.whole or not raw or self._is_theirs(found, theirs):
            return Fate.GOES
        return Fate.GOES if blacked_out(raw, theirs.__contains__) is None else Fate.BLACKED_OUT

    def _is_theirs(self, found: Mentions, theirs: set[str]) -> bool:
        """Whether the mail is theirs alone: they wrote it, or take part in it and no other outsider does."""
        if found.sender in theirs:
            return True
        others = {address for address in found.correspondents - theirs if not self.ours(address)}
        return bool(found.parties & theirs) and not others
