"""Zones by their IANA and Windows names, and what a VTIMEZONE says of a zone nobody knows."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmservice.mail.posix_zone import PosixZone
from crmservice.mail.timezones import Observance, iana_name, posix_rule, zone

EU_STANDARD = Observance(False, "16010101T030000", "+0200", "+0100", "FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10")
EU_DAYLIGHT = Observance(True, "16010101T020000", "+0100", "+0200", "FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3")


@pytest.mark.parametrize(
    ("tzid", "name"),
    [
        ("Europe/Prague", "Europe/Prague"),
        ("europe/prague", "Europe/Prague"),
        ('"Europe/Prague"', "Europe/Prague"),
        ("Central Europe Standard Time", "Europe/Budapest"),
        ("Pacific Standard Time", "America/Los_Angeles"),
        ("/freeassociation.sourceforge.net/Europe/Prague", "Europe/Prague"),
        ("/citadel.org/20190914_1/America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
        ("tzone://Microsoft/Utc", "UTC"),
        ("GMT", "UTC"),
        ("Z", "UTC"),
    ],
)
def test_a_name_in_use_is_known(tzid: str, name: str) -> None:
    assert iana_name(tzid) == name


@pytest.mark.parametrize(
    "tzid",
    [
        "", "../../etc/passwd", "/etc/passwd", "/../../etc/passwd", "Europe", "Europe/", "Europe/Prague/../Paris",
        "Customized Time Zone", "tzone://Microsoft/Custom", "Evil/Europe/Prague", "\0", "/" * 200_000, "x" * 10_000,
    ],
)  # fmt: skip
def test_what_is_no_exact_name_is_refused(tzid: str) -> None:
    assert iana_name(tzid) == ""
    assert zone(tzid) is None


@pytest.mark.parametrize("text", ["XST+1", "XST-1XDT-2", "CET-1CEST,M3.5.0,M10.5.0/3", "EST5", "XST-1 ", "XST1:2"])
def test_only_rules_in_our_own_form_are_zones(text: str) -> None:
    assert zone(text) is None


def test_a_vtimezone_with_the_rules_of_the_eu_keeps_the_time_of_prague() -> None:
    name = posix_rule([EU_STANDARD, EU_DAYLIGHT], 2026)
    assert name == "XST-1XDT-2,M3.5.0/2,M10.5.0/3"
    theirs, prague = zone(name), ZoneInfo("Europe/Prague")
    for hour in range(0, 365 * 24, 7):
        moment = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
        assert moment.astimezone(theirs).replace(tzinfo=None) == moment.astimezone(prague).replace(tzinfo=None)


def test_a_southern_zone_turns_its_year_around() -> None:
    standard = Observance(False, "20080406T030000", "+1100", "+1000", "FREQ=YEARLY;BYMONTH=4;BYDAY=1SU")
    daylight = Observance(True, "20081005T020000", "+1000", "+1100", "FREQ=YEARLY;BYMONTH=10;BYDAY=1SU")
    theirs = zone(posix_rule([standard, daylight], 2026))
    assert datetime(2026, 1, 1, tzinfo=theirs).utcoffset() == timedelta(hours=11)
    assert datetime(2026, 7, 1, tzinfo=theirs).utcoffset() == timedelta(hours=10)


def test_a_zone_without_changes_has_its_one_offset() -> None:
    assert posix_rule([Observance(False, "16010101T000000", "+0530", "+0530")], 2026) == "XST-5:30"
    assert datetime(2026, 1, 1, tzinfo=zone("XST-5:30")).utcoffset() == timedelta(hours=5, minutes=30)
    assert posix_rule([Observance(False, "16010101T000000", "-0330", "-0330")], 2026) == "XST3:30"


def test_where_the_changes_ended_the_last_offset_holds() -> None:
    standard = Observance(False, "20141026T030000", "+0300", "+0200", "FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10;UNTIL=2015")
    for_good = Observance(True, "20160327T030000", "+0200", "+0300")
    assert posix_rule([standard, for_good], 2026) == "XST-3"


def test_the_rule_of_the_events_year_is_taken_from_a_history() -> None:
    old = Observance(
        True, "19870405T020000", "-0500", "-0400", "FREQ=YEARLY;BYMONTH=4;BYDAY=1SU;UNTIL=20060402T070000Z"
    )
    new = Observance(True, "20070311T020000", "-0500", "-0400", "FREQ=YEARLY;BYMONTH=3;BYDAY=2SU")
    standard = Observance(False, "20071104T020000", "-0400", "-0500", "FREQ=YEARLY;BYMONTH=11;BYDAY=1SU")
    assert posix_rule([old, new, standard], 2026) == "XST5XDT4,M3.2.0/2,M11.1.0/2"


def test_a_weekday_said_by_seven_days_of_the_month_is_understood() -> None:
    daylight = Observance(
        True, "20070311T020000", "-0500", "-0400", "FREQ=YEARLY;BYMONTH=3;BYDAY=SU;BYMONTHDAY=8,9,10,11,12,13,14"
    )
    standard = Observance(False, "20071104T020000", "-0400", "-0500", "FREQ=YEARLY;BYMONTH=11;BYDAY=1SU")
    assert posix_rule([daylight, standard], 2026) == "XST5XDT4,M3.2.0/2,M11.1.0/2"


def test_changes_listed_one_by_one_give_the_rule_of_their_year() -> None:
    standard = Observance(False, "20251026T030000", "+0200", "+0100", more=("20261025T030000",))
    daylight = Observance(True, "20250330T020000", "+0100", "+0200", more=("20260329T020000",))
    assert posix_rule([standard, daylight], 2026) == "XST-1XDT-2,M3.5.0/2,M10.5.0/3"


@pytest.mark.parametrize(
    "observances",
    [
        [],
        [Observance(False, "", "", "")],
        [Observance(False, "16010101T030000", "+0200", "+9900")],
        [Observance(False, "99991231T030000", "+0200", "+0100")],
        [Observance(False, "20261399T030000", "+0200", "+0100")],
    ],
)
def test_a_vtimezone_that_says_nothing_usable_is_no_zone(observances: list[Observance]) -> None:
    assert posix_rule(observances, 2026) == ""


texts = st.text(max_size=30) | st.sampled_from(
    ["16010101T030000", "20260329T020000", "+0100", "-0430", "00010101T000000"]
)
rules = st.text(max_size=40) | st.sampled_from(
    ["FREQ=SECONDLY", "FREQ=YEARLY;BYDAY=9SU;BYMONTH=99", "FREQ=YEARLY;BYDAY=0MO", "FREQ=YEARLY;BYMONTHDAY=31;BYDAY=MO"]
)
observances = st.builds(Observance, st.booleans(), texts, texts, texts, rules, st.tuples(texts))


@given(st.lists(observances, max_size=4), st.integers(1900, 2999))
def test_any_vtimezone_gives_a_zone_that_works_or_none(given_observances: list[Observance], year: int) -> None:
    name = posix_rule(given_observances, year)
    if name:
        theirs = zone(name)
        assert theirs is None or datetime(year, 7, 1, tzinfo=theirs).utcoffset() is not None


@given(st.text(max_size=200))
def test_any_text_is_a_known_name_or_nothing(text: str) -> None:
    assert iana_name(text) == "" or isinstance(zone(text), ZoneInfo | type(UTC))


def test_a_day_in_the_last_week_counts_as_the_last_one() -> None:
    fourth = date(2026, 2, 22)
    text = f"{fourth:%Y%m%d}T020000"
    rule = posix_rule([Observance(True, text, "+0100", "+0200"), EU_STANDARD], 2026)
    assert rule.split(",")[1] == "M2.5.0/2"


def test_the_changes_of_a_year_are_reckoned_once() -> None:
    theirs = zone("XST-1XDT-2,M3.5.0/2,M10.5.0/3")
    assert isinstance(theirs, PosixZone)
    assert theirs.transitions(2026) is theirs.transitions(2026)
    changes = [each.isoformat() for year in (2026, 2027) for each in theirs.transitions(year)]
    assert changes == ["2026-03-29T02:00:00", "2026-10-25T02:00:00", "2027-03-28T02:00:00", "2027-10-31T02:00:00"]
