"""No message leaves the server before it is ours (SPEC chapter 3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crmservice.backup import BackupFailed
from crmservice.backup.folder import BackupFolder
from crmservice.backup.in_flight import InFlight
from crmservice.service.capture import BATCH_BYTES, Capture
from crmservice.sources import SourceError
from crmservice.store import bulk, inbox
from crmservice.store.database import DatabaseUnavailable
from crmservice.store.lease import LeaseLost
from crmservice.testing.builders import eml
from tests.service.desk import Desk
from tests.service.shelf import GatheringShelf, MailServer, ShelfSource


def mail(n: int, text: str = "Dobrý den") -> bytes:
    return eml(f"{text} {n}", subject=f"Dotaz {n}")


def checksums(*mails: bytes) -> list[str]:
    return [sha256(raw).hexdigest() for raw in mails]


def test_a_mail_is_kept_then_accepted_then_deleted(desk: Desk) -> None:
    steps: list[tuple[str, int, int, int]] = []

    def look(step: str) -> None:
        files = len(list(desk.home.glob("POP3Downloads/*/*.eml")))
        steps.append((step, files, len(desk.rows()), len(desk.shelf)))

    desk.hook = look
    desk.put(mail(1), mail(2))
    assert desk.take() == [2]
    assert steps == [
        ("keep", 0, 0, 2),
        ("keep done", 2, 0, 2),
        ("accept", 2, 0, 2),
        ("accept done", 2, 2, 2),
        ("confirm", 2, 2, 2),
        ("confirm done", 2, 2, 0),
        ("confirm_gone", 2, 2, 0),
        ("confirm_gone done", 2, 2, 0),
    ]


def test_a_mail_is_kept_byte_for_byte(desk: Desk) -> None:
    raw = b"From: a@acme.cz\nSubject: \xff\xfe\r\n\r\n.\r\n\0\r"
    desk.put(raw)
    desk.take()
    (row,) = desk.rows()
    assert (desk.home / row.path).read_bytes() == raw
    assert (row.sha256, row.size, row.arrived, row.box) == (sha256(raw).hexdigest(), len(raw), desk.now, "crm")


def test_an_empty_shelf_brings_nothing(desk: Desk) -> None:
    assert desk.take() == []
    assert desk.rows() == []


class Pretender(MailServer):
    """Confirms every deletion and deletes nothing."""

    def confirm(self, source_ids: Sequence[str]) -> Sequence[str]:
        self.asked += source_ids
        return source_ids


def test_a_server_that_only_pretends_to_delete_brings_each_mail_once(desk: Desk) -> None:
    desk.put(mail(1), mail(2))
    first, again, honest = Pretender(desk.shelf), Pretender(desk.shelf), MailServer(desk.shelf)
    assert desk.take(first) == [2]
    assert first.faults == []
    assert desk.take(again) == [0]
    assert "gives them again (2)" in str(again.faults[0])
    assert len(list(desk.home.glob("POP3Downloads/*/*.eml"))) == 2
    assert desk.take(honest) == [0]
    assert desk.shelf == {}
    assert len(desk.rows()) == 2


def test_another_mail_under_an_id_that_was_deleted_is_new(desk: Desk) -> None:
    desk.put(mail(1))
    assert desk.take(MailServer(desk.shelf)) == [1]
    desk.put(mail(2))
    assert desk.take(MailServer(desk.shelf)) == [1]
    assert list(desk.shelf) == []


def test_the_same_file_put_into_a_folder_again_is_a_new_arrival(desk: Desk) -> None:
    for _ in range(2):
        desk.put(mail(1))
        assert desk.take() == [1]
    assert len(desk.rows()) == 2


def test_a_mail_whose_deletion_failed_is_recognised_and_only_deleted(desk: Desk) -> None:
    desk.put(mail(1), mail(2))
    assert desk.take(ShelfSource(desk.shelf, keeps=frozenset({"0000"}))) == [2]
    assert list(desk.shelf) == ["0000"]
    assert list(inbox.unconfirmed("crm", "shelf")) == ["0000"]
    again = ShelfSource(desk.shelf)
    assert desk.take(again) == [0]
    assert again.asked == ["0000"]
    assert len(desk.rows()) == 2
    assert inbox.unconfirmed("crm", "shelf") == {}
    assert desk.differences() == []


def test_other_bytes_under_the_same_id_are_another_mail(desk: Desk) -> None:
    desk.put(mail(1))
    desk.take(ShelfSource(desk.shelf, keeps=frozenset({"0000"})))
    desk.shelf["0000"] = mail(2)
    assert desk.take() == [1]
    assert [row.sha256 for row in desk.rows()] == checksums(mail(1), mail(2))


def test_an_id_is_free_again_once_its_deletion_is_confirmed(desk: Desk) -> None:
    for _ in range(2):
        desk.shelf["0000"] = mail(1)
        assert desk.take() == [1]
    assert len(desk.rows()) == 2


def test_equal_bytes_under_another_id_are_an_arrival_that_rule_1_decides(desk: Desk) -> None:
    desk.put(mail(1), mail(1))
    assert desk.take() == [2]
    desk.file()
    assert desk.logs() == ["PROCESSED", "DUPLICATE KEY, DELETED"]
    assert desk.differences() == []


def test_the_same_id_in_another_box_is_another_mail(desk: Desk) -> None:
    desk.put(mail(1))
    desk.take(ShelfSource(desk.shelf, keeps=frozenset({"0000"})))
    other = replace(desk.box, name="other")
    assert list(desk.capture().run(other, ShelfSource(desk.shelf))) == [1]
    assert [row.box for row in desk.rows()] == ["crm", "other"]


def test_a_mail_that_is_too_large_is_set_aside_once_and_stays(desk: Desk) -> None:
    large = mail(1, "x" * 5000)
    desk.put(mail(0), large, mail(2))
    for _ in range(5):
        source = ShelfSource(desk.shelf)
        desk.take(source, limit=2000)
        assert "0001" not in source.asked
    desk.file()
    assert desk.shelf == {"0001": large}
    assert desk.logs() == ["PROCESSED", "SET ASIDE", "PROCESSED"]
    row = desk.rows()[1]
    assert (row.sender, row.subject, row.size) == ("jana@acme.cz", "Dotaz 1", len(large))
    assert (row.path, row.sha256) == ("", "")
    assert inbox.requeue() == 0
    assert desk.differences() == []


def test_a_mail_that_was_too_large_is_taken_in_its_own_row_once_the_limit_is_raised(desk: Desk) -> None:
    desk.put(mail(1, "x" * 5000), mail(2, "x" * 9000))
    desk.take(limit=2000)
    first = [row.id for row in desk.rows()]
    assert desk.take(limit=7000) == [1]
    assert [row.id for row in desk.rows()] == first
    assert list(desk.shelf) == ["0001"]
    desk.file()
    assert desk.logs() == ["PROCESSED", "SET ASIDE"]
    assert desk.differences() == []
    assert desk.take(limit=10_000) == [1]
    desk.file()
    assert (desk.logs(), desk.shelf) == (["PROCESSED", "PROCESSED"], {})


def test_a_mail_larger_than_its_server_said_is_looked_at_once_and_keeps_its_row(desk: Desk) -> None:
    desk.put(mail(1, "x" * 5000))
    desk.take(limit=2000)
    bulk.execute("UPDATE crm_message SET size = 2500")  # what a lying server announced
    assert desk.take(limit=3000) == [1]
    assert desk.take(limit=3000) == []
    assert [", ".join(row.log) for row in desk.rows()] == ["SET ASIDE"]


def test_a_mail_too_large_is_told_of_once(desk: Desk) -> None:
    told: list[tuple[str, str]] = []
    desk.put(mail(1, "x" * 5000))
    capture = desk.capture()
    capture.aside = lambda _box, sender, subject: told.append((sender, subject))
    for limit in (2000, 2000, 9000):
        list(capture.run(desk.box, ShelfSource(desk.shelf), limit=limit))
    assert told == [("jana@acme.cz", "Dotaz 1")]


def test_a_mail_too_large_and_without_a_sender_is_set_aside_all_the_same(desk: Desk) -> None:
    desk.put(b"Subject: \xe8\r\n" + b"\r\n" + b"x" * 5000)
    desk.take(limit=2000)
    assert [(row.sender, row.log) for row in desk.rows()] == [("", ("SET ASIDE",))]


def test_the_box_says_how_large_a_mail_may_be(desk: Desk) -> None:
    desk.box = replace(desk.box, max_message_bytes=1024)
    desk.put(mail(1, "x" * 2000), mail(2))
    assert desk.take() == [2]
    assert [row.log for row in desk.rows()] == [("SET ASIDE",), ()]


def test_a_batch_ends_where_its_bytes_are_enough(desk: Desk) -> None:
    body = "x" * (BATCH_BYTES // 3 + 1) + "\r\n"
    desk.put(*(mail(n, body) for n in range(5)))
    assert desk.take() == [3, 2]
    assert len(desk.rows()) == 5
    assert desk.shelf == {}


def test_mail_is_taken_by_fifties(desk: Desk) -> None:
    desk.put(*(mail(n) for n in range(120)))
    assert desk.take() == [50, 50, 20]
    assert len(inbox.pending("crm", 200)) == 120


def test_a_source_that_gathers_is_asked_to_delete_several_batches_together(desk: Desk) -> None:
    desk.put(*(mail(n) for n in range(120)))
    source = GatheringShelf(desk.shelf)
    asked = [(new, len(source.asked)) for new in desk.capture().run(desk.box, source)]
    assert asked == [(50, 0), (50, 100), (20, 100)]
    assert len(source.asked) == 120
    assert desk.shelf == {}


def test_what_came_before_the_line_broke_is_taken(desk: Desk) -> None:
    desk.put(*(mail(n) for n in range(4)))
    with pytest.raises(SourceError, match="dead"):
        desk.take(ShelfSource(desk.shelf, breaks_after=2))
    assert [row.sha256 for row in desk.rows()] == checksums(mail(0), mail(1))
    assert list(desk.shelf) == ["0002", "0003"]
    assert desk.take() == [2]
    assert len(desk.rows()) == 4


def test_a_line_that_is_dead_from_the_start_changes_nothing(desk: Desk) -> None:
    desk.put(mail(1))
    with pytest.raises(SourceError):
        desk.take(ShelfSource(desk.shelf, breaks_after=0))
    assert desk.rows() == []
    assert list(desk.shelf) == ["0000"]


def test_nothing_is_deleted_when_the_backup_fails(desk: Desk) -> None:
    desk.put(mail(1), mail(2))
    (desk.home / "POP3Downloads").write_text("a file in the folder's place")
    with pytest.raises(BackupFailed, match="POP3Downloads"):
        desk.take()
    assert (len(desk.shelf), desk.rows()) == (2, [])
    (desk.home / "POP3Downloads").unlink()
    assert desk.take() == [2]


def test_without_the_database_nothing_is_deleted_and_no_file_is_left(desk: Desk) -> None:
    def away(step: str) -> None:
        if step == "accept":
            raise DatabaseUnavailable(DatabaseUnavailable.__doc__)

    desk.hook = away
    desk.put(mail(1))
    with pytest.raises(DatabaseUnavailable):
        desk.take()
    assert (len(desk.shelf), desk.rows(), desk.differences()) == (1, [], [])


def test_a_stop_ends_it_between_batches(desk: Desk) -> None:
    def stop(step: str) -> None:
        desk.stop = desk.stop or step == "confirm"

    desk.hook = stop
    desk.put(*(mail(n) for n in range(60)))
    assert desk.take() == [50]
    assert len(desk.shelf) == 10
    assert inbox.unconfirmed("crm", "shelf") == {}


def test_a_pause_that_begins_meanwhile_ends_it_between_batches(desk: Desk) -> None:
    desk.put(*(mail(n) for n in range(120)))
    asked = iter([False, True])
    source = ShelfSource(desk.shelf)
    assert list(desk.capture().run(desk.box, source, resting=lambda: next(asked))) == [50]
    assert (len(desk.shelf), inbox.unconfirmed("crm", "shelf")) == (70, {})


def test_a_mail_lies_under_the_local_day_of_its_download(desk: Desk) -> None:
    desk.box = replace(desk.box, zone=ZoneInfo("Europe/Prague"))
    desk.now = datetime(2026, 3, 2, 23, 30, tzinfo=UTC)
    desk.put(mail(1), mail(2, "x" * 5000))
    desk.take(limit=2000)
    assert {row.day for row in desk.rows()} == {date(2026, 3, 3)}
    assert desk.rows()[0].path.startswith("POP3Downloads/2026-03-03/")


def test_the_time_of_arrival_is_now_unless_told_otherwise(home: Path, desk: Desk) -> None:
    before = datetime.now(UTC)
    desk.put(mail(1))
    told = desk.capture()
    assert list(Capture(told.inbox, told.backup).run(desk.box, ShelfSource(desk.shelf))) == [1]
    assert before <= desk.rows()[0].arrived <= datetime.now(UTC)


class Crash(BaseException):
    """The process dies here."""


STEPS = ("keep", "accept", "confirm", "confirm_gone")
MOMENTS = [moment for step in STEPS for moment in (step, f"{step} done")]


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    mails=st.lists(st.integers(0, 3), min_size=1, max_size=4), crashes=st.lists(st.sampled_from(MOMENTS), max_size=4)
)
def test_however_often_it_dies_each_arrival_has_one_row_and_one_file(
    new_home: Callable[[], Path], mails: list[int], crashes: list[str]
) -> None:
    desk = Desk(new_home())
    desk.put(*map(mail, mails))

    def die(step: str) -> None:
        if crashes and crashes[0] == step:
            del crashes[0]
            raise Crash

    desk.hook = die
    for _ in range(len(crashes) + 1):
        try:
            desk.take()
        except Crash:
            continue
    desk.take()
    assert [row.sha256 for row in desk.rows()] == checksums(*map(mail, mails))
    assert desk.shelf == {}
    assert len(list(desk.home.glob("POP3Downloads/*/*"))) == len(mails)
    assert desk.differences() == []


def test_mail_that_is_handed_over_is_kept_then_accepted_with_nothing_left_to_delete(desk: Desk) -> None:
    steps: list[str] = []
    desk.hook = steps.append
    ids = desk.capture().receive(desk.box, "smtp", [mail(1), mail(2)])
    assert steps == ["keep", "keep done", "accept", "accept done"]
    assert [(row.id, row.sha256) for row in desk.rows()] == list(zip(ids, checksums(mail(1), mail(2)), strict=True))
    assert inbox.unconfirmed("crm", "smtp") == {}
    assert desk.differences() == []


def test_mail_that_is_handed_over_again_is_an_arrival_that_rule_1_decides(desk: Desk) -> None:
    for _ in range(2):
        desk.capture().receive(desk.box, "smtp", [mail(1)])
    desk.file()
    assert desk.logs() == ["PROCESSED", "DUPLICATE KEY, DELETED"]


def test_nothing_stays_of_mail_that_could_not_be_accepted(desk: Desk) -> None:
    def refuse(step: str) -> None:
        if step == "accept":
            raise DatabaseUnavailable

    desk.hook = refuse
    with pytest.raises(DatabaseUnavailable):
        desk.capture().receive(desk.box, "smtp", [mail(1), mail(2)])
    assert desk.rows() == []
    assert list(desk.home.glob("POP3Downloads/*/*")) == []


def test_who_lost_the_box_meanwhile_removes_what_it_wrote_and_nothing_of_the_others(desk: Desk) -> None:
    desk.put(mail(1), mail(2))
    theirs = InFlight(desk.home, "crm")
    other = BackupFolder(desk.home, theirs).keep([mail(3)], date(2026, 3, 2))

    def lost(step: str) -> None:
        if step == "accept":
            theirs.begin([kept.path for kept in other])
            raise LeaseLost

    theirs.end()
    desk.hook = lost
    with pytest.raises(LeaseLost):
        desk.take()
    assert [str(path.relative_to(desk.home)) for path in desk.home.rglob("*.eml")] == [kept.path for kept in other]
    assert theirs.left() == [kept.path for kept in other]
    assert len(desk.shelf) == 2
