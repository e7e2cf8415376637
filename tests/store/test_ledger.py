"""The ledger adds up, and a backup that differs from its rows is a difference."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

from crmservice.backup.folder import BackupFolder
from crmservice.store import inbox, ledger
from tests.store.conftest import arrival

DAY = date(2026, 3, 2)


def kept(home: Path, *mails: bytes) -> list[inbox.New]:
    """Mails in the backup, with what arrived of them."""
    found = BackupFolder(home).keep(mails, DAY)
    return [arrival(n, path=one.path, sha256=one.sha256, size=one.size) for n, one in enumerate(found)]


def test_arrived_is_the_sum_of_all_verdicts(home: Path) -> None:
    verdicts = ["", "", "processed", "skipped", "skipped", "duplicate", "set_aside"]
    inbox.accept([arrival(n, verdict=verdict) for n, verdict in enumerate(verdicts)])
    inbox.accept([arrival(9, box="b", day=date(2026, 3, 3))])
    account = ledger.account(home, quick=True)["boxes"]
    assert account == {
        "b": {"arrived": 1, "processed": 0, "skipped": 0, "duplicate": 0, "set_aside": 0, "waiting": 1},
        "crm": {"arrived": 7, "processed": 1, "skipped": 2, "duplicate": 1, "set_aside": 1, "waiting": 2},
    }
    assert ledger.by_day("b") == {"b": {date(2026, 3, 3): ledger.Counts(arrived=1, waiting=1)}}
    assert {box: list(days) for box, days in ledger.by_day().items()} == {"b": [date(2026, 3, 3)], "crm": [DAY]}


def test_a_whole_backup_has_no_difference(home: Path) -> None:
    inbox.accept([*kept(home, b"one", b"two"), arrival(8, path="", sha256="", verdict="set_aside")])
    assert list(ledger.differences(home)) == []
    assert ledger.account(home) == {"boxes": ledger.account(home, quick=True)["boxes"], "differences": []}


def test_an_empty_home_has_no_difference(home: Path) -> None:
    assert ledger.account(home) == {"boxes": {}, "differences": []}


def test_each_kind_of_difference_is_named(home: Path) -> None:
    new = kept(home, b"missing", b"shorter", b"changed", b"fine")
    inbox.accept(new)
    (home / new[0].path).unlink()
    (home / new[1].path).write_bytes(b"short")
    (home / new[2].path).write_bytes(b"CHANGED")
    stranger = home / "POP3Downloads" / "2026-03-02" / "stranger.eml"
    stranger.write_bytes(b"?")
    stranger.with_name("half.eml.tmp").write_bytes(b"?")
    words: dict[str, Callable[[str], bool]] = {
        new[0].path: lambda text: "missing" in text,
        new[1].path: lambda text: "has 5 bytes, 7 arrived" in text,
        new[2].path: lambda text: "checksum" in text,
        "POP3Downloads/2026-03-02/stranger.eml": lambda text: "no message" in text,
    }
    found = dict(str(line).split(": ", 1) for line in ledger.differences(home))
    assert found.keys() == words.keys()
    assert all(words[path](text) for path, text in found.items())
    assert new[2].path not in {str(line).split(": ", 1)[0] for line in ledger.differences(home, quick=True)}
