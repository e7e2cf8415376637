"""What an invitation in a mail makes, changes, and only proposes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from crmservice.crm.invitations import (
    InvitationDecision,
    Records,
    decide_invitation,
    event_as_json,
    event_from_json,
    fingerprint,
)
from crmservice.crm.records import CancelInvitation, InvitationRecord, PutInvitation, SetAttendee, Suggest, User
from crmservice.mail.message import Attendee, CalendarEvent, Invitation

JANA, EVE = "jana@acme.cz", "eve@evil.test"
NOVAK = User(1, "novak", "novak@firma.cz")
SVOBODA = User(2, "svoboda", "svoboda@firma.cz")
GONE = User(3, "gone", "gone@firma.cz", active=False)
STAMP = datetime(2026, 3, 2, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
START = datetime(2026, 3, 10, 9, tzinfo=UTC)
SECOND = "2026-03-17T09:00:00+00:00"
EVENT = CalendarEvent("u1", 0, STAMP, "Porada", "Praha", "", START, START + HOUR, organizer=JANA)
SERIES = replace(EVENT, rule="FREQ=WEEKLY")
ONE = replace(EVENT, occurrence=SECOND, starts=START + timedelta(days=8), stamp=STAMP + HOUR)


def decide(
    event: CalendarEvent,
    *others: CalendarEvent,
    method: str = "REQUEST",
    sender: str = JANA,
    may_change: bool = True,
    users: tuple[User, ...] = (NOVAK,),
    records: Records | None = None,
) -> InvitationDecision:
    return decide_invitation(Invitation(method, event.uid, (event, *others)), sender, may_change, users, records or {})


def stored(event: CalendarEvent = EVENT, maker: str = JANA, status: str = "needs-action", user: int = 1) -> Records:
    """The store after this event was put."""
    place = (user, event.uid, event.occurrence)
    version = (event.sequence, event.stamp)
    return {place: InvitationRecord(*place, *version, event.organizer, maker, status, fingerprint(event))}


def put(decision: InvitationDecision) -> PutInvitation:
    (intent,) = decision.intents
    assert isinstance(intent, PutInvitation)
    return intent


def suggestion(decision: InvitationDecision) -> Mapping[str, Any]:
    assert decision.code == "proposal"
    (intent,) = decision.intents
    assert isinstance(intent, Suggest)
    assert (intent.kind, intent.target) == ("invitation-proposal", "u1")
    return intent.payload


def test_a_request_makes_a_record_for_each_active_user_in_order() -> None:
    decision = decide(EVENT, users=(SVOBODA, GONE, NOVAK, NOVAK))
    assert [(type(each), each.user) for each in decision.intents if isinstance(each, PutInvitation)] == [
        (PutInvitation, 1),
        (PutInvitation, 2),
    ]
    assert (decision.code, decision.codes) == ("created", {"created": 2})


def test_a_new_record_awaits_the_users_own_answer() -> None:
    made = put(decide(replace(EVENT, attendees=(Attendee(NOVAK.email, state="accepted"),))))
    assert (made.status, made.maker, made.changed) == ("needs-action", JANA, False)
    assert (made.confirmed, made.answerable, made.fingerprint) == (True, True, fingerprint(EVENT))


def test_an_invitation_without_users_makes_nothing() -> None:
    assert decide(EVENT, users=(GONE,)) == InvitationDecision((), "no-user", {"no-user": 1})


@pytest.mark.parametrize(
    ("sender", "may_change", "organizer", "confirmed"),
    [(JANA, True, JANA, True), (EVE, True, JANA, False), (JANA, False, JANA, False), (EVE, True, "", True)],
)
def test_a_new_uid_always_makes_the_record_and_says_who_stands_behind_it(
    sender: str, may_change: bool, organizer: str, confirmed: bool
) -> None:
    decision = decide(replace(EVENT, organizer=organizer), sender=sender, may_change=may_change)
    assert (decision.code, put(decision).confirmed) == ("created", confirmed)


def test_what_is_published_or_ones_own_awaits_no_answer() -> None:
    assert not put(decide(EVENT, method="PUBLISH")).answerable
    assert not put(decide(replace(EVENT, organizer=NOVAK.email))).answerable


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (EVENT, "same"),
        (replace(EVENT, stamp=STAMP - HOUR), "older"),
        (replace(EVENT, sequence=-1, stamp=STAMP + HOUR), "older"),
        (replace(EVENT, stamp=STAMP + HOUR), "updated"),
        (replace(EVENT, sequence=1, stamp=STAMP - HOUR), "updated"),
        (replace(EVENT, sequence=1, starts=None), "unreadable"),
    ],
)
def test_only_a_newer_version_updates(event: CalendarEvent, code: str) -> None:
    decision = decide(event, records=stored())
    assert decision.code == code
    assert bool(decision.intents) is (code == "updated")


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"summary": "Jinak", "location": "Brno", "description": "Text"}, "accepted"),
        ({"rule": "FREQ=DAILY"}, "needs-action"),
        ({"starts": START + HOUR, "ends": START + 2 * HOUR}, "needs-action"),
        ({"ends": START + 2 * HOUR}, "needs-action"),
        ({"excluded": (SECOND,)}, "needs-action"),
    ],
)
def test_a_change_of_time_or_rule_asks_again_and_a_change_of_text_does_not(change: dict[str, Any], status: str) -> None:
    decision = decide(replace(EVENT, sequence=1, **change), records=stored(status="accepted"))
    assert (put(decision).status, put(decision).changed) == (status, True)


def test_a_reinstated_event_asks_again() -> None:
    decision = decide(replace(EVENT, sequence=2), records=stored(status="cancelled"))
    assert put(decision).status == "needs-action"


def test_the_order_of_a_rules_parts_is_no_change() -> None:
    assert fingerprint(replace(EVENT, rule="FREQ=DAILY;COUNT=2")) == fingerprint(
        replace(EVENT, rule="COUNT=2;FREQ=DAILY")
    )


@pytest.mark.parametrize("method", ["REQUEST", "CANCEL", "PUBLISH"])
@pytest.mark.parametrize(("sender", "may_change"), [(EVE, True), (JANA, False), ("", True)])
def test_a_stranger_or_a_forger_only_proposes(method: str, sender: str, may_change: bool) -> None:
    newer = replace(EVENT, sequence=5, starts=START + HOUR)
    payload = suggestion(decide(newer, method=method, sender=sender, may_change=may_change, records=stored()))
    assert (payload["method"], payload["sender"], payload["users"]) == (method, sender, [1])
    assert event_from_json(json.loads(json.dumps(payload["event"]))) == newer


def test_several_users_get_one_proposal_together() -> None:
    records = {**stored(), **stored(user=2)}
    decision = decide(replace(EVENT, sequence=1), sender=EVE, users=(NOVAK, SVOBODA), records=records)
    assert suggestion(decision)["users"] == [1, 2]


def test_the_sender_of_the_first_mail_may_change_what_he_made() -> None:
    decision = decide(
        replace(EVENT, sequence=1), sender="asistentka@acme.cz", records=stored(maker="asistentka@acme.cz")
    )
    assert (decision.code, put(decision).maker, put(decision).confirmed) == ("updated", "asistentka@acme.cz", False)


def test_an_update_without_organizer_keeps_the_known_one() -> None:
    assert put(decide(replace(EVENT, sequence=1, organizer=""), records=stored())).event.organizer == JANA


def test_an_occurrence_gets_its_own_record_and_leaves_the_series() -> None:
    decision = decide(ONE, records=stored(SERIES))
    assert (decision.code, put(decision).event.occurrence, put(decision).changed) == ("created", SECOND, False)


def test_an_occurrence_of_somebody_elses_series_is_a_proposal() -> None:
    suggestion(decide(ONE, sender=EVE, records=stored(SERIES)))


def test_a_series_is_not_taken_over_by_way_of_a_known_occurrence() -> None:
    suggestion(decide(SERIES, sender=EVE, records=stored(ONE)))


def test_an_occurrence_older_than_the_series_in_every_way_is_late() -> None:
    late = replace(ONE, stamp=STAMP - HOUR)
    assert decide(late, records=stored(replace(SERIES, sequence=2))).code == "older"
    assert decide(ONE, records=stored(replace(SERIES, sequence=2))).code == "created"


@pytest.mark.parametrize(
    ("sequence", "status", "code"),
    [
        (0, "accepted", "cancelled"),
        (1, "needs-action", "cancelled"),
        (-1, "accepted", "older"),
        (0, "cancelled", "same"),
    ],
)
def test_a_cancellation_counts_from_the_stored_sequence_on(sequence: int, status: str, code: str) -> None:
    event = replace(EVENT, sequence=sequence, cancelled=True)
    decision = decide(event, method="CANCEL", records=stored(status=status))
    assert decision.code == code
    expected = (CancelInvitation(1, "u1", "", max(sequence, 0), STAMP),) if code == "cancelled" else ()
    assert decision.intents == expected


def test_a_cancellation_of_an_unknown_uid_makes_nothing() -> None:
    for event in (EVENT, ONE):
        assert decide(event, method="CANCEL") == InvitationDecision((), "unknown-uid", {"unknown-uid": 1})


def test_cancelling_a_series_cancels_its_occurrences_too() -> None:
    records = {**stored(SERIES), **stored(replace(ONE, sequence=3))}
    decision = decide(replace(SERIES, sequence=1), method="CANCEL", records=records)
    assert [each.occurrence for each in decision.intents if isinstance(each, CancelInvitation)] == ["", SECOND]


def test_cancelling_an_occurrence_leaves_the_series() -> None:
    assert decide(ONE, method="CANCEL", records={**stored(SERIES), **stored(ONE)}).intents == (
        CancelInvitation(1, "u1", SECOND, 0, ONE.stamp),
    )


def test_cancelling_an_untouched_occurrence_makes_its_record() -> None:
    bare = CalendarEvent("u1", 1, STAMP + HOUR, occurrence=SECOND, cancelled=True)
    made = put(decide(bare, method="CANCEL", records=stored(SERIES)))
    assert (made.status, made.answerable, made.event.starts) == ("cancelled", False, datetime.fromisoformat(SECOND))
    assert made.event.organizer == JANA
    suggestion(decide(bare, method="CANCEL", sender=EVE, records=stored(SERIES)))


def test_a_request_may_bring_a_series_with_a_cancelled_occurrence() -> None:
    decision = decide(SERIES, replace(ONE, cancelled=True), may_change=False)
    assert [each.status for each in decision.intents if isinstance(each, PutInvitation)] == [
        "needs-action",
        "cancelled",
    ]


def reply(email: str, state: str = "accepted") -> CalendarEvent:
    return replace(EVENT, organizer="", attendees=(Attendee(email, state=state),))


def test_a_reply_sets_the_senders_own_answer() -> None:
    decision = decide(reply(JANA, "declined"), method="REPLY")
    assert decision.intents == (SetAttendee("u1", "", JANA, "declined", STAMP),)
    assert decision.code == "answered"


def test_a_reply_for_another_or_unverified_is_a_proposal() -> None:
    suggestion(decide(reply(JANA), method="REPLY", sender=EVE))
    suggestion(decide(reply(JANA), method="REPLY", may_change=False))


def test_a_counter_is_a_proposal_and_refresh_and_add_make_nothing() -> None:
    assert suggestion(decide(reply(JANA), method="COUNTER"))["method"] == "COUNTER"
    for method in ("REFRESH", "ADD", "DECLINECOUNTER", "X-OTHER"):
        assert decide(EVENT, method=method, records=stored()) == InvitationDecision((), "no-record", {"no-record": 1})


def test_an_invitation_beyond_reading_makes_nothing() -> None:
    decision = decide_invitation(Invitation("PUBLISH", "", (), ("invitation-unreadable",)), JANA, True, (NOVAK,), {})
    assert decision == InvitationDecision((), "unreadable", {})


@pytest.mark.parametrize(
    "event", [EVENT, SERIES, ONE, CalendarEvent("d", starts=date(2026, 3, 1), all_day=True), reply(JANA)]
)
def test_an_event_survives_json(event: CalendarEvent) -> None:
    assert event_from_json(json.loads(json.dumps(event_as_json(event)))) == event
