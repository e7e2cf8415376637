from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from crmservice.sources import Fetched, SourceError
from crmservice.sources.eml_folder import EmlFolder
from crmservice.testing.source_contract import NOTHING, message


def read(
    folder: Path, between: Callable[[], object] = lambda: None, limit: int = 10_000
) -> tuple[list[Fetched], list[str]]:
    """What a cycle yields when this happens between the two looks, and the faults."""
    source = EmlFolder(folder, sleep=lambda _seconds: between())
    return list(source.fetch(NOTHING.__contains__, limit)), list(map(str, source.faults))


def put(folder: Path, name: str, number: int = 1) -> Path:
    path = folder / name
    path.write_bytes(message(number))
    return path


def test_any_case_of_the_ending_counts_and_nothing_else_does(tmp_path: Path) -> None:
    for name in ("b.eml", "a.EML", "c.Eml", "x.eml.part", "x.txt", "eml", "x.emlx"):
        put(tmp_path, name)
    (tmp_path / "sub").mkdir()
    put(tmp_path / "sub", "deep.eml")
    found, faults = read(tmp_path)
    assert [one.source_id for one in found] == ["a.EML", "b.eml", "c.Eml"]
    assert faults == []


@pytest.mark.skipif(os.name != "posix", reason="links and FIFOs of POSIX")
def test_what_is_no_regular_file_is_left_alone_and_named(tmp_path: Path) -> None:
    target = put(tmp_path, "secret.txt")
    (tmp_path / "link.eml").symlink_to(target)
    (tmp_path / "broken.eml").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "fifo.eml")
    (tmp_path / "folder.eml").mkdir()
    put(tmp_path, "mail.eml")
    found, faults = read(tmp_path)
    assert [one.source_id for one in found] == ["mail.eml"]
    assert sorted(fault.partition(":")[0] for fault in faults) == ["broken.eml", "fifo.eml", "folder.eml", "link.eml"]


@pytest.mark.skipif(os.name != "posix", reason="links of POSIX")
def test_a_file_that_becomes_a_link_between_the_looks_is_not_followed(tmp_path: Path) -> None:
    mail = put(tmp_path, "mail.eml")
    secret = put(tmp_path, "secret.txt", 2)

    def swap() -> None:
        mail.unlink()
        mail.symlink_to(secret)

    assert read(tmp_path, swap)[0] == []


def test_a_growing_file_waits_and_the_others_come(tmp_path: Path) -> None:
    growing = put(tmp_path, "a.eml")
    put(tmp_path, "b.eml")

    def grow() -> None:
        growing.write_bytes(message(1) + b"more")

    found, faults = read(tmp_path, grow)
    assert [one.source_id for one in found] == ["b.eml"]
    assert "still being written" in faults[0]
    assert [one.data for one in read(tmp_path)[0]] == [message(1) + b"more", message(1)]


def test_a_file_that_appears_between_the_looks_waits(tmp_path: Path) -> None:
    put(tmp_path, "a.eml")
    assert [one.source_id for one in read(tmp_path, lambda: put(tmp_path, "b.eml"))[0]] == ["a.eml"]


def test_a_file_that_goes_between_the_looks_is_no_error(tmp_path: Path) -> None:
    gone = put(tmp_path, "a.eml")
    put(tmp_path, "b.eml")
    found, faults = read(tmp_path, gone.unlink)
    assert ([one.source_id for one in found], faults) == (["b.eml"], [])


def test_an_empty_file_is_left_alone_and_named(tmp_path: Path) -> None:
    (tmp_path / "empty.eml").touch()
    found, faults = read(tmp_path)
    assert found == []
    assert faults == ["empty.eml: is empty and is left alone"]


def test_two_looks_serve_the_whole_folder(tmp_path: Path) -> None:
    for number in range(120):
        put(tmp_path, f"{number:03}.eml", number)
    waits: list[float] = []
    source = EmlFolder(tmp_path, sleep=waits.append)
    batches = []
    while found := list(source.fetch(NOTHING.__contains__, 10_000)):
        batches.append(len(found))
        source.confirm([one.source_id for one in found])
    assert batches == [50, 50, 20]
    assert waits == [0.2]


def test_a_file_that_was_replaced_after_it_was_read_is_not_deleted(tmp_path: Path) -> None:
    mail = put(tmp_path, "a.eml", 1)
    source = EmlFolder(tmp_path, sleep=lambda _seconds: None)
    list(source.fetch(NOTHING.__contains__, 10_000))
    mail.write_bytes(message(2) + b"other")
    assert source.confirm(["a.eml"]) == []
    assert "has changed" in str(source.faults[0])
    assert mail.read_bytes() == message(2) + b"other"


def test_a_file_that_is_gone_already_counts_as_deleted(tmp_path: Path) -> None:
    mail = put(tmp_path, "a.eml")
    source = EmlFolder(tmp_path, sleep=lambda _seconds: None)
    list(source.fetch(NOTHING.__contains__, 10_000))
    mail.unlink()
    assert source.confirm(["a.eml"]) == ["a.eml"]


@pytest.mark.parametrize("source_id", ["../outside.eml", "never-read.eml", "", "/etc/hostname"])
def test_only_what_was_read_can_be_deleted(tmp_path: Path, source_id: str) -> None:
    folder = tmp_path / "eml"
    folder.mkdir()
    outside = put(tmp_path, "outside.eml")
    put(folder, "never-read.eml")
    assert EmlFolder(folder).confirm([source_id]) == []
    assert outside.exists()
    assert (folder / "never-read.eml").exists()


def test_a_gigabyte_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "big.eml").open("wb") as stream:
        stream.write(b"Subject: big\r\n\r\n")
        stream.truncate(1 << 30)
    (found,), _ = read(tmp_path)
    assert (found.oversize, found.size, found.data) == (True, 1 << 30, b"Subject: big\r\n\r\n")


@pytest.mark.skipif(os.name != "posix", reason="names of POSIX are bytes")
def test_a_name_that_is_no_text_is_read_and_deleted(tmp_path: Path) -> None:
    name = os.fsdecode(b"p\xf8ijat\xe9.eml")
    put(tmp_path, name)
    source = EmlFolder(tmp_path, sleep=lambda _seconds: None)
    (found,) = source.fetch(NOTHING.__contains__, 10_000)
    assert found.source_id.encode("utf-8") == rb"p\xf8ijat\xe9.eml"
    assert source.confirm([found.source_id]) == [found.source_id]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="correct emlDir") as caught:
        read(tmp_path / "gone")
    assert caught.value.permanent


def test_a_file_of_another_folder_put_in_its_place_is_not_deleted(tmp_path: Path) -> None:
    folder = tmp_path / "eml"
    folder.mkdir()
    put(folder, "a.eml")
    source = EmlFolder(folder, sleep=lambda _seconds: None)
    assert len(list(source.fetch(NOTHING.__contains__, 10_000))) == 1
    folder.rename(tmp_path / "moved")
    folder.mkdir()
    other = put(folder, "a.eml", 2)
    assert source.confirm(["a.eml"]) == []
    assert other.exists()
    assert "has changed" in str(source.faults[0])


def test_where_deletion_by_descriptor_is_unknown_the_path_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "supports_dir_fd", set())
    path = put(tmp_path, "a.eml")
    source = EmlFolder(tmp_path, sleep=lambda _seconds: None)
    assert len(list(source.fetch(NOTHING.__contains__, 10_000))) == 1
    assert source.confirm(["a.eml"]) == ["a.eml"]
    assert not path.exists()


# Copies in progress, from other machines too


@pytest.mark.parametrize(
    "name",
    ["a.eml.part", "a.eml.filepart", "a.eml.crdownload", ".a.eml.AbC123", ".in.a.eml.", "a.eml~", ".nfs0000000000a1", "a.eml.tmp"],
)  # fmt: skip
def test_the_temporary_names_of_copying_programs_are_not_read_until_they_are_renamed(tmp_path: Path, name: str) -> None:
    copy = put(tmp_path, name)
    assert read(tmp_path) == ([], [])
    copy.rename(tmp_path / "a.eml")
    assert [found.data for found in read(tmp_path)[0]] == [message(1)]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells who has a file open")
def test_a_copy_that_makes_a_pause_is_not_taken_for_whole(tmp_path: Path) -> None:
    whole = message(1)
    with (tmp_path / "a.eml").open("wb", buffering=0) as copy:
        copy.write(whole[:20])
        found, faults = read(tmp_path)
        assert found == []
        assert "a.eml: is still being written" in faults[0]
        copy.write(whole[20:])
    assert [one.data for one in read(tmp_path)[0]] == [whole]


def test_a_copy_that_has_its_size_before_its_bytes_waits(tmp_path: Path) -> None:
    whole = message(1)
    file = tmp_path / "a.eml"
    file.write_bytes(whole[:20] + bytes(len(whole) - 20))
    found, faults = read(tmp_path)
    assert found == []
    assert "still being written" in faults[0]
    file.write_bytes(whole)
    assert [one.data for one in read(tmp_path)[0]] == [whole]


def test_a_file_that_always_ended_in_zeros_is_mail_all_the_same(tmp_path: Path) -> None:
    file = tmp_path / "a.eml"
    file.write_bytes(message(1) + b"\0\0")
    os.utime(file, (1_700_000_000, 1_700_000_000))
    assert [one.data for one in read(tmp_path)[0]] == [message(1) + b"\0\0"]


@pytest.mark.server
def test_a_slow_copy_by_another_process_comes_whole_and_once(tmp_path: Path) -> None:
    """Pauses longer than the two looks are apart; the source looks all the time, and deletes what it has."""
    whole = b"Subject: slow\r\n\r\n" + b"".join(b"%06d\r\n" % line for line in range(3_000))
    (tmp_path / "from").write_bytes(whole)
    script = (
        "import sys, time\n"
        "data = open(sys.argv[1], 'rb').read()\n"
        "with open(sys.argv[2], 'wb', buffering=0) as out:\n"
        "    for start in range(0, len(data), 4000):\n"
        "        out.write(data[start:start + 4000])\n"
        "        time.sleep(0.3)\n"
    )
    folder = tmp_path / "import"
    folder.mkdir()
    taken: list[bytes] = []
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "from"), str(folder / "a.eml")]) as copy:
        while copy.poll() is None:
            taken += _emptied(folder)
    taken += _emptied(folder)
    assert taken == [whole]
    assert list(folder.iterdir()) == []


def _emptied(folder: Path) -> list[bytes]:
    source = EmlFolder(folder)
    found = list(source.fetch(NOTHING.__contains__, 1_000_000))
    source.confirm([one.source_id for one in found])
    return [one.data for one in found]
