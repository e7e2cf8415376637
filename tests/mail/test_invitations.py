"""text/calendar as mail programs write it, and as nobody should."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmservice.mail.invitations import read
from crmservice.mail.message import Attendee, CalendarEvent, Invitation
from tests.mail.clock import assert_linear

FIXTURES = Path(__file__).parent / "fixtures" / "invitations"
NAMES = sorted(path.name for path in FIXTURES.glob("*.ics"))


def text(name: str) -> str:
    return (FIXTURES / name).read_bytes().decode("cp1250" if name.startswith("windows-1250") else "utf-8")


def invitation(*texts: str) -> Invitation:
    found = read(texts)
    assert found is not None
    return found


def event(name: str) -> CalendarEvent:
    return invitation(text(name)).events[0]


def ics(*lines: str, method: str = "REQUEST") -> str:
    """A calendar with one event made of these lines beside UID and DTSTAMP."""
    event_lines = ["BEGIN:VEVENT", "UID:u1", "DTSTAMP:20260302T090000Z", *lines, "END:VEVENT"]
    return "\r\n".join(["BEGIN:VCALENDAR", f"METHOD:{method}", *event_lines, "END:VCALENDAR", ""])


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]


START = "DTSTART:20260310T090000Z"


@pytest.mark.parametrize(
    ("name", "method", "starts", "ends", "zone"),
    [
        ("outlook-request.ics", "REQUEST", utc(2026, 3, 10, 9), utc(2026, 3, 10, 10, 30), "Europe/Budapest"),
        ("outlook-custom-zone.ics", "REQUEST", utc(2026, 3, 17, 5, 30), utc(2026, 3, 17, 6), "XST-3:30XDT-4:30,M3.5.0/2,M10.5.0/3"),
        ("outlook-all-day.ics", "REQUEST", date(2026, 3, 28), date(2026, 3, 30), ""),
        ("outlook-reply.ics", "REPLY", utc(2026, 3, 10, 9), utc(2026, 3, 10, 10), "UTC"),
        ("google-series.ics", "REQUEST", utc(2026, 3, 16, 8), utc(2026, 3, 16, 9), "Europe/Prague"),
        ("apple-request.ics", "REQUEST", utc(2026, 3, 29, 0, 45), utc(2026, 3, 29, 1, 15), "Europe/Prague"),
        ("thunderbird-request.ics", "REQUEST", utc(2026, 7, 1, 7), utc(2026, 7, 2, 9), "Europe/Prague"),
        ("seznam-request.ics", "REQUEST", utc(2026, 6, 3, 7), utc(2026, 6, 3, 8), "Europe/Prague"),
        ("zoom-publish.ics", "PUBLISH", utc(2026, 3, 20, 15), utc(2026, 3, 20, 15, 45), "America/New_York"),
        ("all-day.ics", "PUBLISH", date(2026, 3, 29), date(2026, 3, 30), ""),
        ("windows-1250.ics", "REQUEST", utc(2026, 3, 10, 9), utc(2026, 3, 10, 10, 30), "Europe/Budapest"),
    ],
)  # fmt: skip
def test_each_program_is_read_with_its_times(name: str, method: str, starts: date, ends: date, zone: str) -> None:
    found = event(name)
    assert (invitation(text(name)).method, found.starts, found.ends, found.zone) == (method, starts, ends, zone)
    assert found.all_day is not isinstance(starts, datetime)


def test_an_outlook_request_is_read_whole() -> None:
    found = event("outlook-request.ics")
    assert found.uid.endswith("5B7F64E4C9A0F6D5C4B3A2918")
    assert found.summary == "Porada k projektu; jaro"
    assert found.location == "Praha, zasedačka 2"
    assert found.description.startswith("Dobrý den,\nposílám termín porady.\n___")
    assert found.organizer == "jana@acme.cz"
    assert found.attendees == (Attendee("novak@firma.cz", "Novák, Jan"), Attendee("svoboda@firma.cz", "Eva Svobodová"))
    assert found.stamp == utc(2026, 3, 2, 9)


def test_a_series_keeps_its_rule_and_its_exceptions_stand_beside_it() -> None:
    whole, moved = invitation(text("google-series.ics")).events
    assert whole.rule == "FREQ=WEEKLY;BYDAY=MO"
    assert whole.excluded == ("2026-04-06T07:00:00+00:00", "2026-04-13T07:00:00+00:00")
    assert (moved.uid, moved.occurrence, moved.sequence) == (whole.uid, "2026-03-23T08:00:00+00:00", 1)


def test_several_occurrences_are_cancelled_by_one_mail() -> None:
    found = invitation(text("outlook-cancelled-instance.ics"))
    assert [each.occurrence for each in found.events] == ["2026-03-30T07:00:00+00:00", "2026-04-06T07:00:00+00:00"]
    assert all(each.cancelled for each in found.events)


def test_a_reply_of_outlook_has_no_organizer() -> None:
    found = event("outlook-reply.ics")
    assert (found.organizer, found.attendees[0].state) == ("", "accepted")


def test_the_assistant_who_sent_it_is_not_the_organizer() -> None:
    found = event("seznam-request.ics")
    assert (found.organizer, found.attendees[0].state) == ("jana@acme.cz", "tentative")


def test_apples_principals_are_known_by_their_email() -> None:
    found = event("apple-request.ics")
    assert (found.organizer, found.attendees[0].email) == ("jana@acme.cz", "jana@acme.cz")


def test_text_of_a_calendar_stays_text() -> None:
    assert "<details ontoggle=alert(1) open>" in event("zoom-publish.ics").description


def test_the_same_invitation_twice_in_a_mail_counts_once() -> None:
    assert invitation(text("google-series.ics"), text("google-series.ics") + "\r\n") == invitation(
        text("google-series.ics")
    )


def test_two_bookings_in_one_mail_are_both_read() -> None:
    other = ics("DTSTART:20260311T090000Z").replace("UID:u1", "UID:u2")
    assert [each.uid for each in invitation(ics(START), other).events] == ["u1", "u2"]


def test_of_an_event_that_comes_twice_the_newer_counts() -> None:
    again = ics(START, "SEQUENCE:3").partition("BEGIN:VEVENT")[2].partition("END:VCALENDAR")[0]
    found = invitation(ics("DTSTART:20260101T000000Z").replace("END:VCALENDAR", f"BEGIN:VEVENT{again}END:VCALENDAR"))
    assert [each.sequence for each in found.events] == [3]
    assert "event-repeated" in found.defects


def test_a_broken_part_does_not_hide_the_whole_one_behind_it() -> None:
    found = invitation(text("google-series.ics")[:900], text("outlook-request.ics"))
    assert found.events == invitation(text("outlook-request.ics")).events
    assert found.defects == ("invitation-unreadable",)


def test_a_floating_time_is_local() -> None:
    assert event("floating.ics").starts == utc(2026, 7, 1, 7)
    found = read((text("floating.ics"),), ZoneInfo("America/New_York"))
    assert found is not None
    assert (found.events[0].starts, found.events[0].zone) == (utc(2026, 7, 1, 13), "America/New_York")
    assert found.defects == ("floating-time",)


def test_a_known_name_wins_over_the_vtimezone_that_comes_with_it() -> None:
    lying = text("outlook-request.ics").replace("TZOFFSETTO:+0100", "TZOFFSETTO:+0900")
    assert invitation(lying).events[0].starts == utc(2026, 3, 10, 9)


def test_a_custom_zone_is_not_remembered_for_the_next_mail() -> None:
    custom = text("outlook-custom-zone.ics")
    assert invitation(custom).events[0].starts == utc(2026, 3, 17, 5, 30)
    shifted = custom.replace(":+0330", ":+0500").replace(":+0430", ":+0600")
    assert invitation(shifted).events[0].starts == utc(2026, 3, 17, 4)
    without = custom.partition("BEGIN:VTIMEZONE")[0] + custom.partition("END:VTIMEZONE\r\n")[2]
    assert invitation(without).events[0].starts is None


@pytest.mark.parametrize(
    ("lines", "defect"),
    [
        (["DTSTART:2026-11-30"], "bad-time"),
        (["DTSTART:20261301T000000Z"], "bad-time"),
        (["DTSTART:00010101T000000Z"], "bad-time"),
        (["DTSTART;TZID=../../etc/passwd:20260310T090000"], "unknown-zone"),
        (["DTSTART;TZID=Middle Earth:20260310T090000"], "unknown-zone"),
        (['DTSTART;TZID="Europe/Prague:20260310T090000'], "invitation-unreadable"),
    ],
)
def test_a_start_that_is_not_known_for_certain_is_none(lines: list[str], defect: str) -> None:
    found = invitation(ics(*lines))
    assert found.events[0].starts is None
    assert defect in found.defects
    assert "invitation-unreadable" in found.defects


@pytest.mark.parametrize(
    ("lines", "ends"),
    [
        ([START], utc(2026, 3, 10, 9)),
        (["DTSTART;VALUE=DATE:20260310"], date(2026, 3, 11)),
        ([START, "DURATION:PT90M"], utc(2026, 3, 10, 10, 30)),
        ([START, "DURATION:P1W"], utc(2026, 3, 17, 9)),
        ([START, "DURATION:PT9999999H"], utc(2026, 3, 10, 9)),
        ([START, "DURATION:forever"], utc(2026, 3, 10, 9)),
        ([START, "DTEND:20260310T080000Z"], utc(2026, 3, 10, 9)),
        (["DTSTART;TZID=Europe/Prague:20260328T090000", "DURATION:P1D"], utc(2026, 3, 29, 7)),
        (["DTSTART;TZID=Europe/Prague:20260328T090000", "DURATION:PT24H"], utc(2026, 3, 29, 8)),
        (["DTSTART;VALUE=DATE:20260329", "DTEND;VALUE=DATE:20260329"], date(2026, 3, 30)),
    ],
)
def test_the_end_follows_from_what_is_said(lines: list[str], ends: date) -> None:
    assert invitation(ics(*lines)).events[0].ends == ends


@pytest.mark.parametrize(
    ("line", "defect"),
    [
        ("SEQUENCE:-1", "bad-sequence"),
        ("SEQUENCE:99999999999", "bad-sequence"),
        ("RRULE:FREQ=SECONDLY", "rule-too-frequent"),
        ("RRULE:<script>", "bad-rule"),
        ("RDATE:20260311T090000Z", "rdate-ignored"),
        ("ATTENDEE;;;", "bad-attendee"),
        ("RECURRENCE-ID;RANGE=THISANDFUTURE:20260310T090000Z", "range-ignored"),
        ("RECURRENCE-ID:yesterday", "bad-occurrence"),
        ("EXDATE:x", "bad-time"),
    ],
)
def test_what_is_wrong_beside_the_start_is_noted(line: str, defect: str) -> None:
    assert defect in invitation(ics(START, line)).defects


def test_an_unreadable_occurrence_is_not_taken_for_the_series() -> None:
    assert invitation(ics(START, "RECURRENCE-ID:yesterday")).events == ()


def test_an_event_without_uid_is_left_out() -> None:
    found = invitation(ics(START).replace("UID:u1\r\n", ""))
    assert (found.uid, found.events, found.defects) == ("", (), ("uid-missing",))


def test_exclusions_are_in_the_form_of_occurrences() -> None:
    lines = ["DTSTART;TZID=Europe/Prague:20260310T090000", "RRULE:FREQ=DAILY", "EXDATE;VALUE=DATE:20260330"]
    assert invitation(ics(*lines)).events[0].excluded == ("2026-03-30T07:00:00+00:00",)


def test_no_calendar_is_no_invitation() -> None:
    assert read(()) is None
    assert read((" \r\n",)) is None
    assert read(("BEGIN:VCALENDAR\r\nBEGIN:VTODO\r\nUID:t\r\nEND:VTODO\r\nEND:VCALENDAR",)) is None


def test_a_text_that_is_no_calendar_keeps_the_mail_with_a_defect() -> None:
    assert read(("<html>Pozvánka</html>",)) == Invitation("PUBLISH", "", (), ("invitation-unreadable",))


def test_lines_ended_any_way_are_lines() -> None:
    for ending in ("\n", "\r", "\r\r\n"):
        assert invitation(ics(START).replace("\r\n", ending)).events[0].starts == utc(2026, 3, 10, 9)


def test_a_missing_end_of_the_calendar_is_forgiven() -> None:
    assert invitation(ics(START).replace("END:VCALENDAR", "")).events[0].uid == "u1"


HOSTILE: dict[str, Callable[[int], str]] = {
    "rules": lambda n: ics(START, *["RRULE:FREQ=SECONDLY"] * (n // 20)),
    "attendees": lambda n: ics(START, *[f"ATTENDEE:mailto:a{i}@b.cz" for i in range(n // 27)]),
    "nested events": lambda n: "BEGIN:VCALENDAR\n" + "BEGIN:VEVENT\n" * (n // 26) + "END:VEVENT\n" * (n // 26),
    "exclusions": lambda n: ics(START, "EXDATE;TZID=Europe/Prague:" + ",".join(["20260310T090000"] * (n // 16))),
    "empty exclusions": lambda n: ics(START, *["EXDATE:" + "," * 900] * (n // 909)),
    "parameters": lambda n: ics(START, "ATTENDEE;" + "X=1;" * (n // 4) + "Y=1:mailto:a@b.cz"),
    "folds": lambda n: ics(START, "SUMMARY:" + "a\r\n " * (n // 4)),
    "carriage returns": lambda n: ics(START, "SUMMARY:a" + "\r" * n),
    "escapes": lambda n: ics(START, "DESCRIPTION:" + "\\n" * (n // 2)),
    "alarms": lambda n: ics(START, *["BEGIN:VALARM", "REPEAT:999999999", "END:VALARM"] * 20, "X:" + "a" * n),
    "an address": lambda n: ics(START, "ORGANIZER:mailto:" + "a" * (n // 2) + "@" + "b" * (n // 2)),
}


@pytest.mark.parametrize("make", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_calendar_takes_linear_time(make: Callable[[int], str]) -> None:
    invitation(ics(START))  # the library's import is not what is measured

    def work(size: int) -> Callable[[], object]:
        hostile = make(size)
        return lambda: invitation(hostile)

    assert_linear(work, 900_000, bound=5)


OWN_ZONE = """BEGIN:VTIMEZONE
TZID:Own
BEGIN:STANDARD
DTSTART:16010101T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=10
END:STANDARD
BEGIN:DAYLIGHT
DTSTART:16010101T020000
TZOFFSETFROM:+0100
TZOFFSETTO:+0200
RRULE:FREQ=YEARLY;BYDAY=-1SU;BYMONTH=3
END:DAYLIGHT
END:VTIMEZONE
"""


def events_without_dates(count: int) -> str:
    """Events in a zone of their own, each without a day in winter that is named 990 times."""
    start = "DTSTART;TZID=Own:20260302T081500\nEXDATE;VALUE=DATE:" + ",".join(["20261102"] * 990)
    events = (f"BEGIN:VEVENT\nUID:{n}\n{start}\nEND:VEVENT\n" for n in range(count))
    return f"BEGIN:VCALENDAR\n{OWN_ZONE}{''.join(events)}END:VCALENDAR\n"


def test_excluded_dates_of_many_events_in_a_zone_of_their_own_take_linear_time() -> None:
    def work(size: int) -> Callable[[], object]:
        hostile = events_without_dates(size // 9_000)
        return lambda: invitation(hostile)

    assert invitation(events_without_dates(1)).events[0].excluded == ("2026-11-02T07:15:00+00:00",)
    assert_linear(work, 860_000)


@pytest.mark.parametrize(
    ("hostile", "defect"),
    [
        ("BEGIN:VCALENDAR\n" + "X" * 1_000_001, "invitation-too-large"),
        ("BEGIN:VCALENDAR\n" + "BEGIN:VALARM\nEND:VALARM\n" * 100, "invitation-too-many-components"),
        ("BEGIN:VCALENDAR\n" + "BEGIN:VEVENT\n" * 17, "invitation-too-deep"),
        (ics(START, *[f"ATTENDEE:mailto:a{i}@b.cz" for i in range(1_001)]), "too-many-attendees"),
        (ics(START, "EXDATE:" + ",".join(["20260310T090000Z"] * 1_001)), "too-many-exclusions"),
        (ics(START).replace("UID:u1", "UID:" + "u" * 501), "uid-too-long"),
    ],
)
def test_what_is_beyond_the_bounds_is_cut_with_a_defect(hostile: str, defect: str) -> None:
    found = invitation(hostile)
    assert defect in found.defects
    assert sum(len(each.attendees) for each in found.events) <= 1_000


def test_many_parts_are_read_up_to_a_bound() -> None:
    found = invitation(*(ics(START).replace("UID:u1", f"UID:{number}") for number in range(50)))
    assert len(found.events) == 10
    assert "too-many-calendars" in found.defects


@pytest.mark.parametrize("escape", ["%00", "%0A", "%7F"])
def test_an_attendees_address_with_an_escaped_control_character_is_none(escape: str) -> None:
    read = invitation(ics("UID:u", "DTSTART:20260302T081500Z", f"ATTENDEE:mailto:a{escape}b@c.cz"))
    assert read.events[0].attendees == ()


def test_control_characters_do_not_get_in() -> None:
    found = invitation(ics(START, "SUMMARY:a\0b\x1b[2J\udc80", "DESCRIPTION:x\x07y")).events[0]
    assert (found.summary, found.description) == ("ab[2J", "xy")


@st.composite
def mutated(draw: st.DrawFn) -> str:
    lines = text(draw(st.sampled_from(NAMES))).split("\r\n")
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, len(lines) - 1))
        name = lines[place].partition(":")[0]
        lines[place] = draw(
            st.sampled_from(["", lines[place] * 2, lines[place][:-3], f"{name}:{draw(st.text(max_size=20))}"])
        )
    return "\r\n".join(lines)


@given(st.lists(mutated() | st.text(max_size=200), max_size=3))
def test_any_text_is_read_without_an_exception(texts: list[str]) -> None:
    found = read(tuple(texts))
    for each in found.events if found else ():
        assert each.uid
        if each.starts is not None:
            assert isinstance(each.starts, datetime) is not each.all_day
            assert each.ends is not None
            assert each.ends >= each.starts
