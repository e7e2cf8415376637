"""What one transaction writes: rows, effects, attachments, all or nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crmservice.crm.records import (
    CreateTask,
    Direction,
    Intent,
    JoinThread,
    MarkAddress,
    PutInvitation,
    SetAttendee,
    Suggest,
    TakeTurn,
    UpdateTask,
)
from crmservice.mail.message import Attachment, Attendee, CalendarEvent
from crmservice.pipeline.gateway import Outcome, StaleDirectory, Waiting
from crmservice.pipeline.rule import Findings, Step, Verdict
from crmservice.store import access, bulk, inbox, models, tables, trails
from crmservice.store.gateway import AlreadyDecided, StoreGateway
from crmservice.store.lease import LeaseLost
from crmservice.testing.gateway_contract import BOX, EVERYTHING, NOON, TABLES, activity, decision, identity, mail
from tests.store.conftest import arrival

Row = Callable[[], Waiting]


class Desk:
    """A gateway with the contract's company, and what is needed to speak to it."""

    def __init__(self) -> None:
        tables.load(TABLES)
        self.gateway = StoreGateway()
        self.there = self.gateway.directory_for(EVERYTHING, [])
        self.novak = self.there.users["novak@firma.cz"].id
        self.jana = self.there.contacts["jana@acme.cz"][0]
        self.contract = self.there.contracts["z-1"].id

    def apply(self, *batch: tuple[Waiting, Any], gateway: StoreGateway | None = None) -> None:
        used = gateway or self.gateway
        used.directory_for(EVERYTHING, [row.id for row, _ in batch])
        used.apply([Outcome(row, BOX, made) for row, made in batch])


@pytest.fixture
def desk(home: Path) -> Desk:
    return Desk()


def effects(message: int) -> list[tuple[Any, ...]]:
    rows = models.Effect.objects.filter(message=message).order_by("n")
    return [
        (table, before and json.loads(before), after and json.loads(after))
        for table, before, after in rows.values_list("table", "before", "after")
    ]


def test_an_activity_holds_what_was_decided(desk: Desk, row: Row) -> None:
    made = activity(
        desk.novak, contacts=(desk.jana.id,), accounts=(desk.jana.account,), contract=desk.contract, task="77", scope="p1",
        due=NOON, completed=None, type="Obchodní jednání", unverified=True,
    )  # fmt: skip
    desk.apply((row(), decision(1, made)))
    (exported,) = tables.export()["activities"]
    assert exported | {"id": "?"} == {
        "id": "?", "kind": "mail", "subject": "mail 1", "body": "text", "direction": "incoming",
        "type": "Obchodní jednání", "responsible": "novak", "accounts": ["ACME"], "contacts": ["Jana"],
        "contract": "Z-1", "order": None, "task": "77", "scope": "p1", "sent": "2026-03-02T12:00:00+00:00",
        "due": "2026-03-02T12:00:00+00:00", "completed": None, "attachments": [], "starts": None, "ends": None,
        "all_day": False, "location": None,
    }  # fmt: skip
    assert [one.unverified for one in access.activities(tables.EVERYBODY)] == [True]


def test_the_message_keeps_its_verdict_log_and_trail(desk: Desk, row: Row) -> None:
    one = row()
    step = Step("incoming", "15.10", True, "users-found", {"users": ["novak"]})
    desk.apply((one, decision(1, activity(desk.novak), trail=(step,), found=Findings(direction=Direction.INCOMING))))
    (message,) = access.messages(tables.EVERYBODY)
    assert (message.verdict, message.sender, message.subject) == ("processed", "jana@acme.cz", "mail 1")
    assert (trails.read_log(message.log), trails.read_trail(message.trail)) == (("PROCESSED",), (step,))
    (exported,) = tables.export()["messages"]
    assert exported["activities"] == [tables.export()["activities"][0]["id"]]


def test_a_mail_without_a_usable_sender_shows_what_it_said(desk: Desk, row: Row) -> None:
    desk.apply((row(), decision(1, message=replace(mail(1), sender=None, raw_from=" \0someone "))))
    assert access.messages(tables.EVERYBODY)[0].sender == "�someone"


def test_attachments_are_listed_with_their_checksums(desk: Desk, row: Row) -> None:
    message = replace(mail(1), attachments=(Attachment("a\0.pdf", "application/pdf", lambda: b"PDF"),))
    two = (activity(desk.novak, keep_original=True), activity(desk.there.users["svoboda@firma.cz"].id))
    desk.apply((row(), decision(1, *two, message=message)))
    for one in access.activities(tables.EVERYBODY):
        found = access.attachments(tables.EVERYBODY, one.id)
        assert [(a.part, a.name, a.content_type, a.size, a.sha256) for a in found] == [
            (-1, "Original.eml", "message/rfc822", 3, hashlib.sha256(b"raw").hexdigest()),
            (0, "a�.pdf", "application/pdf", 3, hashlib.sha256(b"PDF").hexdigest()),
        ]


def test_attachments_of_unfiled_mail_are_not_even_decoded(desk: Desk, row: Row) -> None:
    def load() -> bytes:
        raise AssertionError("decoded")

    message = replace(mail(1), attachments=(Attachment("a", "b/c", load),))
    desk.apply((row(), decision(1, message=message, verdict=Verdict.SKIPPED)))
    assert models.Attachment.objects.count() == 0


def test_a_type_that_is_missing_is_made(home: Path, row: Row) -> None:
    tables.load({"users": [{"login": "novak", "email": "novak@firma.cz"}]})
    gateway = StoreGateway()
    for n in (1, 2):
        one = row()
        user = gateway.directory_for(EVERYTHING, [one.id]).users["novak@firma.cz"].id
        gateway.apply([Outcome(one, BOX, decision(n, activity(user)))])
    assert tables.export()["activity_types"] == [{"name": "E-mail"}]
    assert gateway.directory_for(EVERYTHING, []).types == {"e-mail": "E-mail"}


def test_a_changed_reference_table_is_seen_at_once(desk: Desk) -> None:
    tables.load({"activity_types": [{"name": "Dokumentace"}], "users": [{"login": "novak", "active": False}]})
    found = desk.gateway.directory_for(EVERYTHING, [])
    assert found.types["dokumentace"] == "Dokumentace"
    assert [user.login for user in found.shared["info@firma.cz"].users] == ["svoboda"]


def test_marks_are_set_once_and_noted_once_for_each_message(desk: Desk, row: Row) -> None:
    one, two = row(), row()
    contact, account = desk.jana.id, desk.jana.account or 0
    opt_out = MarkAddress("jana@acme.cz", "do_not_send", (contact,), (account,))
    broken = MarkAddress("jana@acme.cz", "broken", (contact,))
    desk.apply((one, decision(1, opt_out, opt_out)), (two, decision(2, opt_out, broken)))
    flags = ("allow_emails", "allow_bulk_emails", "email_broken")
    assert [tables.export()["contacts"][0][name] for name in flags] == [False, False, True]
    assert [tables.export()["accounts"][0][name] for name in flags] == [False, False, False]
    off = ({"allow_emails": True, "allow_bulk_emails": True}, {"allow_emails": False, "allow_bulk_emails": False})
    assert effects(one.id) == [("contact", *off), ("account", *off)]
    assert effects(two.id) == [
        ("contact", off[1], off[1]),
        ("contact", {"email_broken": False}, {"email_broken": True}),
        ("account", off[1], off[1]),
    ]


def test_a_forbidden_address_says_who_forbade_it(desk: Desk, row: Row) -> None:
    one = row()
    desk.apply((one, decision(1, MarkAddress("x@jinde.cz", "do_not_send", unverified=True))))
    assert effects(one.id) == [("forbiddenemail", "", ["x@jinde.cz", "do_not_send", True])]
    later = row()
    mark = MarkAddress("x@jinde.cz", "do_not_send")
    desk.apply((later, decision(2, mark, mark)))
    assert effects(later.id) == [("forbiddenemail", *[["x@jinde.cz", "do_not_send", False]] * 2)]
    assert ("x@jinde.cz", "do_not_send", True) in [
        (f.email, f.type, f.unverified) for f in access.forbidden_emails(tables.EVERYBODY)
    ]


def test_a_task_keeps_its_solvers_and_its_history(desk: Desk, row: Row) -> None:
    one, two = row(), row()
    task = CreateTask("78", "Tisk", "nejde", solvers=(desk.novak, desk.novak), approver=desk.novak, problem_id="501")
    update = UpdateTask("78", "Tisk 2", "Solved", desk.contract, "jde")
    desk.apply((one, decision(1, task, activity(desk.novak, task="78"))), (two, decision(2, update)))
    found = {row["number"]: row for row in tables.export()["tasks"]}["78"]
    assert found == {
        "number": "78", "subject": "Tisk 2", "body": "jde", "status": "Solved", "approver": "novak", "solvers": ["novak"],
        "contract": "Z-1", "problem_id": "501",
    }  # fmt: skip
    assert [table for table, _, _ in effects(one.id)] == ["task", "activity"]
    ((table, before, after),) = effects(two.id)
    assert (table, before["status"], after["status"]) == ("task", "new", "Solved")


def test_a_turn_notes_who_had_the_last_one(desk: Desk, row: Row) -> None:
    one, shared = row(), desk.there.shared["info@firma.cz"].id
    desk.apply((one, decision(1, TakeTurn(shared, desk.novak))))
    assert effects(one.id) == [("sharedaddress", {"last_user_id": None}, {"last_user_id": desk.novak})]


def test_merging_threads_notes_what_was_merged(desk: Desk, row: Row) -> None:
    one, two, three = row(), row(), row()
    desk.apply((one, decision(1, JoinThread(5), activity(desk.novak, thread=5, contract=desk.contract))))
    desk.apply((two, decision(2, JoinThread(7), activity(desk.novak, thread=7))))
    desk.apply((three, decision(3, JoinThread(7, (5, 7)))))
    _join, (table, before, after) = effects(three.id)
    made = models.Activity.objects.get(message=one.id)
    assert (table, after) == ("thread", 7)
    assert before == {
        "messages": [identity(1).message_id.hex()],
        "activities": [made.id],
        "people": ["jana@acme.cz", "novak@firma.cz"],
        "brought": [],
        "filing": [desk.contract, None, None],
        "filed": True,
    }
    assert made.thread == 7
    filing = ("threadfiling", "", [desk.contract, None, None])
    assert filing in effects(one.id)


def test_a_thread_filed_the_same_again_is_no_effect(desk: Desk, row: Row) -> None:
    filed = activity(desk.novak, thread=5, contract=desk.contract)
    one, two = row(), row()
    desk.apply((one, decision(1, JoinThread(5), filed)))
    desk.apply((two, decision(2, JoinThread(5), filed)))
    assert [table for table, _, _ in effects(two.id)] == ["activity", "join"]


def test_a_mail_without_message_id_has_no_place_in_a_thread(desk: Desk, row: Row) -> None:
    bare = identity(1)._replace(message_id=b"")
    sent = activity(desk.novak, thread=5, direction=Direction.OUTGOING)
    desk.apply((row(), decision(1, JoinThread(5), sent, identity=bare)))
    assert models.ThreadMessage.objects.count() == 0
    assert desk.gateway.directory_for(EVERYTHING, []).sent_to == {"novak@firma.cz"}


def test_suggestions_wait_to_be_accepted(desk: Desk, row: Row) -> None:
    one = row()
    desk.apply((one, decision(1, Suggest("assignment", "contract:Z-1", {"because": "marker"}))))
    assert tables.export()["suggestions"] == [
        {"message": str(one.id), "kind": "assignment", "target": "contract:Z-1", "payload": {"because": "marker"}, "state": "open"}
    ]  # fmt: skip


def invitation(user: int, **facts: Any) -> PutInvitation:
    event = CalendarEvent(
        "porada@acme.cz", 0, NOON, "Porada", "Praha", starts=NOON, ends=NOON + timedelta(hours=1),
        organizer="jana@acme.cz", attendees=(Attendee("bob@beta.example", "Bob"),), excluded=("2026-03-09",),
    )  # fmt: skip
    return PutInvitation(user, replace(event, **facts), "needs-action", "jana@acme.cz", True, True, "f")


def test_an_all_day_invitation_keeps_its_dates(desk: Desk, row: Row) -> None:
    put = invitation(desk.novak, starts=date(2026, 3, 10), ends=date(2026, 3, 11), all_day=True, sequence=2**40)
    desk.apply((row(), decision(1, put)))
    (found,) = tables.export()["invitations"]
    assert (found["starts"], found["ends"], found["all_day"]) == ("2026-03-10", "2026-03-11", True)
    assert found["sequence"] == 2**31 - 1


def test_an_answer_changes_the_attendee_unless_it_is_older(desk: Desk, row: Row) -> None:
    desk.apply((row(), decision(1, invitation(desk.novak))))
    answers = [("accepted", 2), ("declined", 1), ("tentative", None)]
    for n, (state, hour) in enumerate(answers, 2):
        when = NOON + timedelta(hours=hour) if hour else None
        desk.apply((row(), decision(n, SetAttendee("porada@acme.cz", "", "bob@beta.example", state, when))))
    desk.apply((row(), decision(6, SetAttendee("porada@acme.cz", "", "nikdo@x.cz", "accepted", NOON))))
    desk.apply((row(), decision(7, SetAttendee("porada@acme.cz", "2026-03-09", "bob@beta.example", "declined", None))))
    (attendee,) = json.loads(models.Invitation.objects.get().attendees)
    assert attendee["state"] == "accepted"


def test_an_answer_to_an_event_without_attendees_changes_nothing(desk: Desk, row: Row) -> None:
    one = row()
    desk.apply((row(), decision(1, invitation(desk.novak, attendees=(), excluded=()))))
    desk.apply((one, decision(2, SetAttendee("porada@acme.cz", "", "bob@beta.example", "accepted", NOON))))
    assert effects(one.id) == []


def test_a_uid_longer_than_its_column_is_one_all_the_same(desk: Desk, row: Row) -> None:
    uid = "u" * 600
    wanted = replace(EVERYTHING, uids=frozenset({uid}))
    for n in (1, 2):
        desk.apply((row(), decision(n, invitation(desk.novak, uid=uid, sequence=n))))
    (record,) = desk.gateway.directory_for(wanted, []).invitations.values()
    assert (record.uid, record.sequence) == (uid, 2)


def test_nothing_is_written_when_one_message_fails(desk: Desk, row: Row) -> None:
    one, two = row(), row()
    gone = activity(desk.novak, contacts=(12345,))
    with pytest.raises(StaleDirectory):
        desk.apply((one, decision(1, activity(desk.novak))), (two, decision(2, gone)))
    assert tables.export()["activities"] == []
    assert [waiting.id for waiting in inbox.pending("crm", 9)] == [one.id, two.id]


def test_a_task_that_went_meanwhile_is_noticed(desk: Desk, row: Row) -> None:
    with pytest.raises(StaleDirectory, match="404"):
        desk.apply((row(), decision(1, activity(desk.novak, task="404"))))


def test_a_message_is_decided_once(desk: Desk, row: Row) -> None:
    one = row()
    desk.apply((one, decision(1, activity(desk.novak))))
    with pytest.raises(AlreadyDecided):
        desk.apply((one, decision(1, activity(desk.novak))))
    assert len(tables.export()["activities"]) == 1


def test_a_holder_that_lost_its_lease_writes_nothing(desk: Desk, row: Row) -> None:
    class Lost:
        def check(self) -> None:
            raise LeaseLost("lost")

    one = row()
    with pytest.raises(LeaseLost):
        desk.apply((one, decision(1, activity(desk.novak))), gateway=StoreGateway(Lost()))
    assert inbox.pending("crm", 9)


def test_a_contact_deleted_meanwhile_keeps_no_mark(desk: Desk, row: Row) -> None:
    one = row()
    models.Contact.objects.filter(id=desk.jana.id).delete()
    desk.apply((one, decision(1, MarkAddress("jana@acme.cz", "broken", (desk.jana.id,)))))
    assert effects(one.id) == []


def test_times_are_utc_to_the_microsecond_on_every_database(home: Path) -> None:
    exact = datetime(2026, 3, 2, 10, 0, 0, 123456, UTC)
    inbox.accept([arrival(1, arrived=exact.astimezone(datetime.now().astimezone().tzinfo))])
    assert inbox.pending("crm", 1)[0].arrived == exact == inbox.list_messages()[0].arrived
    assert bulk.aware("2026-03-02 10:00:00.123456") == exact
    assert bulk.aware(None) is None


texts = st.text(st.characters(), max_size=30)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(subject=texts, body=texts, name=texts, target=texts)
def test_any_text_of_a_mail_can_be_stored(
    desk: Desk, row: Row, subject: str, body: str, name: str, target: str
) -> None:
    message = replace(
        mail(1), subject=subject, text=body, raw_from=name, attachments=(Attachment(name, name, lambda: b""),)
    )
    one = row()
    intents: list[Intent] = [
        Suggest("x", target, {"text": body}),
        activity(desk.novak),
        invitation(desk.novak, summary=name),
    ]
    steps = (Step("rule", "1", True, "code", {"text": subject}),)
    own_key = decision(1, identity=identity(1)._replace(key=str(one.id).encode()[:16]))
    desk.apply((one, replace(own_key, message=message, intents=tuple(intents), trail=steps)))
    assert access.messages(tables.EVERYBODY, id=one.id)[0].verdict == "processed"


def test_a_batch_asks_a_handful_of_queries_whatever_its_size(
    desk: Desk, row: Row, django_queries: Callable[[], int]
) -> None:
    def queries(*numbers: int) -> int:
        batch = [(row(), decision(n, JoinThread(n), activity(desk.novak, thread=n))) for n in numbers]
        before = django_queries()
        desk.apply(*batch)
        return django_queries() - before

    queries(1)
    assert queries(2) == queries(3, 4, 5, 6, 7)
