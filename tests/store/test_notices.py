from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crmservice.notices import note
from crmservice.store import notices
from crmservice.store.database import writing
from crmservice.store.models import Notice
from crmservice.words import Words

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def waiting() -> list[notices.Noted]:
    with writing():
        return notices.waiting()


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


def test_a_matter_may_be_noted_once_for_all_time(home: Path) -> None:
    assert notices.note("unknown-key", "crm", "a", {}, once=True)
    Notice.objects.update(state="sent")
    assert not notices.note("unknown-key", "crm", "a", {}, once=True)
    assert notices.note("unknown-key", "crm", "b", {}, once=True)
    assert sorted(Notice.objects.values_list("about", "count")) == [("a", 1), ("b", 1)]


def test_words_among_the_facts_stay_words(home: Path) -> None:
    fault = Words("{host} can't be reached: {why}", host="mail", why=Words("no route"))
    note("box-failing", "crm", fault=fault, attempts=3)
    assert waiting()[0].facts == {"fault": fault, "attempts": 3}


def test_trouble_that_goes_on_knows_when_it_began_and_when_it_was_told(home: Path) -> None:
    notices.note("box-failing", "crm", "", {}, now=NOON)
    notices.told([one.id for one in waiting()], "sent", NOON + MINUTE)
    notices.note("box-failing", "crm", "", {}, now=NOON + HOUR)
    notices.told([one.id for one in waiting()], "digested", NOON + HOUR)
    notices.note("box-failing", "crm", "", {}, now=NOON + 2 * HOUR)
    (one,) = waiting()
    assert (one.since, one.told, one.first) == (NOON, NOON + HOUR, NOON + 2 * HOUR)


def test_who_notes_trouble_may_know_when_it_began(home: Path) -> None:
    note("box-failing", "crm", since=NOON.isoformat(), fault="away")
    (one,) = waiting()
    assert (one.since, one.facts) == (NOON, {"fault": "away"})


def test_trouble_that_comes_back_after_hours_is_new(home: Path) -> None:
    notices.note("box-failing", "crm", "", {}, now=NOON)
    notices.told([one.id for one in waiting()], "sent", NOON)
    notices.note("box-failing", "crm", "", {}, now=NOON + 3 * HOUR)
    (one,) = waiting()
    assert (one.since, one.told) == (NOON + 3 * HOUR, None)


def test_no_more_than_a_thousand_rows_wait_and_the_rest_are_counted(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "MOST_WAITING", 60)
    for n in range(100):
        notices.note("set-aside", "crm", str(n), {}, now=NOON)
    for n in range(70):
        notices.note(f"kind-{n}", "crm", "", {}, now=NOON)
    found = waiting()
    assert len(found) == 60
    assert {one.about: one.count for one in found if one.kind == "set-aside"} == {
        **{str(n): 1 for n in range(10)},
        notices.OTHERS: 90,
    }


def test_old_notices_go_and_those_that_wait_stay(home: Path) -> None:
    for n in range(3):
        notices.note("set-aside", "crm", str(n), {}, now=NOON)
    notices.told([one.id for one in waiting()][:2], "sent", NOON)
    notices.tidy(NOON + notices.KEPT - HOUR)
    assert len(notices.listed()) == 3
    notices.tidy(NOON + notices.KEPT + HOUR)
    assert [one.about for one in notices.listed()] == ["2"]


def test_only_so_many_old_notices_are_kept(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "KEPT_ROWS", 3)
    for n in range(5):
        notices.note("set-aside", "crm", str(n), {}, now=NOON + n * MINUTE)
    notices.told([one.id for one in waiting()], "sent", NOON)
    notices.tidy(NOON + HOUR)
    assert [one.about for one in notices.listed()] == ["4", "3", "2"]
