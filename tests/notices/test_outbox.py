"""From a notice to a mail in a mailbox, with servers that take it, refuse it, break off and are away (TRUST.md C23)."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.header import decode_header, make_header
from email.message import Message as Mail
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from crmservice.config import Box
from crmservice.config.values import Endpoint
from crmservice.mail import own_notice
from crmservice.mail.parsing import parse
from crmservice.notices import note, outbox
from crmservice.notices.channel import Channels
from crmservice.notices.outbox import Outbox, Sent, pause
from crmservice.notices.policy import HOUR
from crmservice.notices.text import Speech
from crmservice.store import keys, notices, outgoing
from crmservice.store.models import Notice, Outgoing
from crmservice.tls import Timeouts
from crmservice.words import Words, in_language
from tests.notices.sinks import Sink, says, silence, sink
from tests.support.stub import serve

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
WAITS = Timeouts(connect=2, read=2, session=5)


@dataclass
class Office:
    """A service with its clock on the wall, and an administrator."""

    boxes: Sequence[Box]
    language: str = "en"
    now: datetime = NOON
    waits: Timeouts = WAITS
    log: list[str] = field(default_factory=list)

    def note(self, kind: str, box: str = "crm", about: str = "", **facts: object) -> None:
        notices.note(kind, box, about, facts, now=self.now)

    def run(self, seconds: float = 30) -> Sent:
        speech = Speech(in_language(self.language), ZoneInfo("Europe/Prague"), "posta1", "/srv/crm")
        box = Outbox(Channels(self.boxes), speech, lambda: self.now, log=self.log.append, waits=self.waits)
        return box.run(seconds)

    def pass_(self, time: timedelta, step: timedelta = 5 * MINUTE) -> None:
        end = self.now + time
        while self.now < end:
            self.now += step
            self.run()


def box(port: int, name: str = "crm", to: str = "spravce@firma.cz") -> Box:
    server = Endpoint("localhost", port, "plain")
    return Box(name, f"{name}@firma.cz", smtp=server, error_from="hlaseni@firma.cz", error_to=to)


def subjects(taken: Sink) -> list[str]:
    return [str(make_header(decode_header(read(mail.content)["Subject"]))) for mail in taken.mails]


def read(content: str | bytes | None) -> Mail:
    assert isinstance(content, bytes)
    return message_from_bytes(content)


def body(content: str | bytes | None) -> str:
    payload = read(content).get_payload(decode=True)
    assert isinstance(payload, bytes)
    return payload.decode().replace("\r\n", "\n")


def nobody() -> int:
    with serve(says()) as (port, _received):
        return port


def test_a_notice_says_what_happened_since_when_how_often_what_is_affected_and_what_to_do(home: Path) -> None:
    with sink() as taken:
        office = Office([box(taken.port)])
        for _ in range(3):
            office.note("box-failing", fault=Words("it did not answer"))
            office.now += MINUTE
        assert office.run().mails == 1
    (mail,) = taken.mails
    assert mail.rcpt_tos == ["spravce@firma.cz"]
    assert subjects(taken) == ["CRMService crm: mail can't be fetched"]
    text = body(mail.content)
    for said in (
        "A technology box could not be read.",
        "Fault:     it did not answer",
        "Since:     2026-03-02 13:00 CET",
        "Last:      2026-03-02 13:02 CET",
        "How often: 3×",
        "What is affected:\nNew mail of this box is not filed.",
        "What to do:\nSee what the fault says.",
        "posta1",
    ):
        assert said in text
    assert office.log[0].startswith("notice box-failing: crm mail can't be fetched (3×)")


def test_a_notice_is_marked_as_automatic_and_known_again(home: Path) -> None:
    with sink() as taken:
        office = Office([box(taken.port)])
        office.note("oauth")
        office.run()
    content = taken.mails[0].content
    assert isinstance(content, bytes)
    mail = read(content)
    assert (mail["From"], mail["To"]) == ("CRMService <hlaseni@firma.cz>", "spravce@firma.cz")
    assert (mail["Auto-Submitted"], mail["Precedence"]) == ("auto-generated", "bulk")
    assert own_notice.is_ours(parse(content), keys.known("notice"))
    assert (home / ".crmservice" / "notice.key").stat().st_mode & 0o777 == 0o600


def test_a_strangers_text_in_a_notice_stays_text(home: Path) -> None:
    with sink() as taken:
        office = Office([box(taken.port)])
        office.note("set-aside", about="17", subject="a\r\nBcc: all@evil.test\x1b[2J", sender="eve@evil.test\u202e")
        office.note("a\r\nBcc: x@evil.test")
        office.run()
    assert [mail.rcpt_tos for mail in taken.mails] == [["spravce@firma.cz"]] * 2
    assert [read(mail.content)["Bcc"] for mail in taken.mails] == [None, None]
    assert "Subject:   a\ufffd\ufffdBcc: all@evil.test\ufffd[2J" in body(taken.mails[0].content)
    assert "\u202e" not in body(taken.mails[0].content)


def test_an_unknown_kind_is_sent_with_its_facts(home: Path) -> None:
    with sink() as taken:
        office = Office([box(taken.port)])
        office.note("moon-phase", about="full", light=0.99)
        office.run()
    assert "“moon-phase”" in body(taken.mails[0].content)
    assert re.search(r"About: +full\nlight: +0.99", body(taken.mails[0].content))


def test_notices_are_czech_where_the_settings_say_so(home: Path) -> None:
    with sink() as taken:
        office = Office([box(taken.port)], "cs")
        office.note("set-aside", about="17", reason="oversized", size=99_000_000)
        office.run()
    assert subjects(taken) == ["CRMService crm: e-mail byl odložen"]
    text = body(taken.mails[0].content)
    for said in ("Schránka:", "Důvod:", "větší než maxMessageBytes", "Kdy:", "02.03.2026 13:00 CET", "Co dělat:"):
        assert said in text


def test_who_is_told_once_an_hour_is_told_of_the_rest_in_a_digest(home: Path) -> None:
    with sink() as taken:
        office = Office([box(taken.port)])
        office.note("set-aside", about="1")
        office.run()
        for n in range(2, 40):
            office.note("set-aside", about=str(n))
        office.pass_(HOUR)
    assert subjects(taken) == ["CRMService crm: a mail was set aside", "CRMService crm: digest of notices"]
    assert "… and this 33 times more." in body(taken.mails[1].content)


def test_a_matter_of_no_box_is_told_to_everybody_once(home: Path) -> None:
    with sink() as taken:
        two = [box(taken.port), box(taken.port, "druhy"), box(taken.port, "treti", "jiny@firma.cz")]
        office = Office(two)
        office.note("disk-full", box="")
        office.run()
    assert [mail.rcpt_tos[0] for mail in taken.mails] == ["spravce@firma.cz", "jiny@firma.cz"]


def test_a_box_without_an_errorto_of_its_own_is_told_to_the_others(home: Path) -> None:
    with sink() as taken:
        office = Office([Box("tichy", "tichy@firma.cz"), box(taken.port)])
        office.note("box-file", box="tichy")
        office.run()
    assert subjects(taken) == ["CRMService tichy: a box's file has a fault"]


def test_without_anybody_to_tell_the_log_has_it_and_it_stays_listed(home: Path) -> None:
    office = Office([Box("crm", "crm@firma.cz")])
    office.note("box-failing", fault="away")
    assert office.run() == Sent()
    assert [one.state for one in notices.listed()] == ["over"]
    assert "Fault: away" in office.log[0]


@pytest.mark.parametrize(
    "passing", [{"end": b"451 later"}, {"rcpt": b"450 greylisted"}, {"greeting": b"421 busy"}, {"data": None}]
)
def test_a_passing_fault_is_tried_again_later_with_the_same_message_id(
    home: Path, passing: dict[str, bytes | None]
) -> None:
    with serve(says(**passing)) as (port, _received):
        office = Office([box(port)])
        office.note("box-failing")
        assert len(office.run().faults) == 1
        assert office.run().faults == []  # it is not due yet
        office.now += pause(1)
        assert len(office.run().faults) == 1
    with sink() as taken:
        office.boxes = [box(taken.port)]
        office.now += pause(2)
        assert office.run().mails == 1
    assert read(taken.mails[0].content)["Message-ID"] == f"<{Outgoing.objects.get().message_id}>"
    assert Outgoing.objects.get().attempts == 2


def test_a_refusal_for_good_is_kept_with_its_words_and_told_when_the_server_takes_mail_again(home: Path) -> None:
    taken = Sink(recipients={"spravce@firma.cz": "550 5.1.1 no such user"})
    with sink(taken):
        office = Office([box(taken.port)])
        office.note("box-failing")
        office.run()
        assert {one.fault for one in outgoing.listed("failed")} >= {
            Words(
                "SMTP, sending to {recipient} by {server}: it says “{said}”",
                recipient="spravce@firma.cz", server=f"localhost:{taken.port}", said="550 5.1.1 no such user",
            )
        }  # fmt: skip
        taken.recipients.clear()
        office.note("box-failing")
        office.note("oauth")
        office.pass_(2 * HOUR)
    assert "CRMService crm: no access token for the mailbox" in subjects(taken)


def test_a_server_that_refuses_everything_for_hours_gets_ten_mails_an_hour_at_most(home: Path) -> None:
    taken = Sink(data="554 5.7.1 not today")
    with sink(taken):
        office = Office([box(taken.port)])
        for _ in range(5):
            for n in range(30):
                office.note(f"kind-{n}")
            office.pass_(HOUR, HOUR / 2)
    made = list(Outgoing.objects.order_by("made").values_list("made", flat=True))
    assert max(sum(one <= two < one + HOUR for two in made) for one in made) <= 10
    assert Notice.objects.filter(state="waiting").count() <= 31


def storm(office: Office) -> None:
    """10,000 identical and 100 distinct errors in a minute."""
    for n in range(100):
        office.note(f"kind-{n}")
    Notice.objects.filter(kind="kind-0").update(count=10_000)


@pytest.mark.parametrize(
    "stub", [says(greeting=b"421 busy"), says(rcpt=b"451 later"), None], ids=["421", "451", "refuse"]
)
def test_a_storm_while_the_server_is_away_for_a_day_is_one_mail_and_one_digest_after_it(
    home: Path, stub: object
) -> None:
    with serve(stub or says()) as (port, _received):  # type: ignore[arg-type]
        office = Office([box(port if stub else nobody())])
        office.note("box-failing")
        office.run()
        storm(office)
        office.pass_(DAY, 3 * HOUR)
        assert Outgoing.objects.count() == 1
        assert Notice.objects.filter(state="waiting").count() <= notices.MOST_WAITING
    with sink() as taken:
        office.boxes = [box(taken.port)]
        office.pass_(2 * HOUR)
    assert subjects(taken) == ["CRMService crm: mail can't be fetched", "CRMService crm: digest of notices"]
    assert "How often: 10000×" in body(taken.mails[1].content)


def test_a_black_hole_takes_no_longer_than_it_may(home: Path) -> None:
    with serve(silence(threading.Event())) as (port, _received):
        office = Office([box(port)], waits=Timeouts(connect=1, read=30, session=30))
        office.note("box-failing")
        done = office.run(seconds=0.3)
    assert done.mails == 0
    assert "did not answer in time" in str(done.faults[0])


def test_a_dead_server_of_one_box_does_not_keep_anothers_notices(home: Path) -> None:
    with sink() as taken:
        office = Office([box(nobody(), "a-mrtva", "jiny@firma.cz"), box(taken.port)])
        office.note("box-failing", box="a-mrtva")
        office.note("box-failing", box="crm")
        office.note("disk-full", box="")
        office.run()
    assert Counter(mail.rcpt_tos[0] for mail in taken.mails) == {"spravce@firma.cz": 2}


def test_who_dies_between_the_servers_word_and_its_note_sends_the_same_mail_again(home: Path) -> None:
    with sink() as taken:
        office = Office([box(taken.port)])
        office.note("box-failing")
        office.run()
        Outgoing.objects.update(state="waiting", due=NOON + outbox.CLAIMED, sent=None)
        office.now += outbox.CLAIMED
        office.run()
    assert len({read(mail.content)["Message-ID"] for mail in taken.mails}) == 1
    assert len(taken.mails) == 2


def test_mail_of_a_box_that_is_gone_waits(home: Path) -> None:
    outgoing.add(outgoing.New("canary", "", "zmizela", "a@firma.cz", "b@firma.cz", "1@firma.cz", b"\r\n"), NOON)
    with sink() as taken:
        assert Office([box(taken.port)]).run() == Sent()
    assert outgoing.count("waiting") == 1


def test_a_note_never_raises_and_is_written_down_once_the_database_is_back(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crmservice import notices as noting
    from crmservice.store import database

    database.connect(home / "missing" / "folder")
    assert not note("disk-full", fault="a")
    assert not note("disk-full", fault="b")
    database.connect(home)
    assert note("oauth", "crm")
    assert sorted(Notice.objects.values_list("kind", "count")) == [("disk-full", 2), ("oauth", 1)]
    assert noting._held == {}


def test_pauses_grow_to_an_hour() -> None:
    assert [pause(n) // MINUTE for n in (1, 2, 3, 6, 7, 8, 500)] == [1, 2, 4, 32, 60, 60, 60]
