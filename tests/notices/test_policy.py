"""One mail an hour of a kind, ten an hour in all, the rest in a digest, whatever happens when."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from crmservice.notices.policy import DAY, DIGEST, GATHER, HOUR, LATE, MOST_AN_HOUR, Plan, plan

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)


@dataclass(frozen=True)
class Note:
    kind: str
    about: str = ""
    first: datetime = NOON
    since: datetime = NOON
    told: datetime | None = None
    count: int = 1


@dataclass(frozen=True)
class Sent:
    about: str
    when: datetime
    told: int = 1


@dataclass
class Office:
    """Notes, and tells what the plan says, as the store does."""

    now: datetime = NOON
    waiting: dict[tuple[str, str], Note] = field(default_factory=dict)
    before: dict[tuple[str, str], Note] = field(default_factory=dict)
    mails: list[Sent] = field(default_factory=list)
    dead: bool = False

    def note(self, kind: str, about: str = "") -> None:
        place = kind, about
        if place in self.waiting:
            self.waiting[place] = replace(self.waiting[place], count=self.waiting[place].count + 1)
            return
        old = self.before.get(place)
        self.waiting[place] = Note(kind, about, self.now, old.since if old else self.now, old.told if old else None)

    def tell(self) -> None:
        while not self.dead and (made := self.plan()) is not None:
            self.mails.append(Sent(made.about, self.now, sum(one.count for one in made.notices)))
            for one in made.notices:
                del self.waiting[one.kind, one.about]
                self.before[one.kind, one.about] = replace(one, told=self.now)

    def plan(self) -> Plan[Note] | None:
        return plan(list(self.waiting.values()), self.mails, self.now)

    def pass_(self, time: timedelta, step: timedelta = MINUTE) -> None:
        end = self.now + time
        while self.now < end:
            self.now = min(self.now + step, end)
            self.tell()

    def about(self, since: datetime = NOON) -> list[str]:
        return [mail.about for mail in self.mails if mail.when >= since]


def most_in_an_hour(mails: Sequence[Sent]) -> tuple[int, int]:
    """In any hour: the most mails of one kind (or digest), and the most in all."""
    windows = [[two.about for two in mails if one.when <= two.when < one.when + HOUR] for one in mails]
    return (
        max((max(Counter(window).values()) for window in windows), default=0),
        max(map(len, windows), default=0),
    )


def test_news_is_told_at_once() -> None:
    office = Office()
    office.note("box-failing")
    office.tell()
    assert office.about() == ["box-failing"]


def test_a_mail_holds_all_that_waits_of_its_kind() -> None:
    made = plan([Note("set-aside", "1"), Note("oauth"), Note("set-aside", "2")], [], NOON)
    assert made is not None
    assert [one.about for one in made.notices] == ["1", "2"]


def test_news_of_a_kind_that_had_its_mail_gathers_ten_minutes_and_goes_into_a_digest() -> None:
    office = Office()
    office.note("set-aside", "1")
    office.tell()
    office.note("set-aside", "2")
    office.pass_(GATHER - SECOND)
    assert office.about() == ["set-aside"]
    office.note("set-aside", "3")
    office.pass_(SECOND)
    assert office.mails[1:] == [Sent(DIGEST, NOON + GATHER, 2)]


def test_the_same_trouble_is_told_again_after_as_long_as_it_lasted_and_every_day_at_least() -> None:
    office = Office()
    while office.now < NOON + 4 * DAY:
        office.note("box-failing")
        office.tell()
        office.now += 10 * MINUTE
    hours = [(mail.when - NOON) // HOUR for mail in office.mails]
    assert hours == [0, 1, 2, 4, 8, 16, 32, 56, 80]
    assert set(office.about()) == {"box-failing"}


def test_ten_thousand_of_the_same_and_a_hundred_others_are_ten_mails_in_the_hour_at_most() -> None:
    office = Office()
    for n in range(10_000):
        office.note("box-failing")
        if n % 100 == 0:
            office.note(f"kind-{n // 100}")
            office.tell()
    office.pass_(HOUR - MINUTE)
    assert most_in_an_hour(office.mails) == (1, MOST_AN_HOUR)
    assert office.about()[-1] == DIGEST
    office.pass_(2 * HOUR)
    assert sum(mail.told for mail in office.mails) == 10_100
    assert office.waiting == {}


def test_a_storm_of_kinds_at_once_is_one_digest() -> None:
    office = Office()
    for n in range(100):
        office.note(f"kind-{n}")
    office.tell()
    assert office.mails == [Sent(DIGEST, NOON, 100)]


def test_after_a_day_without_a_mail_server_one_digest_tells_it_all() -> None:
    office = Office(dead=True)
    for n in range(24 * 60):
        office.note(f"kind-{n % 5}", str(n % 50))
        office.pass_(MINUTE)
    office.dead = False
    office.pass_(30 * MINUTE)
    assert [(mail.about, mail.told) for mail in office.mails] == [(DIGEST, 24 * 60)]


def test_a_clock_set_back_a_little_gives_no_second_mail() -> None:
    office = Office()
    office.note("oauth")
    office.tell()
    office.now -= 5 * MINUTE
    office.note("oauth", "another")
    assert office.plan() is None


def test_a_clock_set_back_a_day_silences_nothing() -> None:
    office = Office()
    office.note("oauth")
    office.tell()
    office.now -= DAY
    office.note("oauth")
    office.tell()
    assert office.about(NOON - DAY) == ["oauth", "oauth"]


EVENTS = st.lists(
    st.tuples(
        st.sampled_from([timedelta(), SECOND, MINUTE, 7 * MINUTE, HOUR - SECOND, HOUR, 5 * HOUR]),
        st.integers(0, 14),
        st.integers(0, 3),
        st.booleans(),
    ),
    max_size=150,
)


@given(EVENTS)
def test_no_hour_has_two_mails_of_a_kind_or_more_than_ten_and_nothing_is_lost(
    events: list[tuple[timedelta, int, int, bool]],
) -> None:
    office, noted = Office(), 0
    for pause, kind, about, dead in events:
        office.now += pause
        office.dead = dead
        office.note(f"kind-{kind}", str(about))
        noted += 1
        office.tell()
    of_a_kind, in_all = most_in_an_hour(office.mails)
    assert of_a_kind <= 1
    assert in_all <= MOST_AN_HOUR
    office.dead = False
    office.pass_(2 * DAY, 10 * MINUTE)
    assert sum(mail.told for mail in office.mails) == noted
    assert most_in_an_hour(office.mails)[0] <= 1


@given(EVENTS, st.integers(0, 14))
def test_news_is_told_within_an_hour_and_ten_minutes(events: list[tuple[timedelta, int, int, bool]], kind: int) -> None:
    office = Office()
    for pause, other, about, _dead in events:
        office.now += pause
        office.note(f"kind-{other}", str(about))
        office.tell()
    office.note(f"kind-{kind}", "news")
    office.pass_(HOUR + GATHER)
    assert (f"kind-{kind}", "news") not in office.waiting


@given(st.lists(st.tuples(st.timedeltas(-2 * DAY, 2 * DAY), st.integers(0, 4)), max_size=40))
def test_a_clock_that_jumps_never_breaks_the_plan(jumps: list[tuple[timedelta, int]]) -> None:
    office = Office()
    for jump, kind in jumps:
        office.now += jump
        office.note(f"kind-{kind}")
        office.tell()
    office.pass_(2 * DAY + LATE, 10 * MINUTE)
    assert office.waiting == {}
