from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from crmservice.store import outgoing
from crmservice.words import Words

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def mail(n: int = 1, **facts: str) -> outgoing.New:
    given = {"kind": "notice", "about": "box-failing", "box": "crm", "recipient": "spravce@firma.cz"} | facts
    return outgoing.New(**given, sender="crm@firma.cz", message_id=f"{n}@firma.cz", raw=b"Subject: %d\r\n\r\n" % n)


def due(now: datetime, boxes: tuple[str, ...] = ("crm", "druhy")) -> list[outgoing.Due]:
    return outgoing.due(now, boxes)


def test_a_mail_is_due_at_once_and_only_once_for_whoever_claims_it_first(home: Path) -> None:
    outgoing.add(mail(), NOON)
    (first,), (second,) = due(NOON), due(NOON)
    assert first.raw == b"Subject: 1\r\n\r\n"
    assert outgoing.claim(first, NOON + MINUTE)
    assert not outgoing.claim(second, NOON + MINUTE)
    assert due(NOON) == []


def test_a_claim_whose_owner_died_is_due_again(home: Path) -> None:
    outgoing.add(mail(), NOON)
    outgoing.claim(due(NOON)[0], NOON + MINUTE)
    assert len(due(NOON + MINUTE)) == 1


def test_what_was_sent_is_never_due_again(home: Path) -> None:
    outgoing.add(mail(), NOON)
    outgoing.sent(due(NOON)[0], NOON)
    assert due(NOON + HOUR) == []
    assert outgoing.count("sent") == 1
    assert outgoing.stuck() == frozenset()


def test_what_is_put_off_says_why_and_when_it_is_tried_again(home: Path) -> None:
    outgoing.add(mail(), NOON)
    outgoing.put_off(due(NOON)[0], NOON + HOUR, Words("{host} is away", host="mail"))
    assert due(NOON + HOUR - MINUTE) == []
    (one,) = outgoing.listed("waiting")
    assert (one.due, one.fault) == (NOON + HOUR, Words("{host} is away", host="mail"))
    assert outgoing.stuck() == {"spravce@firma.cz"}


def test_a_clock_that_was_set_back_puts_nothing_off_for_days(home: Path) -> None:
    outgoing.add(mail(), NOON)
    assert len(due(NOON - timedelta(days=3))) == 1


def test_a_dead_server_puts_off_all_that_waits_for_it(home: Path) -> None:
    for n, box in enumerate(("crm", "crm", "druhy")):
        outgoing.add(mail(n, box=box), NOON)
    outgoing.put_off_all("crm", NOON + HOUR, "away")
    assert [one.box for one in due(NOON)] == ["druhy"]
    assert [one.attempts for one in due(NOON + HOUR)] == [1, 1, 0]


def test_what_is_refused_for_good_is_never_due_again(home: Path) -> None:
    outgoing.add(mail(), NOON)
    outgoing.failed(due(NOON)[0], "550 no such user")
    assert due(NOON + HOUR) == []
    assert [one.fault for one in outgoing.listed("failed")] == ["550 no such user"]


def test_boxes_whose_server_is_known_to_be_dead_are_left_out(home: Path) -> None:
    outgoing.add(mail(1), NOON)
    outgoing.add(mail(2, box="druhy"), NOON)
    assert [one.box for one in due(NOON, ("druhy",))] == ["druhy"]


def test_what_was_mailed_lately_counts_from_when_it_was_sent(home: Path) -> None:
    outgoing.add(mail(1), NOON - 3 * HOUR)
    outgoing.add(mail(2, about="digest"), NOON - 3 * HOUR)
    outgoing.add(mail(3, kind="canary", about=""), NOON)
    outgoing.sent(due(NOON)[0], NOON)
    assert outgoing.mailed(NOON + MINUTE, HOUR) == [("box-failing", "spravce@firma.cz", NOON)]


def test_mail_that_was_sent_is_forgotten_after_a_month_but_replies_are_kept(home: Path) -> None:
    for n, kind in enumerate(("notice", "canary", "reply", "notice")):
        outgoing.add(mail(n, kind=kind), NOON)
    for one in due(NOON)[:3]:
        outgoing.sent(one, NOON)
    outgoing.tidy(NOON + outgoing.KEPT + HOUR)
    assert [one.kind for one in outgoing.listed("sent")] == ["reply"]
    assert outgoing.count("waiting") == 1
