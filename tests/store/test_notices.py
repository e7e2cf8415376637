from __future__ import annotations

from pathlib import Path

from crmservice.notices import note
from crmservice.store.models import Notice


def test_more_of_the_same_is_counted_and_not_repeated(home: Path) -> None:
    assert all(note("box-failing", "crm", fault=f"fault {n}") for n in range(3))
    assert list(Notice.objects.values_list("kind", "box", "count", "facts")) == [
        ("box-failing", "crm", 3, '{"fault":"fault 2"}')
    ]


def test_another_matter_is_another_notice(home: Path) -> None:
    note("set-aside", "crm", "17")
    note("set-aside", "crm", "18")
    assert sorted(Notice.objects.values_list("about", flat=True)) == ["17", "18"]


def test_what_was_sent_is_not_counted_again(home: Path) -> None:
    note("set-aside", "crm", "17")
    Notice.objects.update(state="sent")
    note("set-aside", "crm", "17")
    assert sorted(Notice.objects.values_list("state", "count")) == [("sent", 1), ("waiting", 1)]
