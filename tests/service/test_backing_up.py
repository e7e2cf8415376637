"""A backup holds the whole home as it was at one moment; mail is copied once, and never over a better copy."""

from __future__ import annotations

import json
import os
import resource
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from crmservice.backup import BackupFailed
from crmservice.backup.folder import BackupFolder
from crmservice.backup.manifest import BadBackup, Manifest
from crmservice.errors import BadConfiguration, CrmServiceError, TryLater
from crmservice.service.backing_up import BackUp, Made, snapshots
from crmservice.store import bulk, erasures
from crmservice.testing.builders import eml
from tests.service.desk import NOON, Desk


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "backup"


@pytest.fixture
def back_up(desk: Desk, target: Path) -> Callable[..., Made]:
    """Backs the desk's home up; ``hours`` later than the last time."""
    clock = [NOON]

    def make(hours: int = 24, keep: int = 30, to: Path | None = None) -> Made:
        clock[0] += timedelta(hours=hours)
        return BackUp(desk.home, BackupFolder(desk.home), to or target, keep, lambda: clock[0]).run()

    return make


def mails(target: Path) -> set[str]:
    return {path.relative_to(target / "mail").as_posix() for path in (target / "mail").rglob("*.eml")}


def test_a_backup_holds_database_mail_configuration_and_keys(
    desk: Desk, target: Path, back_up: Callable[..., Made]
) -> None:
    desk.put(eml("one"), eml("two"))
    desk.take()
    (desk.home / "crm.xml").write_text("<configuration/>")
    (desk.home / "Config").mkdir()
    (desk.home / "Config" / "MicrosoftOAuth.json").write_text("{}")
    (desk.home / ".crmservice" / "notice.key").write_bytes(b"key")
    (desk.home / "CRMService.log").write_text("NOTICE")
    made = back_up()
    assert (made.messages, made.mails, made.spoilt, made.removed) == (2, 2, (), ())
    assert made.bytes == len(eml("one")) + len(eml("two"))
    manifest = Manifest.read(made.folder)
    manifest.check(made.folder)
    assert (manifest.database, manifest.messages, manifest.made) == ("crmservice.db", 2, NOON + timedelta(hours=24))
    names = {file.path for file in manifest.files}
    kept = {
        "crm.xml", "Config/MicrosoftOAuth.json", ".crmservice/notice.key", ".crmservice/erasure.key", "CRMService.log",
    }  # fmt: skip
    assert names == {"crmservice.db", *(f"home/{name}" for name in kept)}
    assert mails(target) == {row.path for row in desk.rows()}
    with closing(sqlite3.connect(made.folder / "crmservice.db")) as database:
        assert database.execute("SELECT count(*) FROM crm_message").fetchone() == (2,)
    assert json.dumps(made.as_json())


def test_it_is_the_services_own(desk: Desk, target: Path, back_up: Callable[..., Made]) -> None:
    """TRUST.md B32."""
    desk.put(eml("one"))
    desk.take()
    (desk.home / "crm.xml").write_text("<configuration/>")
    (desk.home / "crm.xml").chmod(0o644)
    before = os.umask(0)
    try:
        back_up()
    finally:
        os.umask(before)
    loose = [path for path in target.rglob("*") if stat.S_IMODE(path.stat().st_mode) & 0o077]
    assert (loose, stat.S_IMODE(target.stat().st_mode)) == ([], 0o700)


def test_mail_that_is_there_is_not_copied_again(desk: Desk, target: Path, back_up: Callable[..., Made]) -> None:
    desk.put(eml("one"))
    desk.take()
    back_up()
    (file,) = (target / "mail").rglob("*.eml")
    written = file.stat().st_mtime_ns
    desk.put(eml("two"))
    desk.take()
    assert (back_up().mails, file.stat().st_mtime_ns) == (1, written)
    assert back_up().mails == 0
    assert len(snapshots(target)) == 3


def test_a_mail_that_was_spoilt_never_replaces_the_good_copy(
    desk: Desk, target: Path, back_up: Callable[..., Made]
) -> None:
    desk.put(eml("one"), eml("two"))
    desk.take()
    first, second = (row.path for row in desk.rows())
    spoilt = bytearray((desk.home / first).read_bytes())
    spoilt[10] ^= 1
    (desk.home / first).write_bytes(spoilt)
    assert back_up().spoilt == (first,)
    assert mails(target) == {second}
    (desk.home / second).write_bytes(b"")
    made = back_up()
    assert (made.spoilt, made.mails) == ((first,), 0)
    assert (target / "mail" / second).read_bytes() == eml("two")


def test_a_mail_that_was_changed_on_purpose_is_copied_anew(
    desk: Desk, target: Path, back_up: Callable[..., Made]
) -> None:
    desk.put(eml("one"))
    desk.take()
    back_up()
    (row,) = desk.rows()
    kept = BackupFolder(desk.home).replace(row.path, eml("ONE"))
    bulk.execute("UPDATE crm_message SET stored_sha256 = %s", [kept.sha256])
    assert back_up().mails == 1
    assert (target / "mail" / row.path).read_bytes() == eml("ONE")
    assert back_up().mails == 0


def test_what_was_erased_goes_from_the_mail_of_all_backups(
    desk: Desk, target: Path, back_up: Callable[..., Made]
) -> None:
    desk.put(eml("one"), eml("two"))
    desk.take()
    back_up()
    first, second = (row.path for row in desk.rows())
    erasures.note("gone", paths=[first])
    back_up()
    assert mails(target) == {second}
    assert erasures.read(target / "erasures").gone == {first}


def test_a_file_on_its_way_is_copied_too(desk: Desk, target: Path, back_up: Callable[..., Made]) -> None:
    (kept,) = BackupFolder(desk.home).keep([b"no row yet"], NOON.date())
    assert back_up().mails == 1
    assert mails(target) == {kept.path}


def test_the_newest_backups_stay(target: Path, back_up: Callable[..., Made]) -> None:
    made = [back_up(keep=2) for _ in range(4)]
    assert snapshots(target) == [one.folder for one in made[2:]]
    assert [one.removed for one in made] == [(), (), (made[0].folder.name,), (made[1].folder.name,)]


def test_what_was_begun_and_never_ended_is_no_backup_and_goes_in_time(
    desk: Desk, target: Path, back_up: Callable[..., Made]
) -> None:
    back_up()
    for name, age in ((".making-2026-01-01T000000Z", timedelta(hours=30)), (".making-2026-01-02T000000Z", timedelta())):
        (target / name).mkdir()
        (target / name / "crmservice.db").write_bytes(b"half")
        then = (NOON + timedelta(hours=48) - age).timestamp()
        os.utime(target / name, (then, then))
    made = back_up()
    assert snapshots(target)[-1] == made.folder
    assert [path.name for path in target.glob(".making-*")] == [".making-2026-01-02T000000Z"]


def test_the_disk_may_fill_up(desk: Desk, target: Path, back_up: Callable[..., Made]) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (65_536, before[1]))
    try:
        with pytest.raises(CrmServiceError, match="can't be copied") as caught:
            back_up()
        assert not caught.value.permanent
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert (snapshots(target), list(target.glob(".making-*"))) == ([], [])
    assert back_up().mails == 0


def test_one_backup_at_a_time(target: Path, desk: Desk) -> None:
    def another() -> datetime:
        with pytest.raises(BackupFailed, match="another backup is being made"):
            BackUp(desk.home, BackupFolder(desk.home), target, 9, lambda: NOON).run()
        return NOON

    BackUp(desk.home, BackupFolder(desk.home), target, 9, another).run()


def test_it_ends_when_the_service_does(desk: Desk, target: Path) -> None:
    desk.put(eml("one"))
    desk.take()
    with pytest.raises(TryLater, match="was stopped"):
        BackUp(desk.home, BackupFolder(desk.home), target, 9, lambda: NOON, stopping=lambda: True).run()
    assert snapshots(target) == []


def test_a_home_is_no_backup_of_itself(desk: Desk, back_up: Callable[..., Made]) -> None:
    for name in ("", "POP3Downloads", "POP3Downloads/backup"):
        with pytest.raises(BadConfiguration, match="backup of itself"):
            back_up(to=desk.home / name)
    inside = desk.home / "backup"
    back_up(to=inside)
    made = back_up(to=inside)
    assert {file.path for file in Manifest.read(made.folder).files} == {
        "crmservice.db", "home/.crmservice/erasure.key",
    }  # fmt: skip


def test_a_folder_of_another_service_is_refused(
    back_up: Callable[..., Made], target: Path, new_home: Callable[[], Path]
) -> None:
    back_up()
    other = new_home()
    with pytest.raises(BadConfiguration, match="another service"):
        BackUp(other, BackupFolder(other), target, 9, lambda: NOON).run()


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "home" / "crm.xml").write_text("<Configuration/>"), "crm.xml was damaged"),
        (lambda folder: (folder / "home" / "crm.xml").unlink(), "crm.xml is missing"),
        (lambda folder: (folder / "manifest.json").unlink(), "is no backup"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "is no backup"),
        (lambda folder: _change(folder / "manifest.json", '"messages": 0', '"messages": 1'), "manifest was damaged"),
    ],
)
def test_a_damaged_backup_says_what_is_damaged(
    desk: Desk, back_up: Callable[..., Made], spoil: Callable[[Path], object], said: str
) -> None:
    (desk.home / "crm.xml").write_text("<configuration/>")
    folder = back_up().folder
    spoil(folder)
    with pytest.raises(BadBackup, match=said):
        Manifest.read(folder).check(folder)


def test_a_backup_of_a_newer_program_says_so(back_up: Callable[..., Made], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = back_up().folder
    monkeypatch.setattr("crmservice.backup.manifest.FORMAT", 0)
    with pytest.raises(BadBackup, match="newer CRMService"):
        Manifest.read(folder)


def _change(file: Path, old: str, new: str) -> None:
    text = file.read_text("utf-8")
    assert old in text
    file.write_text(text.replace(old, new), "utf-8")
