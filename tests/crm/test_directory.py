"""The directory as a value: whom an address names, and what the next message of a batch sees."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from crmservice.crm.directory import Directory, added_recipient, by_address, without_tag
from crmservice.crm.records import (
    CancelInvitation,
    Contract,
    CreateActivity,
    CreateTask,
    Direction,
    Intent,
    InvitationRecord,
    JoinThread,
    MarkAddress,
    PutInvitation,
    Seen,
    SetAttendee,
    Suggest,
    TakeTurn,
    Task,
    Thread,
    UpdateTask,
    User,
)
from crmservice.mail.message import Address, CalendarEvent, Identity, Message, digest

OURS = frozenset({"firma.cz"})
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
MAIL = Message(b"", sender=Address("novak@firma.cz"), recipients=("jana@acme.cz",), message_id="1@x", sent=NOON)
IDENTITY = Identity(b"key", b"body", digest("1@x"), dated=True)
ACTIVITY = CreateActivity(1, Direction.OUTGOING, "E-mail", "p2", NOON, None, NOON, thread=5)


def after(directory: Directory, *intents: Intent, mail: Message = MAIL) -> Directory:
    return directory.after(9, IDENTITY, mail, intents)


@pytest.mark.parametrize(
    ("address", "plain"),
    [
        ("novak+x@firma.cz", "novak@firma.cz"), ("novak+x+y@firma.cz", "novak@firma.cz"), ("novak@firma.cz", "novak@firma.cz"),
        ("jana+x@acme.cz", "jana+x@acme.cz"), ("+x@firma.cz", "@firma.cz"), ("bez zavináče", "bez zavináče"),
    ],
)  # fmt: skip
def test_only_our_domains_have_tags(address: str, plain: str) -> None:
    assert without_tag(address, OURS) == plain


def test_the_exact_address_wins_over_the_one_without_tag() -> None:
    table = {"novak@firma.cz": 1, "novak+x@firma.cz": 2}
    found = [
        by_address(table, address, OURS)
        for address in ("novak@firma.cz", "novak+x@firma.cz", "novak+y@firma.cz", "a@b")
    ]
    assert found == [1, 2, 1, None]


def test_a_directory_is_never_changed_in_place() -> None:
    before = Directory(users={"novak@firma.cz": User(1, "novak", "novak@firma.cz")})
    frozen = replace(before)
    after(before, ACTIVITY, CreateTask("1", "x", ""), MarkAddress("a@b.cz", "broken"), JoinThread(5), TakeTurn(1, 2))
    assert before == frozen == Directory(users={"novak@firma.cz": User(1, "novak", "novak@firma.cz")})


def test_a_message_is_seen_with_those_who_got_an_activity() -> None:
    seen = after(Directory(), ACTIVITY, replace(ACTIVITY, responsible=2)).seen
    assert seen == {b"key": (Seen(9, b"body", digest("1@x"), frozenset({1, 2})),)}


def test_an_added_recipient_counts_for_the_first_alone() -> None:
    rows = (Seen(1, b"a", b""), Seen(2, b"b", b"", frozenset({7})))
    added = added_recipient(Directory(seen={b"key": rows}), b"key", 2, frozenset({8}))
    assert added.seen[b"key"] == (rows[0], Seen(2, b"b", b"", frozenset({7, 8})))


def test_a_new_task_is_known_with_its_contracts_account_and_counts() -> None:
    directory = Directory(contracts={"123": Contract(4, "123", account=6)}, last_task_number=77)
    made = after(directory, CreateTask("78", "x", "", contract=4, problem_id="512"))
    assert made.tasks["78"] == Task("78", "x", "new", 4, 6, "512")
    assert (made.problems, made.next_task_number) == ({"512": "78"}, "79")


def test_a_task_number_that_is_no_whole_number_does_not_count() -> None:
    assert after(Directory(last_task_number=3), CreateTask("A-9", "x", "")).next_task_number == "4"
    assert after(Directory(last_task_number=3), CreateTask("2", "x", "")).next_task_number == "4"


def test_an_updated_task_keeps_its_problem() -> None:
    directory = Directory(
        tasks={"78": Task("78", "x", "new", 4, 6, "512")}, contracts={"124": Contract(5, "124", account=7)}
    )
    assert after(directory, UpdateTask("78", "y", "Solved", 5, "")).tasks["78"] == Task(
        "78", "y", "Solved", 5, 7, "512"
    )


def test_what_we_sent_is_known_and_what_we_got_is_not() -> None:
    sent = after(Directory(), JoinThread(5), ACTIVITY)
    assert (sent.sent_ids, sent.sent_to) == (frozenset({digest("1@x")}), frozenset({"jana@acme.cz"}))
    got = after(Directory(), JoinThread(5), replace(ACTIVITY, direction=Direction.INCOMING))
    assert (got.sent_ids, got.sent_to) == (frozenset(), frozenset())


def test_a_thread_knows_its_people_and_its_newest_filing() -> None:
    one = after(Directory(), JoinThread(5), replace(ACTIVITY, contract=4, task="77"))
    assert one.threads == {digest("1@x"): Thread(5, 4, None, "77", frozenset({"novak@firma.cz", "jana@acme.cz"}))}
    reply = Message(b"", sender=Address("bob@beta.example"), recipients=("novak@firma.cz",))
    two = one.after(10, Identity(b"k", b"", digest("2@x"), dated=True), reply, (JoinThread(5), ACTIVITY))
    assert two.threads[digest("2@x")] == two.threads[digest("1@x")]
    assert two.threads[digest("2@x")].contract == 4
    assert "bob@beta.example" in two.threads[digest("1@x")].people


def test_joined_threads_become_one() -> None:
    threads = {
        b"a": Thread(5, people=frozenset({"a@x"})),
        b"b": Thread(7, contract=4, people=frozenset({"b@x"})),
        b"c": Thread(8),
    }
    joined = after(Directory(threads=threads), JoinThread(5, (7,))).threads
    assert joined[b"a"] == joined[b"b"] == joined[digest("1@x")]
    assert (joined[b"a"].id, joined[b"a"].contract, joined[b"c"]) == (5, 4, Thread(8))
    assert {"a@x", "b@x", "jana@acme.cz"} <= joined[b"a"].people


def test_an_invitation_is_known_and_cancelled() -> None:
    event = CalendarEvent("u@x", 1, NOON, organizer="jana@acme.cz")
    put = after(Directory(), PutInvitation(1, event, "needs-action", "jana@acme.cz", True, True, "f"))
    record = InvitationRecord(1, "u@x", "", 1, NOON, "jana@acme.cz", "jana@acme.cz", "needs-action", "f")
    assert put.invitations == {(1, "u@x", ""): record}
    cancelled = after(put, CancelInvitation(1, "u@x", "", 2, NOON)).invitations[1, "u@x", ""]
    assert (cancelled.status, cancelled.sequence) == ("cancelled", 2)
    assert after(Directory(), CancelInvitation(1, "u@x", "", 2, NOON)).invitations == {}


def test_turns_are_known_and_the_rest_changes_nothing_a_rule_can_see() -> None:
    assert after(Directory(), TakeTurn(1, 2)).turns == {1: 2}
    quiet = after(Directory(), Suggest("account", "a@b"), SetAttendee("u", "", "a@b", "accepted", None))
    assert replace(quiet, seen={}) == Directory()
