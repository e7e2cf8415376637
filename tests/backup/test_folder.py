"""The backup survives a power cut: bytes, name and folders are durable in this order (TRUST.md M2)."""

from __future__ import annotations

import errno
import os
import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crmservice.backup import BackupFailed
from crmservice.backup.folder import BackupFolder
from crmservice.backup.in_flight import InFlight

DAY = date(2026, 3, 2)


@contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """As a disk with so much room for each file."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def files(home: Path) -> list[Path]:
    return sorted(path for path in (home / "POP3Downloads").rglob("*") if path.is_file())


class Steps:
    """What the disk is told, in order: ``sync``, ``rename`` and the names (of the last part) they are for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.seen: list[tuple[str, str]] = []
        self._fsync, self._rename = os.fsync, os.rename
        monkeypatch.setattr(os, "fsync", self.fsync)
        monkeypatch.setattr(os, "rename", self.rename)

    def fsync(self, file: int) -> None:
        self.seen.append(("sync", Path(f"/proc/self/fd/{file}").readlink().name))
        self._fsync(file)

    def rename(self, source: str, target: str, *, src_dir_fd: int, dst_dir_fd: int) -> None:
        self.seen.append(("rename", target))
        self._rename(source, target, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    return Steps(monkeypatch)


def test_bytes_are_synced_before_the_name_and_the_name_before_it_returns(tmp_path: Path, steps: Steps) -> None:
    kept = BackupFolder(tmp_path).keep([b"one", b"two"], DAY)
    one, two = (Path(file.path).name for file in kept)
    assert steps.seen == [
        ("sync", tmp_path.name), ("sync", "POP3Downloads"),
        ("sync", f"{one}.tmp"), ("sync", f"{two}.tmp"), ("rename", one), ("rename", two), ("sync", "2026-03-02"),
    ]  # fmt: skip


def test_a_days_folder_that_a_dead_run_made_is_synced_once_more(tmp_path: Path, steps: Steps) -> None:
    (tmp_path / "POP3Downloads" / "2026-03-02").mkdir(parents=True)
    backup = BackupFolder(tmp_path)
    backup.keep([b"one"], DAY)
    assert steps.seen[:2] == [("sync", tmp_path.name), ("sync", "POP3Downloads")]
    steps.seen.clear()
    backup.keep([b"two"], DAY)
    assert [what for what, _name in steps.seen] == ["sync", "rename", "sync"]


def test_a_kept_mail_is_replaced_in_the_same_order(tmp_path: Path, steps: Steps) -> None:
    backup = BackupFolder(tmp_path)
    (kept,) = backup.keep([b"head\r\n\r\nbody"], DAY)
    steps.seen.clear()
    name = Path(kept.path).name
    assert backup.replace(kept.path, b"head") == kept.__class__(kept.path, sha256(b"head").hexdigest(), 4)
    assert steps.seen == [("sync", f"{name}.tmp"), ("rename", name), ("sync", "2026-03-02")]
    assert backup.read(kept.path) == b"head"
    assert len(files(tmp_path)) == 1


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mails=st.lists(st.binary(max_size=100), max_size=5))
def test_what_was_kept_is_read_as_it_was(tmp_path: Path, mails: list[bytes]) -> None:
    backup = BackupFolder(tmp_path)
    kept = backup.keep(mails, DAY)
    assert [backup.read(file.path) for file in kept] == mails
    assert [(file.size, file.sha256) for file in kept] == [(len(raw), sha256(raw).hexdigest()) for raw in mails]
    assert [backup.size(file.path) for file in kept] == [len(raw) for raw in mails]
    assert len({file.path for file in kept}) == len(mails)


def test_a_mail_lies_under_its_day_with_a_name_nobody_guesses(tmp_path: Path) -> None:
    (kept,) = BackupFolder(tmp_path).keep([b"x"], DAY)
    assert kept.path.startswith("POP3Downloads/2026-03-02/")
    assert len(Path(kept.path).stem) == 36
    assert Path(kept.path).suffix == ".eml"


def test_a_file_that_grows_while_it_is_read_is_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backup = BackupFolder(tmp_path)
    (kept,) = backup.keep([b"abcdef"], DAY)
    real = os.read
    monkeypatch.setattr(os, "read", lambda file, size: real(file, min(size, 2)))
    assert backup.read(kept.path) == b"abcdef"


@pytest.mark.parametrize("mask", [0, 0o022, 0o077])
def test_files_and_folders_are_the_services_own_whatever_the_umask(tmp_path: Path, mask: int) -> None:
    with umask(mask):
        backup = BackupFolder(tmp_path, InFlight(tmp_path, "crm"))
        (kept,) = backup.keep([b"x"], DAY)
        backup.replace(kept.path, b"y")
    modes = {path.relative_to(tmp_path): stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}
    assert {mode for path, mode in modes.items() if (tmp_path / path).is_file()} == {0o600}
    assert {mode for path, mode in modes.items() if (tmp_path / path).is_dir()} == {0o700}


def test_a_full_disk_leaves_no_file(tmp_path: Path) -> None:
    backup = BackupFolder(tmp_path)
    with no_file_larger_than(1000), pytest.raises(BackupFailed, match="2026-03-02 can't be written: File too large"):
        backup.keep([b"fits", b"x" * 2000, b"never tried"], DAY)
    assert files(tmp_path) == []
    assert len(backup.keep([b"fits", b"x" * 2000], DAY)) == 2


def test_a_full_disk_leaves_the_old_mail_when_it_is_replaced(tmp_path: Path) -> None:
    backup = BackupFolder(tmp_path)
    (kept,) = backup.keep([b"old"], DAY)
    with no_file_larger_than(1000), pytest.raises(BackupFailed, match=r"\.eml can't be written"):
        backup.replace(kept.path, b"x" * 2000)
    assert files(tmp_path) == [tmp_path / kept.path]
    assert backup.read(kept.path) == b"old"
    assert backup.replace(kept.path, b"new").size == 3


def test_what_a_death_left_half_replaced_does_not_stop_the_next(tmp_path: Path) -> None:
    backup = BackupFolder(tmp_path)
    (kept,) = backup.keep([b"old"], DAY)
    (tmp_path / f"{kept.path}.tmp").write_bytes(b"half of it, and much longer")
    backup.replace(kept.path, b"new")
    assert backup.read(kept.path) == b"new"
    assert files(tmp_path) == [tmp_path / kept.path]


def test_many_are_synced_once_each_before_the_first_has_its_name(tmp_path: Path, steps: Steps) -> None:
    kept = BackupFolder(tmp_path).keep([b"%d" % number for number in range(50)], DAY)
    names = {Path(file.path).name for file in kept}
    first = next(at for at, (step, _name) in enumerate(steps.seen) if step == "rename")
    synced = [name.removesuffix(".tmp") for _step, name in steps.seen[:first] if name.endswith(".tmp")]
    assert sorted(synced) == sorted(names)
    assert steps.seen[-1] == ("sync", DAY.isoformat())


def test_one_failed_sync_of_many_is_a_failed_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []

    def fail(file: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{file}").readlink()))
        if len(synced) == 30:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(BackupFailed, match="Input/output error"):
        BackupFolder(tmp_path).keep([b"%d" % number for number in range(50)], DAY)
    assert len(set(synced)) == len(synced)
    assert files(tmp_path) == []


def test_a_failed_sync_is_a_failed_backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel may have dropped the page: the file is removed, never synced again."""
    calls: list[int] = []

    def fail(file: int) -> None:
        calls.append(file)
        if len(calls) == 4:
            raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(BackupFailed, match="Input/output error") as caught:
        BackupFolder(tmp_path).keep([b"one", b"two", b"three"], DAY)
    assert not caught.value.permanent
    assert len(calls) == 4
    assert files(tmp_path) == []


def test_a_disk_that_lets_nothing_be_removed_is_a_failed_backup_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_only(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    backup = BackupFolder(tmp_path)
    (kept,) = backup.keep([b"old"], DAY)
    monkeypatch.setattr(os, "rename", read_only)
    monkeypatch.setattr(Path, "unlink", read_only)
    with pytest.raises(BackupFailed, match="Read-only"):
        backup.keep([b"one"], DAY)
    with pytest.raises(BackupFailed, match="Read-only"):
        backup.replace(kept.path, b"new")
    assert backup.read(kept.path) == b"old"


def test_a_mail_that_is_gone_is_an_os_error(tmp_path: Path) -> None:
    backup = BackupFolder(tmp_path)
    with pytest.raises(FileNotFoundError):
        backup.read("POP3Downloads/2026-03-02/gone.eml")
    with pytest.raises(FileNotFoundError):
        backup.size("POP3Downloads/2026-03-02/gone.eml")
    with pytest.raises(BackupFailed, match=r"gone\.eml"):
        backup.replace("POP3Downloads/2026-03-02/gone.eml", b"")
