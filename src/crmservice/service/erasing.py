"""Erasure of a person, by address: everything the service keeps of them is found, shown, and removed (SPEC 13.9).

Decided (docs/care.md says it to those who run the service): a mail goes whole where the person wrote it, or is in it with
colleagues alone; where another outsider takes part too, or the mail only names the person, it stays with the address
blacked out; where somebody under a legal hold takes part, it stays untouched. The address is remembered as an HMAC: in the
forbidden e-mails, so that nobody writes to it again, and in the list that a restore applies again.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from crmservice.backup import RawMail
from crmservice.config import Box
from crmservice.errors import CrmServiceError
from crmservice.service import backing_up, log_lines
from crmservice.service.carrying_out import CarryOut
from crmservice.service.fates import Fate, Fates, Found, Told, Wanted
from crmservice.store import audit, bulk, erase, erasures, holds, kept_mail
from crmservice.store.database import writing

CERTIFICATES = Path("Config", "Erasures")


class NotErasable(CrmServiceError):
    """This address is not somebody's whose mail could be erased."""


@dataclass(frozen=True)
class Plan:
    """What would be done. ``rows``: what would be removed or changed, by table."""

    address: str
    found: Sequence[Found]
    rows: Mapping[str, int]
    log_lines: int
    files: Sequence[str]
    backups: Sequence[str]

    def count(self, fate: Fate) -> int:
        """How many mails have this fate."""
        return sum(1 for one in self.found if one.fate is fate)

    @property
    def on_server(self) -> int:
        """Mails that go and whose deletion at their source was never confirmed: they may lie there still."""
        return sum(1 for one in self.found if one.fate is Fate.GOES and not one.mail.gone)


@dataclass(frozen=True)
class Done:
    """What was done.

    ``certificate``: the file that says it, without the address; ``compacted``: nothing is left in free pages;
    ``backup_told``: whether the list beside the backups has it; None where no folder is set.
    """

    digest: str
    when: datetime
    by: str
    mails: Mapping[str, int]
    rows: Mapping[str, int]
    log_lines: int
    compacted: bool
    backup_told: bool | None
    certificate: Path

    def as_json(self) -> dict[str, Any]:
        """What the certificate says."""
        return {
            "address_hmac": self.digest,
            "when": self.when.isoformat(timespec="seconds"),
            "by": self.by,
            "mails": dict(self.mails),
            "rows": dict(self.rows),
            "log_lines": self.log_lines,
            "compacted": self.compacted,
            "backup_told": self.backup_told,
        }


@dataclass
class Erasing:
    """Erases people from a home. ``boxes`` say which domains are ours, ``backups`` names the backups that there are.

    ``backup_to``: the folder beside whose backups the lists of what was erased and held lie; None: none is set.
    """

    home: Path
    raw: RawMail
    boxes: Sequence[Box]
    now: Callable[[], datetime]
    backups: Sequence[str] = ()
    whole: bool = False
    told: Told = field(default=lambda _done, _total: None)
    backup_to: Path | None = None

    def plan(self, address: str) -> Plan:
        """What would be done for this address. Raises NotErasable, UnderHold or DatabaseUnavailable."""
        address = self._checked(address)
        CarryOut(self.raw, self.now).finish()
        wanted = Wanted.of(address)
        found = list(self._fates(wanted).find(self.told))
        rows = _tried(found, wanted, frozenset({address}))
        return Plan(
            address, found, rows, log_lines.lines_with(self.home, wanted), self._configuration(address), self.backups
        )

    def carry_out(self, plan: Plan, by: str, source: str) -> Done:
        """Do it; noted before anything goes. Raises as ``plan``, or BackupFailed: the same again goes on where it stopped."""
        address = self._checked(plan.address)
        wanted, when = Wanted.of(address), self.now()
        digest = erasures.digest(address)
        erasures.note("erased", digest=digest)
        self._tell_backups()
        work = CarryOut(self.raw, self.now, wanted)
        work.all(plan.found)
        spared = frozenset(one.mail.id for one in plan.found if one.fate is Fate.HELD)
        with writing(serialised=True):
            work.gone += erase.People(frozenset({address}), wanted, spared).forget()
            counts = {"mails": _mails(plan.found), "rows": dict(work.gone)}
            erase.remember(digest, by, when, counts)
            audit.append(by, source, "erase", address, counts)
        lines = log_lines.without(self.home, wanted, erasures.pseudonym)
        work.end()
        done = Done(
            digest,
            when,
            by,
            _mails(plan.found),
            work.gone,
            lines,
            erase.compacted(),
            self._tell_backups(),
            self._certificate(when, digest),
        )
        done.certificate.write_text(json.dumps(done.as_json(), indent=1), "utf-8")
        return done

    def again(self, listed: erasures.Erased) -> tuple[Counter[str], bool]:
        """Apply a list to a store that was restored: what it says is gone goes, and who it names is looked for.

        Returns what went, by table, and whether nothing of it is left in the database's free pages.
        """
        wanted = Wanted(listed.addresses)
        work = CarryOut(self.raw, self.now, wanted)
        for address in erase.known_addresses() if listed.addresses else ():
            wanted(address)
        work.apply(listed)
        if listed.addresses:
            found = list(self._fates(wanted).find(self.told))
            work.all(found)
            held = {one.mail.id for one in found if one.fate is Fate.HELD}
            for address, until in sorted(wanted.met.items()):
                self._forget_as_of(work, address, until, held)
            log_lines.without(self.home, wanted, erasures.pseudonym)
        work.end()
        # Also where nothing was left to be done: a run that was cut short may have come as far as here.
        return work.gone, listed == erasures.Erased() or erase.compacted()

    def _tell_backups(self) -> bool | None:
        return None if self.backup_to is None else backing_up.tell(self.home, self.backup_to)

    def _forget_as_of(self, work: CarryOut, address: str, until: datetime, held: Collection[int]) -> None:
        spared = frozenset([*held, *kept_mail.arrived_after(until)])
        with writing(serialised=True):
            work.gone += erase.People(frozenset({address}), {address}.__contains__, spared, until).forget()
            erase.remember(erasures.digest(address), "restore", until, {})

    def _checked(self, address: str) -> str:
        address = address.strip().lower()
        if address.count("@") != 1 or address.startswith("@") or address.endswith("@") or " " in address:
            raise NotErasable("{address} is no e-mail address", address=address)
        if self._ours()(address):
            raise NotErasable(
                "{address} is the company's own: a user's, a shared one or of one of our domains. The company's mail goes by"
                " its age (retention), a user is removed from the records first",
                address=address,
            )
        holds.check(address)
        return address

    def _fates(self, wanted: Wanted) -> Fates:
        held = frozenset(one.address for one in holds.read())
        return Fates(self.raw, wanted, self._ours(), held, self.whole)

    def _ours(self) -> Callable[[str], bool]:
        domains = {domain for box in self.boxes for domain in box.our_domains}
        addresses = {box.email for box in self.boxes}
        addresses |= {text for (text,) in bulk.query("SELECT address FROM crm_user_address")}
        addresses |= {text for (text,) in bulk.query("SELECT address FROM crm_shared_address")}
        return lambda address: address in addresses or address.rpartition("@")[2] in domains

    def _configuration(self, address: str) -> list[str]:
        """Files that people wrote and that name the address: they are told of, and left to people."""
        files = [*self.home.glob("*.xml"), *self.home.glob("*.toml"), *(self.home / "Config").glob("*.json")]
        named = (file for file in files if address in file.read_text("utf-8", errors="replace").lower())
        return sorted(file.relative_to(self.home).as_posix() for file in named)

    def _certificate(self, when: datetime, digest: str) -> Path:
        folder = self.home / CERTIFICATES
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder / f"{when.astimezone(UTC):%Y-%m-%dT%H%M%SZ}-{digest[:12]}.json"


def _mails(found: Sequence[Found]) -> dict[str, int]:
    counts = Counter(one.fate.value for one in found)
    return {fate.value: counts[fate.value] for fate in Fate}


def _tried(found: Sequence[Found], wanted: Wanted, addresses: frozenset[str]) -> dict[str, int]:
    """What the tables would lose: done, counted and taken back."""
    with erase.taken_back():
        gone = erase.messages([one.mail.id for one in found if one.fate is Fate.GOES], bulk.now())
        spared = frozenset(one.mail.id for one in found if one.fate is Fate.HELD)
        gone += erase.People(addresses, wanted, spared).forget()
    return dict(sorted(gone.items()))
