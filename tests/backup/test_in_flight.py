"""What a killed run left half done is told from what is kept by the note it made before."""

from __future__ import annotations

import os
from datetime import date
from pathlib import Path

import pytest

from crmservice.backup import BackupFailed
from crmservice.backup.folder import BackupFolder
from crmservice.backup.in_flight import InFlight

DAY = date(2026, 3, 2)


def folder(home: Path, box: str = "crm") -> BackupFolder:
    return BackupFolder(home, InFlight(home, box))


def test_files_are_noted_until_their_rows_are_there(tmp_path: Path) -> None:
    backup = folder(tmp_path)
    assert backup.unsettled() == []
    backup.settle()
    paths = [kept.path for kept in backup.keep([b"one", b"two"], DAY)]
    assert folder(tmp_path).unsettled() == paths
    backup.settle()
    assert folder(tmp_path).unsettled() == []
    assert all((tmp_path / path).is_file() for path in paths)


def test_the_note_is_durable_before_the_first_file_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []
    real = os.fsync

    def fsync(file: int) -> None:
        names.append(Path(f"/proc/self/fd/{file}").readlink().name)
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)
    folder(tmp_path).keep([b"one"], DAY)
    assert names.index("crm.arriving") < min(n for n, name in enumerate(names) if name.endswith(".tmp"))


def test_what_no_row_names_is_removed_half_written_or_whole(tmp_path: Path) -> None:
    backup = folder(tmp_path)
    first, second, third = (kept.path for kept in backup.keep([b"one", b"two", b"three"], DAY))
    (tmp_path / second).rename(tmp_path / f"{second}.tmp")
    later = folder(tmp_path)
    assert later.unsettled() == [first, second, third]
    later.settle([first, second])
    assert [path.name for path in (tmp_path / "POP3Downloads" / "2026-03-02").iterdir()] == [Path(third).name]
    assert later.unsettled() == []


def test_the_removal_is_durable_before_the_note_of_it_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (kept,) = folder(tmp_path).keep([b"one"], DAY)
    later = folder(tmp_path)
    known_then: list[list[str]] = []
    real = os.fsync

    def fsync(file: int) -> None:
        assert Path(f"/proc/self/fd/{file}").readlink().name == DAY.isoformat()
        assert not (tmp_path / kept.path).exists()
        known_then.append(folder(tmp_path).unsettled())
        real(file)

    monkeypatch.setattr(os, "fsync", fsync)
    later.settle([kept.path])
    assert known_then == [[kept.path]]
    assert later.unsettled() == []


def test_each_box_has_a_note_of_its_own(tmp_path: Path) -> None:
    folder(tmp_path, "a/b").keep([b"one"], DAY)
    assert folder(tmp_path, "crm").unsettled() == []
    assert len(folder(tmp_path, "a/b").unsettled()) == 1


def test_a_torn_or_foreign_line_names_no_file(tmp_path: Path) -> None:
    backup = folder(tmp_path)
    (kept,) = backup.keep([b"one"], DAY)
    note = tmp_path / ".crmservice" / "crm.arriving"
    note.write_text(f"../../etc/passwd\nPOP3Downloads/2026-03-02/../x.eml\n{kept.path}\n{kept.path[:-1]}", "utf-8")
    assert backup.unsettled() == [kept.path]
    note.write_bytes(b"\xff\xfe\0")
    assert backup.unsettled() == []


def test_without_a_note_nothing_is_ever_unsettled(tmp_path: Path) -> None:
    backup = BackupFolder(tmp_path)
    backup.keep([b"one"], DAY)
    assert backup.unsettled() == []
    backup.settle()


def test_a_note_that_cannot_be_read_or_ended_stops_the_capture(tmp_path: Path) -> None:
    (tmp_path / ".crmservice" / "crm.arriving").mkdir(parents=True)
    backup = folder(tmp_path)
    with pytest.raises(BackupFailed, match="can't be read"):
        backup.unsettled()
    with pytest.raises(BackupFailed, match="can't be removed"):
        backup.settle()
    with pytest.raises(BackupFailed, match="can't be written"):
        backup.keep([b"one"], DAY)
