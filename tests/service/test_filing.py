"""From the inbox to the CRM: one bad mail never takes good ones with it (HOUSE.md, point 5)."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

import pytest

from crmservice.errors import CrmServiceError
from crmservice.pipeline.gateway import Outcome
from crmservice.service.child import Before
from crmservice.service.filing import ATTEMPTS, BATCH_BYTES, FORGIVEN
from crmservice.store import access, inbox, tables, trails
from crmservice.store.database import DatabaseUnavailable
from crmservice.store.gateway import StoreGateway
from crmservice.testing.builders import box, eml
from tests.service.desk import Desk, breaking

ADMIN = access.Viewer(0, "", admin=True, levels=frozenset())


def mail(n: int, text: str = "Dobrý den") -> bytes:
    return eml(f"{text} {n}", subject=f"Dotaz {n}")


def filled(desk: Desk, *mails: bytes) -> Desk:
    """With these mails captured."""
    desk.put(*mails)
    desk.take()
    return desk


def reasons(desk: Desk) -> list[str]:
    """The codes of the last steps of what was set aside."""
    return [trails.read_trail(shown.trail)[-1].code for shown in access.messages(ADMIN) if "SET ASIDE" in shown.log]


def activities() -> list[str]:
    return sorted(row["subject"] for row in tables.export()["activities"])


def attempts() -> list[int]:
    return [row.attempts for row in inbox.pending("crm", 99)]


class FailingGateway(StoreGateway):
    """Raises ``fault`` in the place of its first ``times`` applications."""

    def __init__(self, fault: BaseException, times: int = 1) -> None:
        super().__init__()
        self.fault, self.times = fault, times

    def apply(self, outcomes: Sequence[Outcome]) -> None:
        if self.times:
            self.times -= 1
            raise self.fault
        super().apply(outcomes)


def test_what_waits_is_filed_in_order_and_reported_by_batch(desk: Desk) -> None:
    filled(desk, *(mail(n) for n in range(60))).file()
    assert [len(batch) for batch in desk.reports] == [50, 10]
    assert [subject for batch in desk.reports for subject in batch] == [f"Dotaz {n}" for n in range(60)]
    assert len(activities()) == 60
    desk.file()
    assert len(desk.reports) == 2


def test_the_attempt_is_counted_before_the_mail_is_read(desk: Desk) -> None:
    filled(desk, mail(1), mail(2))
    seen: list[list[int]] = []
    desk.hook = lambda step: seen.append(attempts()) if step == "read" else None
    desk.file()
    assert seen == [[1, 1], [1, 1]]


def test_another_boxs_mail_is_left_alone(desk: Desk) -> None:
    filled(desk, mail(1))
    desk.filing().run(box(name="other"))
    assert attempts() == [0]


def test_a_mail_that_breaks_the_reader_is_set_aside_and_the_others_are_filed(desk: Desk) -> None:
    filled(desk, *(mail(n) for n in range(5)))
    desk.filing(first=breaking("Dotaz 2", RecursionError())).run(desk.box)
    assert [", ".join(row.log) for row in desk.rows()] == ["PROCESSED"] * 2 + ["SET ASIDE"] + ["PROCESSED"] * 2
    assert reasons(desk) == ["broke-the-reader"]
    assert [row.attempts for row in desk.rows()] == [2] * 5
    assert activities() == [f"Dotaz {n}" for n in (0, 1, 3, 4)]


def test_what_is_set_aside_unread_is_told_of(desk: Desk) -> None:
    told: list[str] = []
    desk.put(mail(1))
    desk.take()
    filing = desk.filing(first=breaking("Dotaz 1", RecursionError()))
    filing.aside = lambda box, _sender, _subject: told.append(box.name)
    filing.run(desk.box)
    assert (desk.logs(), told) == (["SET ASIDE"], ["crm"])


def test_mail_set_aside_is_filed_when_it_is_tried_again_and_the_fault_is_mended(desk: Desk) -> None:
    filled(desk, mail(1))
    desk.filing(first=breaking("Dotaz 1", MemoryError())).run(desk.box)
    assert inbox.requeue() == 1
    desk.file()
    assert desk.logs() == ["PROCESSED"]


@pytest.mark.parametrize("fault", [DatabaseUnavailable("away"), KeyboardInterrupt(), SystemExit(1)])
def test_a_fault_that_is_not_the_mails_takes_the_attempt_back(desk: Desk, fault: BaseException) -> None:
    filled(desk, mail(1), mail(2))
    with pytest.raises(type(fault)):
        desk.filing(gateway=FailingGateway(fault)).run(desk.box)
    assert attempts() == [0, 0]
    desk.file()
    assert desk.logs() == ["PROCESSED"] * 2


def test_a_store_that_is_away_for_long_sets_nothing_aside(desk: Desk) -> None:
    filled(desk, mail(1))
    filing = desk.filing(gateway=FailingGateway(DatabaseUnavailable("away"), times=5))
    for _ in range(5):
        with pytest.raises(CrmServiceError):
            filing.run(desk.box)
    filing.run(desk.box)
    assert desk.logs() == ["PROCESSED"]


def test_a_mail_that_killed_the_worker_twice_is_set_aside_unread(desk: Desk) -> None:
    filled(desk, mail(1), mail(2))
    first = desk.rows()[0].id
    inbox.claim([first])
    inbox.claim([first])
    read: list[str] = []
    desk.hook = read.append
    desk.file()
    assert desk.logs() == ["SET ASIDE", "PROCESSED"]
    assert reasons(desk) == ["died-twice"]
    assert read == ["read"]


def test_the_death_of_a_worker_is_held_against_the_mail_at_hand_alone(desk: Desk) -> None:
    filled(desk, mail(1), mail(2))
    ids = [row.id for row in desk.rows()]
    inbox.claim(ids)
    inbox.claim(ids)
    desk.file()
    assert desk.logs() == ["SET ASIDE", "PROCESSED"]


def test_deaths_of_the_whole_service_are_forgiven_but_not_for_ever(desk: Desk) -> None:
    filled(desk, mail(1), mail(2))
    for _ in range(ATTEMPTS + FORGIVEN):
        inbox.claim([desk.rows()[0].id])
    desk.filing(before=Before.NOTHING).run(desk.box)
    assert desk.logs() == ["SET ASIDE", "PROCESSED"]


def test_a_death_of_the_whole_service_is_forgiven(desk: Desk) -> None:
    filled(desk, mail(1), mail(2))
    ids = [row.id for row in desk.rows()]
    inbox.claim(ids)
    inbox.claim(ids)
    desk.filing(before=Before.NOTHING).run(desk.box)
    assert desk.logs() == ["PROCESSED"] * 2
    assert desk.reports == [["Dotaz 1"], ["Dotaz 2"]]


def test_mail_with_an_attempt_behind_it_runs_alone(desk: Desk) -> None:
    filled(desk, *(mail(n) for n in range(4)))
    inbox.claim([desk.rows()[1].id])
    desk.file()
    assert desk.reports == [["Dotaz 0"], ["Dotaz 1"], ["Dotaz 2", "Dotaz 3"]]


def test_a_large_mail_is_a_batch_of_its_own(desk: Desk) -> None:
    large = mail(1, ("x" * 70 + "\r\n") * (BATCH_BYTES // 72))
    filled(desk, mail(0), large, mail(2), mail(3))
    desk.file()
    assert desk.reports == [["Dotaz 0"], ["Dotaz 1"], ["Dotaz 2", "Dotaz 3"]]


def test_a_mail_whose_backup_is_gone_is_set_aside_and_the_others_are_filed(desk: Desk) -> None:
    filled(desk, *(mail(n) for n in range(3)))
    (desk.home / desk.rows()[1].path).unlink()
    desk.file()
    assert desk.logs() == ["PROCESSED", "SET ASIDE", "PROCESSED"]
    assert reasons(desk) == ["broke-the-reader"]


def test_a_stop_ends_it_between_batches(desk: Desk) -> None:
    filled(desk, *(mail(n) for n in range(60)))

    def stop(step: str) -> None:
        desk.stop = True

    desk.hook = stop
    desk.file()
    assert [len(batch) for batch in desk.reports] == [50]
    assert attempts() == [0] * 10


PRIVATE = eml("Výsledky jsou v pořádku", sender="MUDr. <lekar@nemocnice.example>", subject="Vyšetření")


def private_desk(desk: Desk) -> Desk:
    desk.box = box(never_file=frozenset({"lekar@nemocnice.example"}))
    return filled(desk, PRIVATE, mail(1))


def test_mail_that_is_never_filed_keeps_its_headers_alone(desk: Desk) -> None:
    private_desk(desk).file()
    row = desk.rows()[0]
    head = PRIVATE[: PRIVATE.index(b"\r\n\r\n") + 4]
    assert (desk.home / row.path).read_bytes() == head
    assert row.log == ("NEVER FILED", "DELETED")
    assert row.sha256 == sha256(PRIVATE).hexdigest()
    assert row.size == len(PRIVATE)
    assert desk.differences() == []
    assert b"v po\xc5\x99\xc3\xa1dku" not in (desk.home / "crmservice.db").read_bytes()
    assert activities() == ["Dotaz 1"]


def test_a_death_between_the_headers_and_the_verdict_changes_nothing(desk: Desk) -> None:
    private_desk(desk)
    with pytest.raises(KeyboardInterrupt):
        desk.filing(gateway=FailingGateway(KeyboardInterrupt())).run(desk.box)
    desk.file()
    assert desk.logs() == ["NEVER FILED, DELETED", "PROCESSED"]
    assert desk.differences() == []


def test_mail_that_is_never_filed_waits_while_the_disk_refuses(desk: Desk) -> None:
    private_desk(desk)
    place = desk.home / f"{desk.rows()[0].path}.tmp"
    place.mkdir()
    with pytest.raises(CrmServiceError, match="can't be written"):
        desk.file()
    assert attempts() == [0, 0]
    assert activities() == []
    place.rmdir()
    desk.file()
    assert desk.logs() == ["NEVER FILED, DELETED", "PROCESSED"]


def test_a_worker_that_was_killed_takes_the_attempt_of_its_batch_back(desk: Desk) -> None:
    filled(desk, mail(1), mail(2))
    inbox.claim([row.id for row in desk.rows()])
    seen: list[list[int]] = []
    desk.hook = lambda step: seen.append(attempts()) if step == "read" else None
    desk.filing(before=Before.KILLED).run(desk.box)
    assert seen == [[1, 1], [1, 1]]  # together again, as if nothing had been
    assert len(activities()) == 2


def test_a_worker_that_was_killed_at_one_mail_takes_that_ones_attempt_back(desk: Desk) -> None:
    filled(desk, mail(1), mail(2))
    first, second = (row.id for row in desk.rows())
    inbox.claim([first, second])
    inbox.claim([first])
    seen: list[list[int]] = []
    desk.hook = lambda step: seen.append(attempts()) if step == "read" else None
    desk.filing(before=Before.KILLED).run(desk.box)
    assert seen[0] == [2, 1]
