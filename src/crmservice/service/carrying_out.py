"""Carrying out what was decided about mails: noted first, then done batch by batch, so that a death in between is made good.

The list (``store.erasures``) says what goes before anything goes: a file whose row was erased would else be the last copy
of a mail, which a restore takes in again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from crmservice.backup import RawMail
from crmservice.mail.redaction import blacked_out
from crmservice.service.fates import Fate, Found
from crmservice.sources import header_of
from crmservice.store import bulk, erase, erasures
from crmservice.store.database import writing
from crmservice.store.kept_mail import KeptMail

BATCH = 100
"""Mails in one transaction."""


@dataclass
class CarryOut:
    """``wanted``: whose address is blacked out. ``gone``: what was removed or changed so far, by table."""

    raw: RawMail
    now: Callable[[], datetime]
    wanted: Callable[[str], bool] = field(default=lambda _address: False)
    gone: Counter[str] = field(default_factory=Counter)

    def all(self, found: Iterable[Found]) -> None:
        """Do it. Raises BackupFailed, DatabaseUnavailable or OSError: what was done stands, the next run goes on."""
        waiting: dict[Fate, list[KeptMail]] = {}
        for one in found:
            mails = waiting.setdefault(one.fate, [])
            mails.append(one.mail)
            if len(mails) >= BATCH:
                self._do(one.fate, waiting.pop(one.fate))
        for fate, mails in waiting.items():
            self._do(fate, mails)

    def finish(self) -> None:
        """Make good what a run noted that was cut short."""
        self.apply(erasures.unfinished(erasures.file()))

    def apply(self, listed: erasures.Erased) -> None:
        """Do what a list says of mails, as far as it was not done. Raises as ``all``."""
        if listed.gone:
            self._erase(_ids_of(listed.gone), sorted(listed.gone))
        if listed.dropped:
            self._drop(_ids_of(listed.dropped), sorted(listed.dropped))
        for path, checksum in listed.replaced.items():
            if self._is(path, checksum):
                with writing():
                    erase.stored_as(dict.fromkeys(_ids_of([path]), checksum))
        self._reduce_again(listed.reduced)

    def _reduce_again(self, listed: Mapping[str, str]) -> None:
        for path, checksum in listed.items():
            try:
                kept = checksum if self._is(path, checksum) else self._head_alone(path)
            except OSError:
                continue
            with writing(serialised=True):
                self.gone += erase.reduced(dict.fromkeys(_ids_of([path]), kept))

    def _head_alone(self, path: str) -> str:
        return self.raw.replace(path, header_of(self.raw.read(path))).sha256

    def _is(self, path: str, checksum: str) -> bool:
        """Whether the file is the one that was put in the place of the first."""
        try:
            return self.raw.checksum(path) == checksum
        except OSError:
            return False

    def end(self) -> None:
        """Say that all that was noted is done."""
        erasures.note("done")

    def _do(self, fate: Fate, mails: Sequence[KeptMail]) -> None:
        _HOW.get(fate, CarryOut._nothing)(self, mails)

    def _nothing(self, _mails: Sequence[KeptMail]) -> None:
        """What is held or can't be read stays as it is."""

    def _goes(self, mails: Sequence[KeptMail]) -> None:
        paths = [mail.path for mail in mails if mail.path]
        if paths:
            erasures.note("gone", paths=paths)
        self._erase([mail.id for mail in mails], paths)

    def _erase(self, ids: Sequence[int], paths: Sequence[str]) -> None:
        with writing(serialised=True):
            self.gone += erase.messages(ids, self.now())
        self.raw.remove(paths)

    def _backup_goes(self, mails: Sequence[KeptMail]) -> None:
        paths = [mail.path for mail in mails]
        erasures.note("dropped", paths=paths)
        self._drop([mail.id for mail in mails], paths)

    def _drop(self, ids: Sequence[int], paths: Sequence[str]) -> None:
        with writing():
            erase.without_backup(ids)
        self.raw.remove(paths)
        self.gone["backup"] += len(paths)

    def _black_out(self, mails: Sequence[KeptMail]) -> None:
        fresh = {mail: blacked_out(self.raw.read(mail.path), self.wanted) for mail in mails}
        self._goes([mail for mail, raw in fresh.items() if raw is None])
        changed = {mail: raw for mail, raw in fresh.items() if raw is not None}
        checksums = self._replace("replaced", changed)
        with writing():
            erase.stored_as(checksums)
        self.gone["blacked_out"] += len(changed)

    def _reduce(self, mails: Sequence[KeptMail]) -> None:
        checksums = self._replace("reduced", {mail: header_of(self.raw.read(mail.path)) for mail in mails})
        with writing(serialised=True):
            self.gone += erase.reduced(checksums)

    def _replace(self, what: str, contents: Mapping[KeptMail, bytes]) -> dict[int, str]:
        checksums = {mail: sha256(content).hexdigest() for mail, content in contents.items()}
        if contents:
            erasures.note(what, files={mail.path: checksum for mail, checksum in checksums.items()})
        for mail, content in contents.items():
            self.raw.replace(mail.path, content)
        return {mail.id: checksum for mail, checksum in checksums.items()}


def _ids_of(paths: Iterable[str]) -> list[int]:
    return [key for (key,) in bulk.query_in("SELECT id FROM crm_message WHERE path IN {in}", paths)]


_HOW: Mapping[Fate, Callable[[CarryOut, Sequence[KeptMail]], None]] = {
    Fate.GOES: CarryOut._goes,
    Fate.BLACKED_OUT: CarryOut._black_out,
    Fate.REDUCED: CarryOut._reduce,
    Fate.BACKUP_GOES: CarryOut._backup_goes,
}
