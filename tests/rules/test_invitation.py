"""Rule 10 (manual 14, SPEC chapter 8): who gets an invitation. What it does to records is tests/crm's."""

from __future__ import annotations

import pytest

from crmservice.crm.records import CancelInvitation, PutInvitation, SetAttendee, Suggest
from crmservice.testing.builders import Office, calendar, decided, eml, nested, of, part

PROOF = [("Authentication-Results", "mx.firma.cz; dmarc=pass header.from=acme.cz")]


def invite(
    *,
    headers: list[tuple[str, str]] | None = None,
    sender: str = "jana@acme.cz",
    to: str = "novak@firma.cz",
    cc: str = "",
    **event: object,
) -> bytes:
    text = repr(sorted(event.items()))  # mails of one second with equal texts are duplicates
    return eml(text, sender=sender, to=to, cc=cc, parts=[calendar(**event)], headers=headers or ())  # type: ignore[arg-type]


def test_each_recipient_who_is_a_user_gets_one() -> None:
    office = Office()
    decision = office.receive(
        invite(to="novak@firma.cz, nikdo@jinde.example", cc="jan.novak@firma.cz, svoboda@firma.cz")
    )
    puts = of(decision, PutInvitation)
    assert [office.login(put.user) for put in puts] == ["novak", "svoboda"]
    assert {(put.status, put.confirmed, put.changed) for put in puts} == {("needs-action", True, False)}
    assert decision.log == ("PROCESSED",)
    assert len(office.filed) == 2


def test_an_inactive_user_gets_none_but_the_mail_is_filed() -> None:
    office = Office()
    decision = office.receive(invite(to="byvala@firma.cz"))
    assert of(decision, PutInvitation) == []
    assert [filed.responsible for filed in office.filed] == ["byvala"]


def test_the_box_and_shared_addresses_get_none() -> None:
    assert of(decided(invite(to="crm@firma.cz, obchod@firma.cz")), PutInvitation) == []


def test_whom_only_the_delivery_names_gets_one_in_safe_mode() -> None:
    raw = invite(to="jiny@jinde.example", headers=[("Delivered-To", "svoboda@firma.cz")])
    assert len(of(decided(raw, rules="safe"), PutInvitation)) == 1
    assert of(decided(raw), PutInvitation) == []


def test_outgoing_invitations_reach_colleagues_too() -> None:
    office = Office()
    decision = office.receive(
        invite(sender="novak@firma.cz", to="svoboda@firma.cz, jana@acme.cz", organizer="novak@firma.cz")
    )
    assert [office.login(put.user) for put in of(decision, PutInvitation)] == ["svoboda"]
    assert office.filed[0].direction == "outgoing"


def test_it_stands_though_the_mail_makes_no_activity() -> None:
    decision = decided(invite(cc="crm@firma.cz"))
    assert decision.log == ("DELETED",)
    assert len(of(decision, PutInvitation)) == 1


def test_an_ics_attachment_is_one_and_a_calendar_part_is_no_attachment() -> None:
    event = calendar().split(b"\r\n\r\n", 1)[1].decode()
    attached = eml(parts=[part(event, "application/octet-stream", "pozvanka.ics")])
    assert len(of(decided(attached), PutInvitation)) == 1
    assert decided(invite()).message.attachments == ()


def test_an_invitation_within_a_nested_mail_is_none() -> None:
    assert of(decided(eml(parts=[nested(invite())])), PutInvitation) == []


def test_a_later_sequence_in_the_same_batch_updates() -> None:
    first, second = Office().receive_together(invite(), invite(sequence=1, stamp="20260302T100000Z"))
    assert [put.changed for decision in (first, second) for put in of(decision, PutInvitation)] == [False, True]


def test_the_organiser_cancels() -> None:
    office = Office()
    office.receive(invite())
    cancel = office.receive(invite(method="CANCEL", sequence=1))
    assert [one.uid for one in of(cancel, CancelInvitation)] == ["porada@acme.cz"]


def test_cancelling_an_unknown_event_makes_nothing() -> None:
    decision = decided(invite(method="CANCEL", uid="nikdy@acme.cz"))
    assert (of(decision, PutInvitation), of(decision, CancelInvitation)) == ([], [])


@pytest.mark.parametrize("method", ["REQUEST", "CANCEL"])
def test_a_stranger_changes_nothing_but_proposes(method: str) -> None:
    office = Office()
    office.receive(invite())
    decision = office.receive(invite(sender="eve@evil.test", method=method, sequence=5, stamp="20260303T100000Z"))
    assert of(decision, PutInvitation) == []
    assert of(decision, CancelInvitation) == []
    assert [one.kind for one in of(decision, Suggest)] == ["invitation-proposal"]


def test_a_new_event_in_anothers_name_is_made_but_not_confirmed() -> None:
    (put,) = of(decided(invite(sender="eve@evil.test", organizer="sef@firma.cz")), PutInvitation)
    assert not put.confirmed


def test_an_unverified_organiser_makes_but_changes_nothing() -> None:
    office = Office(authserv_ids=("mx.firma.cz",))
    (put,) = of(office.receive(invite()), PutInvitation)
    assert not put.confirmed
    forged = office.receive(invite(sequence=1))
    assert of(forged, PutInvitation) == []
    assert of(forged, Suggest) != []
    genuine = office.receive(invite(sequence=2, headers=PROOF))
    assert len(of(genuine, PutInvitation)) == 1


def test_a_reply_sets_the_senders_own_state() -> None:
    reply = invite(method="REPLY", attendee="jana@acme.cz", state="ACCEPTED", organizer="")
    (answer,) = of(decided(reply), SetAttendee)
    assert (answer.email, answer.state) == ("jana@acme.cz", "accepted")
    other = invite(method="REPLY", attendee="bob@beta.example", state="DECLINED")
    assert of(decided(other), SetAttendee) == []


@pytest.mark.parametrize("method", ["COUNTER", "REFRESH", "ADD"])
def test_these_methods_make_no_record(method: str) -> None:
    assert of(decided(invite(method=method)), PutInvitation) == []


def test_an_event_without_method_is_published() -> None:
    (put,) = of(decided(invite(method="")), PutInvitation)
    assert not put.answerable
    assert of(decided(invite()), PutInvitation)[0].answerable
