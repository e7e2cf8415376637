"""What mail did to threads is taken back, and put back: members, people, where a thread is filed, merged threads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crmservice.pipeline.gateway import Waiting
from crmservice.store import bulk, threads, undo
from crmservice.store.changes import Effects
from crmservice.store.undo import Undone
from crmservice.testing.builders import eml
from tests.store.test_undo import BY, Service, one, said
from tests.store.test_undo_properties import store

Row = Callable[[], Waiting]


@pytest.fixture
def service(home: Path, row: Row) -> Service:
    return Service(row)


def mail(key: str | None, answers: str = "", subject: str = "Dotaz", **more: Any) -> bytes:
    return eml(f"text {key}", message_id=key, subject=subject, references=answers, **more)


def filings() -> list[str]:
    """The numbers of the contracts that threads are filed under."""
    sql = "SELECT c.number FROM crm_thread_filing f JOIN crm_contract c ON c.id = f.contract_id ORDER BY c.number"
    return [number for (number,) in bulk.query(sql)]


def there_and_back(*messages: int) -> Undone:
    """Take these back at once, put them back, and see that all is as it had become; then take them back again."""
    after = store()
    done = undo.undo_messages(messages, BY)
    assert done.change is not None
    before = store()
    assert undo.undo_change(done.change, BY).whole
    assert store() == after
    undo.undo_messages(messages, BY)
    assert store() == before
    return done


def test_two_of_a_thread_go_at_once_and_come_back(service: Service) -> None:
    empty = store()
    first, answer = service.receive(mail("1@x")), service.receive(mail("2@x", "<1@x>", to="svoboda@firma.cz"))
    assert there_and_back(first, answer).whole
    assert store() == empty


def test_a_mail_without_a_message_id_goes_and_comes_back(service: Service) -> None:
    empty = store()
    assert there_and_back(service.receive(mail(None, "<1@x>"))).whole
    assert store() == empty


def merging(service: Service, one_subject: str, other_subject: str) -> tuple[int, int, int]:
    """Two threads, and a mail that shows them to be one."""
    return (
        service.receive(mail("1@x", subject=one_subject)),
        service.receive(mail("2@x", subject=other_subject)),
        service.receive(mail("3@x", "<1@x> <2@x>", sender="Bob <bob@beta.example>")),
    )


@pytest.mark.parametrize(
    ("one_subject", "other_subject", "together"),
    [
        ("Dotaz", "Jiné", []),
        ("zak:123", "Jiné", ["123"]),
        ("Dotaz", "zak:124", ["124"]),
        ("zak:123", "zak:124", ["124"]),
    ],
)
def test_merged_threads_are_two_again(
    service: Service, one_subject: str, other_subject: str, together: list[str]
) -> None:
    first = service.receive(mail("1@x", subject=one_subject))
    second = service.receive(mail("2@x", subject=other_subject))
    apart = store()
    third = service.receive(mail("3@x", "<1@x> <2@x>", sender="Bob <bob@beta.example>"))
    assert filings() == together
    assert there_and_back(third).whole
    assert store() == apart
    assert there_and_back(second, first).whole


def test_a_thread_that_was_merged_is_left_under_its_new_name(service: Service) -> None:
    first, _second, third = merging(service, "Dotaz", "Jiné")
    there_and_back(first)
    assert undo.undo_messages([third], BY).whole


def test_a_filing_that_a_later_mail_changed_is_named_and_stays(service: Service) -> None:
    first = service.receive(mail("1@x", subject="zak:123"))
    service.receive(mail("2@x", "<1@x>", subject="zak:124"))
    touched = one(undo.undo_messages([first], BY))
    assert said(touched.left) == ["filing of its thread"]
    assert filings() == ["124"]


def test_a_filing_that_others_changed_there_and_back_stays(service: Service) -> None:
    first = service.receive(mail("1@x", subject="zak:123"))
    service.receive(mail("2@x", "<1@x>", subject="zak:124"))
    service.receive(mail("3@x", "<1@x>", subject="zak:123"))
    assert said(one(undo.undo_messages([first], BY)).left) == ["filing of its thread"]


def test_threads_of_which_nothing_is_left_are_not_merged_again(service: Service) -> None:
    first, second, third = merging(service, "Dotaz", "Jiné")
    parted = undo.undo_messages([third], BY).change
    undo.undo_messages([first, second], BY)
    assert parted is not None
    (touched,) = undo.undo_change(parted, BY).messages
    assert [part.table for part in touched.left] == ["thread"]


def test_what_is_not_there_is_not_merged(home: Path) -> None:
    assert threads.merge(1, 2) is None
    writes, effects = threads.Threads(), Effects()
    writes.merges.append((3, 1, 2))
    writes.write(effects, {})
    assert effects.count == 0
    assert effects.rows == []
