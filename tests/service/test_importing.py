"""``crmservice import DIR``: a folder is copied, and nothing twice."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from crmservice.errors import BadConfiguration
from crmservice.service.importing import ImportFolder
from crmservice.store import inbox
from crmservice.testing.builders import eml
from tests.service.desk import Desk


def everything(source: ImportFolder, limit: int = 10_000) -> dict[str, bytes]:
    """All rounds of a source."""
    found: dict[str, bytes] = {}
    while batch := list(source.fetch(frozenset[str]().__contains__, limit)):
        found |= {mail.source_id: mail.data for mail in batch}
    return found


def taken(desk: Desk, folder: Path, *, limit: int | None = None) -> int:
    return sum(desk.capture().run(desk.box, ImportFolder(folder), limit=limit))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "old"
    (made / "2019" / "03").mkdir(parents=True)
    return made


@contextmanager
def as_nobody() -> Iterator[None]:
    """As a user who may not read everything (a test that runs as root may)."""
    if os.geteuid() == 0:
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)
    else:
        yield


def test_every_eml_below_the_folder_comes_in_the_order_of_its_name(folder: Path) -> None:
    for name in ("b.eml", "2019/03/x.EML", "a.Eml", "c.txt", "2019/03/eml"):
        (folder / name).write_bytes(name.encode())
    source = ImportFolder(folder)
    assert list(everything(source)) == ["2019/03/x.EML", "a.Eml", "b.eml"]
    assert (source.total, source.faults) == (3, [])


def test_the_files_stay_and_a_second_import_brings_nothing(desk: Desk, folder: Path) -> None:
    for n in range(60):
        (folder / f"{n:03}.eml").write_bytes(eml(str(n)))
    assert taken(desk, folder) == 60
    assert taken(desk, folder) == 0
    assert len(list(folder.iterdir())) == 61
    assert len(inbox.pending("crm", 99)) == 60


def test_a_mail_added_since_is_the_only_new_one(desk: Desk, folder: Path) -> None:
    (folder / "a.eml").write_bytes(eml("a"))
    taken(desk, folder)
    (folder / "b.eml").write_bytes(eml("b"))
    assert taken(desk, folder) == 1


def test_a_file_with_other_bytes_is_another_mail(desk: Desk, folder: Path) -> None:
    for text in ("a", "b"):
        (folder / "a.eml").write_bytes(eml(text))
        assert taken(desk, folder) == 1


def test_a_file_too_large_is_set_aside_once(desk: Desk, folder: Path) -> None:
    (folder / "large.eml").write_bytes(eml("x" * 5000, subject="Velký"))
    (folder / "small.eml").write_bytes(eml())
    assert [taken(desk, folder, limit=2000) for _ in range(3)] == [2, 0, 0]
    desk.file()
    assert desk.logs() == ["SET ASIDE", "PROCESSED"]
    assert desk.rows()[0].subject == "Velký"
    assert desk.rows()[0].size == (folder / "large.eml").stat().st_size


def test_a_file_exactly_as_large_as_allowed_is_taken(folder: Path) -> None:
    (folder / "a.eml").write_bytes(b"x" * 100)
    assert everything(ImportFolder(folder), limit=100) == {"a.eml": b"x" * 100}
    (found,) = ImportFolder(folder).fetch(frozenset[str]().__contains__, 99)
    assert (found.oversize, found.size) == (True, 100)


def test_names_of_any_bytes_are_told_apart_and_recognised(desk: Desk, folder: Path) -> None:
    for name in (b"\xff.eml", b"\xfe.eml", "žluť.eml".encode(), b"a\nb.eml"):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(eml(repr(name)))
    assert taken(desk, folder) == 4
    assert taken(desk, folder) == 0
    assert len({row.sha256 for row in desk.rows()}) == 4
    assert set(inbox.unconfirmed("crm", "import")) == {"\\xff.eml", "\\xfe.eml", "žluť.eml", "a\nb.eml"}


def test_a_link_to_a_file_is_followed_and_one_to_a_folder_is_not(folder: Path) -> None:
    (folder / "2019" / "a.eml").write_bytes(b"a")
    (folder / "link.eml").symlink_to(folder / "2019" / "a.eml")
    (folder / "2019" / "circle").symlink_to(folder)
    assert everything(ImportFolder(folder)) == {"2019/a.eml": b"a", "link.eml": b"a"}


def test_what_cannot_be_read_is_named_and_the_others_come(folder: Path) -> None:
    (folder / "a.eml").write_bytes(b"a")
    (folder / "gone.eml").symlink_to(folder / "nowhere")
    os.mkfifo(folder / "pipe.eml")
    (folder / "folder.eml").mkdir()
    source = ImportFolder(folder)
    assert everything(source) == {"a.eml": b"a"}
    assert list(map(str, source.faults)) == ["gone.eml: No such file or directory", "pipe.eml: is no regular file"]


def test_what_may_not_be_read_is_named_folders_too() -> None:
    # Not pytest's own folders: another user can't walk there.
    with tempfile.TemporaryDirectory(prefix="crmservice-import-") as base:
        folder = Path(base)
        (folder / "closed").mkdir()
        for name in ("closed/a.eml", "open.eml", "secret.eml"):
            (folder / name).write_bytes(b"x")
        for name, mode in (("closed", 0), ("secret.eml", 0), (".", 0o755)):
            (folder / name).chmod(mode)
        with as_nobody():
            source = ImportFolder(folder)
            found = everything(source)
        (folder / "closed").chmod(0o700)
    assert found == {"open.eml": b"x"}
    assert list(map(str, source.faults)) == ["closed: Permission denied", "secret.eml: Permission denied"]


def test_a_folder_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="nowhere is no folder"):
        ImportFolder(tmp_path / "nowhere")


def test_an_import_cut_short_goes_on_where_it_stopped(desk: Desk, folder: Path) -> None:
    for n in range(60):
        (folder / f"{n:03}.eml").write_bytes(eml(str(n)))
    assert next(desk.capture().run(desk.box, ImportFolder(folder))) == 50
    assert taken(desk, folder) == 10
    assert len({row.sha256 for row in desk.rows()}) == 60


def test_nothing_is_confirmed_and_a_closed_folder_begins_anew(folder: Path) -> None:
    (folder / "a.eml").write_bytes(b"a")
    source = ImportFolder(folder)
    for _ in range(2):
        assert [sha256(data).hexdigest() for data in everything(source).values()] == [sha256(b"a").hexdigest()]
        assert source.confirm(["a.eml"]) == []
        source.close()
