"""The ledger adds up, and a backup that differs from its rows is a difference."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date
from pathlib import Path

from crmservice.backup.folder import BackupFolder
from crmservice.store import bulk, inbox, ledger
from tests.store.conftest import arrival

DAY = date(2026, 3, 2)


def kept(home: Path, *mails: bytes, day: date = DAY) -> list[inbox.New]:
    """Mails in the backup, with what arrived of them."""
    found = BackupFolder(home).keep(mails, day)
    return [arrival(n, path=one.path, sha256=one.sha256, size=one.size, day=day) for n, one in enumerate(found)]


def found(home: Path, *, quick: bool = False) -> dict[str, str]:
    """Path -> what is wrong with it."""
    return {one.about: str(one.what) for one in ledger.differences(BackupFolder(home), quick=quick)}


def test_arrived_is_the_sum_of_all_verdicts(home: Path) -> None:
    verdicts = ["", "", "processed", "skipped", "skipped", "duplicate", "set_aside"]
    inbox.accept([arrival(n, verdict=verdict) for n, verdict in enumerate(verdicts)])
    inbox.accept([arrival(9, box="b", day=date(2026, 3, 3))])
    boxes = ledger.by_box()
    assert boxes == {
        "b": ledger.Counts(arrived=1, waiting=1),
        "crm": ledger.Counts(arrived=7, processed=1, skipped=2, duplicate=1, set_aside=1, waiting=2),
    }
    assert list(ledger.sums(boxes)) == []
    assert ledger.by_day("b") == {"b": {date(2026, 3, 3): ledger.Counts(arrived=1, waiting=1)}}
    assert {box: list(days) for box, days in ledger.by_day().items()} == {"b": [date(2026, 3, 3)], "crm": [DAY]}


def test_a_verdict_that_there_is_not_does_not_add_up(home: Path) -> None:
    inbox.accept([arrival(0, verdict="processed"), arrival(1, verdict="eaten")])
    (difference,) = ledger.sums(ledger.by_box())
    assert str(difference.words) == "crm: messages with a verdict that there is not: 1"


def test_a_whole_backup_has_no_difference(home: Path) -> None:
    inbox.accept([*kept(home, b"one", b"two"), arrival(8, path="", sha256="", verdict="set_aside")])
    inbox.accept(kept(home, b"three", day=date(2026, 3, 4)))
    assert found(home) == {}


def test_an_empty_home_has_no_difference(home: Path) -> None:
    assert found(home) == {}


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
    said = found(home)
    assert said.keys() == words.keys()
    assert all(words[path](text) for path, text in said.items())
    assert found(home, quick=True).keys() == words.keys() - {new[2].path}


def test_a_whole_day_that_is_gone_and_one_that_is_too_many_are_named_file_by_file(home: Path) -> None:
    lost = kept(home, b"one", b"two", day=date(2026, 3, 4))
    inbox.accept(lost)
    extra = kept(home, b"three", day=date(2026, 3, 5))
    for new in lost:
        (home / new.path).unlink()
    (home / "POP3Downloads" / "2026-03-04").rmdir()
    assert found(home).keys() == {new.path for new in (*lost, *extra)}


def test_a_file_in_a_folder_of_no_day_is_a_stranger(home: Path) -> None:
    for name in ("old", "20260302"):
        (home / "POP3Downloads" / name).mkdir(parents=True)
        (home / "POP3Downloads" / name / "x.eml").write_bytes(b"x")
    assert found(home).keys() == {"POP3Downloads/old/x.eml", "POP3Downloads/20260302/x.eml"}


def test_a_row_whose_file_lies_under_another_day_is_found_there(home: Path) -> None:
    (new,) = kept(home, b"one", day=date(2026, 3, 4))
    inbox.accept([arrival(0, path=new.path, sha256=new.sha256, size=new.size, day=DAY)])
    assert found(home) == {}
    (home / new.path).write_bytes(b"ONE")
    assert found(home) == {new.path: "its checksum is another than at its arrival"}


class Busy(BackupFolder):
    """A backup that mail goes through while it is compared: each day's list is as of before what then happens."""

    def __init__(self, home: Path, meanwhile: Callable[[], object]) -> None:
        super().__init__(home)
        self.meanwhile = meanwhile

    def files(self, day: str):  # type: ignore[no-untyped-def]
        listed = list(super().files(day))
        self.meanwhile()
        return iter(listed)


def test_mail_that_arrives_while_it_looks_is_no_difference(home: Path) -> None:
    late = kept(home, b"renamed, its row is committed a moment later")
    busy = Busy(home, lambda: inbox.accept(late))
    assert list(ledger.differences(busy)) == []


def test_a_file_that_is_noted_as_on_its_way_is_no_difference(home: Path) -> None:
    (noted, lost) = kept(home, b"noted", b"not noted")
    paths = [one.about for one in ledger.differences(BackupFolder(home), arriving=lambda: {noted.path})]
    assert paths == [lost.path]


def test_mail_that_goes_or_shrinks_while_it_looks_is_no_difference(home: Path) -> None:
    gone, shrunk = kept(home, b"erased", b"head and body")
    keys = inbox.accept([gone, shrunk])
    folder = BackupFolder(home)

    def meanwhile() -> None:
        bulk.execute("UPDATE crm_message SET path = '' WHERE id = %s", [keys[0]])
        folder.remove([gone.path])
        stored = folder.replace(shrunk.path, b"head").sha256
        bulk.execute("UPDATE crm_message SET stored_sha256 = %s WHERE id = %s", [stored, keys[1]])

    assert list(ledger.differences(Busy(home, meanwhile))) == []


def test_it_tells_how_far_it_came(home: Path) -> None:
    inbox.accept(kept(home, b"one", b"two", b"three"))
    said: list[tuple[int, int]] = []
    list(ledger.differences(BackupFolder(home), told=lambda done, total: said.append((done, total))))
    assert said == [(1, 3), (2, 3), (3, 3)]


def test_of_a_thousand_files_each_missing_and_each_flipped_bit_is_found(home: Path) -> None:
    """TRUST.md C25: one in a hundred is gone, a bit of a hundred others is another."""
    chance = random.Random(20261125)
    new = kept(home, *(f"Subject: {n}\r\n\r\n{n * 7919}".encode() for n in range(1000)))
    inbox.accept(new)
    hurt = chance.sample(new, 110)
    for one in hurt[:10]:
        (home / one.path).unlink()
    for one in hurt[10:]:
        raw = bytearray((home / one.path).read_bytes())
        raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
        (home / one.path).write_bytes(raw)
    assert found(home).keys() == {one.path for one in hurt}
