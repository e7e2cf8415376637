"""What every home of raw mail must do (``backup.RawMail``): inherit it, and say how one is made."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from hashlib import sha256

import pytest

from crmservice.backup import BackupFailed, Kept, RawMail

DAY = date(2026, 3, 2)
NEXT = date(2026, 3, 3)
MAILS = [b"", b"one", b"From: a@b\r\n\r\n\x00\xff\r\nline\n" * 5000]


class RawMailContract:
    """Facts of any home of raw mail. ``raw_mail`` opens the same home anew, as the next process would."""

    def raw_mail(self) -> RawMail:
        """The home under test."""
        raise NotImplementedError

    @pytest.fixture
    def kept(self) -> list[Kept]:
        """Three mails of one day and one of the next."""
        home = self.raw_mail()
        found = home.keep(MAILS, DAY)
        home.settle()
        found += home.keep([b"another day"], NEXT)
        home.settle()
        return found

    def test_what_was_kept_is_read_as_it_was_by_the_next_process(self, kept: list[Kept]) -> None:
        """Byte for byte, with its size and checksum."""
        home = self.raw_mail()
        assert [home.read(mail.path) for mail in kept] == [*MAILS, b"another day"]
        assert [home.size(mail.path) for mail in kept] == [mail.size for mail in kept]
        assert [home.checksum(mail.path) for mail in kept] == [mail.sha256 for mail in kept]
        assert [mail.sha256 for mail in kept] == [sha256(raw).hexdigest() for raw in [*MAILS, b"another day"]]

    def test_a_path_names_the_day_and_what_nobody_guesses(self, kept: list[Kept]) -> None:
        """``POP3Downloads/yyyy-MM-dd/GUID.eml`` in every home."""
        parts = [mail.path.split("/") for mail in kept]
        assert [part[:2] for part in parts] == [["POP3Downloads", "2026-03-02"]] * 3 + [["POP3Downloads", "2026-03-03"]]
        assert {(len(name), name[36:]) for _folder, _day, name in parts} == {(40, ".eml")}
        assert len({mail.path for mail in kept}) == 4

    def test_everything_is_listed_by_its_day(self, kept: list[Kept]) -> None:
        """With sizes and the time of writing."""
        home = self.raw_mail()
        assert home.days() == ["2026-03-02", "2026-03-03"]
        found = [file for day in home.days() for file in home.files(day)]
        assert {(file.path, file.size) for file in found} == {(mail.path, mail.size) for mail in kept}
        assert all(abs(datetime.now(UTC) - file.written) < timedelta(minutes=5) for file in found)

    def test_an_empty_home_lists_nothing(self) -> None:
        """No day, and nothing unsettled."""
        home = self.raw_mail()
        assert (home.days(), home.unsettled(), home.keep([], DAY)) == ([], [], [])

    def test_a_mail_is_replaced_under_its_path(self, kept: list[Kept]) -> None:
        """Nothing of the old one is left, and nothing beside it."""
        home = self.raw_mail()
        new = home.replace(kept[2].path, b"head")
        assert new == Kept(kept[2].path, sha256(b"head").hexdigest(), 4)
        assert (self.raw_mail().read(new.path), self.raw_mail().size(new.path)) == (b"head", 4)
        assert len(list(home.files("2026-03-02"))) == 3

    def test_what_is_removed_is_gone_and_may_be_removed_again(self, kept: list[Kept]) -> None:
        """The others stay."""
        home = self.raw_mail()
        for _ in range(2):
            home.remove([kept[0].path, kept[3].path])
        assert {file.path for file in home.files("2026-03-02")} == {kept[1].path, kept[2].path}
        home.remove([])
        home.remove(["POP3Downloads/1999-01-01/00000000-0000-0000-0000-000000000000.eml"])

    def test_a_mail_that_is_gone_is_an_os_error(self, kept: list[Kept]) -> None:
        """Whatever is asked of it: the caller tells a lost mail from a home that is away."""
        home = self.raw_mail()
        home.remove([kept[0].path])
        for ask in (home.read, home.size, home.checksum):
            with pytest.raises(FileNotFoundError):
                ask(kept[0].path)

    def test_mails_come_back_under_the_paths_that_they_had(self, kept: list[Kept]) -> None:
        """A restore: where they are still there they are written over, and a home that is new gets its days."""
        home = self.raw_mail()
        mails = {mail.path: home.read(mail.path) for mail in kept}
        home.remove([mail.path for mail in kept[1:]])
        assert home.put(mails) == kept
        assert {path: self.raw_mail().read(path) for path in mails} == mails
        assert self.raw_mail().unsettled() == []
        assert home.put({}) == []

    def test_a_batch_is_unsettled_until_its_rows_are_there(self) -> None:
        """What the next process finds of a batch that was cut short, and removes where no row names it."""
        paths = [mail.path for mail in self.raw_mail().keep([b"one", b"two"], DAY)]
        later = self.raw_mail()
        assert later.unsettled() == paths
        later.settle([paths[0]])
        assert self.raw_mail().unsettled() == []
        assert [file.path for file in later.files("2026-03-02")] == [paths[1]]

    def test_a_mail_that_is_gone_can_not_be_replaced_by_accident(self) -> None:
        """A day that never was stays so."""
        home = self.raw_mail()
        with pytest.raises(BackupFailed):
            home.replace("POP3Downloads/1999-01-01/00000000-0000-0000-0000-000000000000.eml", b"")
        assert home.days() == []
