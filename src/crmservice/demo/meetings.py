"""Invitations by mail: made, moved, cancelled, answered (iTIP, RFC 5546)."""

from __future__ import annotations

from datetime import UTC

from crmservice.demo.letter import Letter, address, moment
from crmservice.demo.people import DVORAKOVA, KUCERA, LINDQVIST, NOVOTNA, PROCHAZKA, STASTNY, SVOBODA, VESELY
from crmservice.demo.sample import Post, Sample

INSTANT = "%Y%m%dT%H%M%SZ"


def samples(post: Post) -> list[Sample]:
    """The mail with calendars, in the order of its arrival."""
    return [*_walk_through(post), *_series(post)]


def _event(post: Post, method: str, sequence: int, when: tuple[int, str, str], about: tuple[str, ...]) -> str:
    """An iCalendar text. ``when``: day, start, end; ``about``: uid, summary, place, organiser, guests."""
    day, begin, end = when
    uid, summary, location, organizer, *attendees = about
    stamp = moment(post.start, 0, "07:00").astimezone(UTC)
    lines = [
        "BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//demo//calendar//EN", f"METHOD:{method}", "BEGIN:VEVENT",
        f"UID:{uid}", f"DTSTAMP:{stamp.replace(minute=sequence):{INSTANT}}", f"SEQUENCE:{sequence}",
        f"SUMMARY:{summary}", f"LOCATION:{location}",
        f"DTSTART:{moment(post.start, day, begin).astimezone(UTC):{INSTANT}}",
        f"DTEND:{moment(post.start, day, end).astimezone(UTC):{INSTANT}}",
        f"ORGANIZER:mailto:{address(organizer)}",
        *(f"ATTENDEE;RSVP=TRUE;PARTSTAT=NEEDS-ACTION:mailto:{address(person)}" for person in attendees),
        "END:VEVENT", "END:VCALENDAR", "",
    ]  # fmt: skip
    return "\r\n".join(lines)


def _walk_through(post: Post) -> list[Sample]:
    about = (
        "prohlidka@strojirny-vltava.example",
        "Prohlídka skladu v Týně",
        "Týn, hala B",
        PROCHAZKA,
        NOVOTNA,
        DVORAKOVA,
    )
    both = f"{NOVOTNA}, {DVORAKOVA}"
    return [
        post.sample(Letter(
            "pozvanka", PROCHAZKA, both, "Pozvánka: Prohlídka skladu v Týně", "Zvu Vás na prohlídku skladu.\n", day=3, at="08:00",
            calendar=_event(post, "REQUEST", 0, (9, "09:00", "10:30"), about)), (
            "An invitation becomes a record for each colleague invited.",
            "Z pozvánky vznikne záznam každé pozvané kolegyni."), rule="invitation"),
        post.sample(Letter(
            "pozvanka-zmena", PROCHAZKA, both, "Změna: Prohlídka skladu v Týně", "Posouvám na čtvrtek.\n", day=3, at="09:15",
            calendar=_event(post, "REQUEST", 1, (10, "13:00", "14:30"), about)), (
            "A later version moves it and asks again.",
            "Pozdější verze ji posune a zeptá se znovu."), rule="invitation"),
        post.sample(Letter(
            "pozvanka-cizi-zruseni", LINDQVIST, both, "Canceled: Prohlídka skladu v Týně", "Cancelled.\n", day=3, at="09:40",
            calendar=_event(post, "CANCEL", 2, (10, "13:00", "14:30"), about)), (
            "Somebody else's cancellation is a proposal only.",
            "Zrušení od někoho jiného je jen návrh."), rule="invitation"),
    ]  # fmt: skip


def _series(post: Post) -> list[Sample]:
    uid = "revize@nemocnice-podhori.example"
    about = (uid, "Revize; serverovna", "Nemocnice", STASTNY, KUCERA)
    weekly = ("tydenni-hovor@nordwind.example", "Weekly portal call", "online", LINDQVIST, SVOBODA, VESELY)
    series = _event(post, "REQUEST", 0, (8, "10:00", "10:30"), weekly).replace(
        "ORGANIZER", "RRULE:FREQ=WEEKLY;COUNT=6\r\nORGANIZER"
    )
    return [
        post.sample(Letter(
            "pozvanka-serie", LINDQVIST, f"{SVOBODA}, {VESELY}", "Invitation: Weekly portal call", "Six calls, Tuesdays.\n",
            day=3, at="10:00", calendar=series), (
            "A recurring series keeps its rule and shows what comes next.",
            "Opakovaná událost si nechá pravidlo a ukáže, co bude."), rule="invitation"),
        post.sample(Letter(
            "pozvanka-revize", STASTNY, KUCERA, "Pozvánka: Revize", "Přijďte na revizi.\n", day=3, at="10:30",
            calendar=_event(post, "REQUEST", 0, (11, "08:00", "09:00"), about)), (
            "A second invitation …",
            "Druhá pozvánka …"), rule="invitation"),
        post.sample(Letter(
            "pozvanka-zrusena", STASTNY, KUCERA, "Zrušeno: Revize", "Revize se ruší.\n", day=4, at="08:00",
            calendar=_event(post, "CANCEL", 1, (11, "08:00", "09:00"), about)), (
            "… cancelled by the one who sent it.",
            "… zrušená tím, kdo ji poslal."), rule="invitation"),
    ]  # fmt: skip
