"""What every CrmGateway must do. Both ours pass it: the store over SQLite and PostgreSQL, and the one in memory.

A subclass gives the fixtures ``gateway`` (over TABLES, empty otherwise) and ``row`` (makes a waiting row).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crmservice.config import Box
from crmservice.crm.directory import Directory, Wanted
from crmservice.crm.records import (
    CancelInvitation,
    CreateActivity,
    CreateTask,
    Direction,
    Intent,
    InvitationRecord,
    JoinThread,
    MarkAddress,
    PutInvitation,
    Seen,
    TakeTurn,
    UpdateTask,
)
from crmservice.mail.message import Address, CalendarEvent, Identity, Message, digest
from crmservice.pipeline.gateway import CrmGateway, Outcome, StaleDirectory, Waiting
from crmservice.pipeline.process import following
from crmservice.pipeline.rule import Decision, Verdict

TABLES: dict[str, list[dict[str, Any]]] = {
    "roles": [{"name": "Vedení"}, {"name": "Obchod", "parent": "Vedení"}],
    "users": [
        {"login": "reditel", "email": "reditel@firma.cz", "role": "Vedení"},
        {"login": "novak", "email": "novak@firma.cz", "aliases": ["jan@firma.cz"], "role": "Obchod"},
        {"login": "svoboda", "email": "svoboda@firma.cz", "role": "Obchod"},
        {"login": "byvaly", "email": "byvaly@firma.cz", "role": "Obchod", "active": False},
    ],
    "shared_addresses": [
        {"address": "info@firma.cz", "role": "Obchod"},
        {"address": "kancelar@firma.cz", "responsible": "reditel"},
    ],
    "activity_types": [{"name": "E-mail"}, {"name": "Obchodní jednání"}],
    "accounts": [{"name": "ACME", "emails": ["info@acme.cz"]}, {"name": "Beta", "emails": ["info@acme.cz"]}],
    "contacts": [
        {"name": "Jana", "account": "ACME", "emails": ["jana@acme.cz", "jana@gmail.com"]},
        {"name": "Bob", "account": "Beta", "emails": ["bob@beta.example"]},
    ],
    "contracts": [{"number": "Z-1", "account": "ACME", "team": ["novak", "reditel"]}],
    "orders": [{"number": "O/7", "account": "Beta"}],
    "tasks": [
        {"number": "77", "subject": "Nabídka", "contract": "z-1", "problem_id": "500"},
        {"number": "A-9", "subject": "Jiný"},
    ],
    "forbidden_emails": [{"email": "nechce@jinde.cz", "type": "do_not_send"}],
}

EVERYTHING = Wanted(
    addresses=frozenset({
        "reditel@firma.cz", "novak@firma.cz", "jan@firma.cz", "svoboda@firma.cz", "byvaly@firma.cz", "info@firma.cz",
        "kancelar@firma.cz", "info@acme.cz", "jana@acme.cz", "jana@gmail.com", "bob@beta.example", "nechce@jinde.cz",
        "mrtvy@jinde.cz", "nikdo@acme.cz", "nikdo@beta.example",
    }),
    domains=frozenset({"acme.cz", "beta.example", "jinde.cz"}),
    contracts=frozenset({"z-1", "z-2"}),
    orders=frozenset({"o/7"}),
    tasks=frozenset({"77", "78", "79", "a-9"}),
    problems=frozenset({"500", "501"}),
    keys=frozenset(digest(f"key {n}") for n in range(9)),
    message_ids=frozenset(digest(f"<{n}@x>") for n in range(9)),
    uids=frozenset({"porada@acme.cz", "jina@acme.cz"}),
)  # fmt: skip
"""All that the tests below ask for."""

BOX = Box(name="crm", email="crm@firma.cz", our_domains=frozenset({"firma.cz"}))
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def mail(n: int = 0, sender: str = "jana@acme.cz", *to: str) -> Message:
    """A mail to novak, or to these."""
    recipients = to or ("novak@firma.cz",)
    return Message(b"raw", sender=Address(sender), recipients=recipients, subject=f"mail {n}", text="text", sent=NOON)


def identity(n: int = 0) -> Identity:
    """The identity of a mail: its key, its body and its Message-ID ``<n@x>``."""
    return Identity(digest(f"key {n}"), digest(f"body {n}"), digest(f"<{n}@x>"), dated=True)


def decision(n: int, *intents: Intent, **facts: Any) -> Decision:
    """What became of mail ``n``."""
    start = Decision(mail(n), identity(n), ("PROCESSED",), Verdict.PROCESSED, tuple(intents))
    return replace(start, **facts)


def activity(responsible: int, **facts: Any) -> CreateActivity:
    """An incoming activity."""
    start = CreateActivity(responsible, Direction.INCOMING, "E-mail", "p2", NOON, None, NOON)
    return replace(start, **facts)


class GatewayContract:
    """The contract: what is applied is what the next look-up finds, and what the directory foretold."""

    def look(self, gateway: CrmGateway, *rows: Waiting) -> Directory:
        """Ask for everything on behalf of these rows."""
        return gateway.directory_for(EVERYTHING, [row.id for row in rows])

    def apply(self, gateway: CrmGateway, row: Waiting, made: Decision) -> Directory:
        """Look up, apply, and return what the next look-up finds; it must be what the directory foretold."""
        before = self.look(gateway, row)
        gateway.apply([Outcome(row, BOX, made)])
        after = gateway.directory_for(EVERYTHING, [])
        self.same(after, following(before, row.id, made))
        return after

    def same(self, found: Directory, foretold: Directory) -> None:
        """Both hold the same, as far as a rule can tell."""
        for name in (
            "tasks", "problems", "seen", "threads", "sent_ids", "invitations", "turns", "last_task_number",
        ):  # fmt: skip
            assert getattr(found, name) == getattr(foretold, name), name
        asked = EVERYTHING.addresses
        assert found.sent_to & asked == foretold.sent_to & asked

    def user(self, gateway: CrmGateway, login: str) -> int:
        """The id of a user."""
        return self.look(gateway).users[f"{login}@firma.cz"].id

    def test_users_are_found_by_every_address_they_have(self, gateway: CrmGateway) -> None:
        """Aliases, levels and leavers."""
        users = self.look(gateway).users
        assert users["jan@firma.cz"] == users["novak@firma.cz"]
        assert users["novak@firma.cz"].aliases == ("jan@firma.cz",)
        assert [users[f"{login}@firma.cz"].level for login in ("reditel", "novak")] == [1, 2]
        assert not users["byvaly@firma.cz"].active

    def test_shared_addresses_name_who_answers(self, gateway: CrmGateway) -> None:
        """A role's active members in order of their logins, or the one named."""
        shared = self.look(gateway).shared
        assert [user.login for user in shared["info@firma.cz"].users] == ["novak", "svoboda"]
        assert [user.login for user in shared["kancelar@firma.cz"].users] == ["reditel"]

    def test_the_address_book_is_found_by_address_and_domain(self, gateway: CrmGateway) -> None:
        """Several accounts may share an address."""
        directory = self.look(gateway)
        accounts = directory.accounts["info@acme.cz"]
        assert [account.name for account in accounts] == ["ACME", "Beta"]
        assert directory.contacts["jana@gmail.com"][0].account == accounts[0].id
        assert [account.name for account in directory.domains["beta.example"]] == ["Beta"]
        assert "gmail.com" not in directory.domains

    def test_numbers_are_found_folded(self, gateway: CrmGateway) -> None:
        """Contracts with their teams, orders, tasks with their contract's account, types."""
        directory = self.look(gateway)
        contract = directory.contracts["z-1"]
        team = {directory.users["novak@firma.cz"].id, directory.users["reditel@firma.cz"].id}
        assert (contract.number, set(contract.team)) == ("Z-1", team)
        assert directory.orders["o/7"].number == "O/7"
        assert (directory.tasks["77"].contract, directory.tasks["77"].account) == (contract.id, contract.account)
        assert directory.problems["500"] == "77"
        assert directory.types["obchodni jednani"] == "Obchodní jednání"
        assert directory.last_task_number == 77

    def test_a_processed_message_is_seen_by_the_next(self, gateway: CrmGateway, row: Callable[[], Waiting]) -> None:
        """With who got an activity of it."""
        novak, first = self.user(gateway, "novak"), row()
        after = self.apply(gateway, first, decision(1, activity(novak)))
        assert after.seen == {identity(1).key: (Seen(first.id, *identity(1)[1:3], frozenset({novak})),)}

    def test_a_batch_never_sees_its_own_rows(self, gateway: CrmGateway, row: Callable[[], Waiting]) -> None:
        """A message decided again is no duplicate of itself."""
        first = row()
        self.apply(gateway, first, decision(1))
        assert self.look(gateway, first).seen == {}

    def test_a_duplicate_is_linked_to_the_first(self, gateway: CrmGateway, row: Callable[[], Waiting]) -> None:
        """It has no key of its own, and whom it brings something counts for the first."""
        novak, svoboda, first = self.user(gateway, "novak"), self.user(gateway, "svoboda"), row()
        self.apply(gateway, first, decision(1, activity(novak)))
        copy = decision(1, activity(svoboda), first=first.id, verdict=Verdict.DUPLICATE, log=("DUPLICATE KEY",))
        (seen,) = self.apply(gateway, row(), copy).seen[identity(1).key]
        assert (seen.message, seen.users) == (first.id, frozenset({novak, svoboda}))

    def test_a_message_set_aside_is_not_seen(self, gateway: CrmGateway, row: Callable[[], Waiting]) -> None:
        """Nothing was decided on it yet."""
        after = self.apply(gateway, row(), decision(1, verdict=Verdict.SET_ASIDE, log=("SET ASIDE",)))
        assert after.seen == {}

    def test_a_key_that_came_meanwhile_is_noticed(self, gateway: CrmGateway, row: Callable[[], Waiting]) -> None:
        """Two boxes at once: the second batch is decided again."""
        mine, other = row(), row()
        self.look(gateway, mine)
        self.elsewhere(lambda: self.apply(gateway, other, decision(1)))
        with pytest.raises(StaleDirectory):
            gateway.apply([Outcome(mine, BOX, decision(1))])
        assert [seen.message for seen in self.look(gateway).seen[identity(1).key]] == [other.id]

    def elsewhere(self, action: Callable[[], object]) -> None:
        """Do something in another thread, as another box's."""
        with ThreadPoolExecutor(1) as pool:
            pool.submit(action).result()

    def test_what_was_not_looked_up_is_not_applied(self, gateway: CrmGateway, row: Callable[[], Waiting]) -> None:
        """A decision without its look-up could repeat what is there."""
        self.look(gateway, row())
        with pytest.raises(StaleDirectory):
            gateway.apply([Outcome(row(), BOX, decision(1))])

    def test_a_new_task_is_known_and_counts(self, gateway: CrmGateway, row: Callable[[], Waiting]) -> None:
        """By number and by problem id; the next number is one more."""
        contract = self.look(gateway).contracts["z-1"]
        task = CreateTask("78", "Tisk", "text", "new", (self.user(gateway, "novak"),), None, contract.id, "501")
        after = self.apply(gateway, row(), decision(1, task))
        assert (after.tasks["78"].subject, after.tasks["78"].account) == ("Tisk", contract.account)
        assert (after.problems["501"], after.next_task_number) == ("78", "79")

    @pytest.mark.parametrize(("number", "problem"), [("77", ""), ("78", "500")])
    def test_a_taken_number_is_noticed(
        self, gateway: CrmGateway, row: Callable[[], Waiting], number: str, problem: str
    ) -> None:
        """The task's number, or its problem id."""
        mine = row()
        self.look(gateway, mine)
        with pytest.raises(StaleDirectory):
            gateway.apply([Outcome(mine, BOX, decision(1, CreateTask(number, "x", "", problem_id=problem)))])
        assert self.look(gateway).seen == {}

    def test_a_task_is_updated(self, gateway: CrmGateway, row: Callable[[], Waiting]) -> None:
        """By a later mail of the same problem."""
        contract = self.look(gateway).contracts["z-1"].id
        after = self.apply(gateway, row(), decision(1, UpdateTask("77", "Jinak", "Solved", contract, "text")))
        assert (after.tasks["77"].subject, after.tasks["77"].status) == ("Jinak", "Solved")

    def test_a_thread_knows_its_people_and_its_filing(self, gateway: CrmGateway, row: Callable[[], Waiting]) -> None:
        """The newest activity that is filed at all files the thread."""
        novak, contract = self.user(gateway, "novak"), self.look(gateway).contracts["z-1"].id
        filed = activity(novak, thread=5, contract=contract, task="77")
        self.apply(gateway, row(), decision(1, JoinThread(5), filed))
        after = self.apply(gateway, row(), decision(2, JoinThread(5), activity(novak, thread=5)))
        thread = after.threads[digest("<1@x>")]
        assert thread == after.threads[digest("<2@x>")]
        assert (thread.contract, thread.order, thread.task) == (contract, None, "77")
        assert thread.people == {"jana@acme.cz", "novak@firma.cz"}

    def test_threads_are_merged_with_their_filing(self, gateway: CrmGateway, row: Callable[[], Waiting]) -> None:
        """A mail that answers mails of several threads shows them to be one."""
        novak, order = self.user(gateway, "novak"), self.look(gateway).orders["o/7"].id
        self.apply(gateway, row(), decision(1, JoinThread(5), activity(novak, thread=5)))
        self.apply(gateway, row(), decision(2, JoinThread(7), activity(novak, thread=7, task="A-9")))
        self.apply(gateway, row(), decision(3, JoinThread(6), activity(novak, thread=6, order=order)))
        after = self.apply(gateway, row(), decision(4, JoinThread(5, (7, 6)), activity(novak, thread=5)))
        assert {after.threads[digest(f"<{n}@x>")].id for n in (1, 2, 3, 4)} == {5}
        assert after.threads[digest("<1@x>")].order == order

    def test_what_we_sent_is_known(self, gateway: CrmGateway, row: Callable[[], Waiting]) -> None:
        """Message-IDs and recipients of outgoing mail (SPEC 13.5)."""
        sent = activity(self.user(gateway, "novak"), direction=Direction.OUTGOING, thread=5)
        after = self.apply(
            gateway, row(), decision(1, JoinThread(5), sent, message=mail(1, "novak@firma.cz", "bob@beta.example"))
        )
        assert after.sent_ids == {digest("<1@x>")}
        assert after.sent_to & EVERYTHING.addresses == {"bob@beta.example"}

    def test_turns_are_remembered(self, gateway: CrmGateway, row: Callable[[], Waiting]) -> None:
        """Who had the last mail of a shared address."""
        shared, svoboda = self.look(gateway).shared["info@firma.cz"].id, self.user(gateway, "svoboda")
        after = self.apply(gateway, row(), decision(1, TakeTurn(shared, svoboda)))
        assert after.turns == {shared: svoboda}

    def test_an_invitation_is_made_changed_and_cancelled(self, gateway: CrmGateway, row: Callable[[], Waiting]) -> None:
        """One record for each user, UID and occurrence."""
        novak = self.user(gateway, "novak")
        event = CalendarEvent("porada@acme.cz", 0, NOON, "Porada", starts=NOON, ends=NOON + timedelta(hours=1))
        put = PutInvitation(novak, event, "needs-action", "jana@acme.cz", True, True, "f1")
        self.apply(gateway, row(), decision(1, put))
        later = replace(put, event=replace(event, sequence=1), status="accepted", fingerprint="f2", changed=True)
        after = self.apply(gateway, row(), decision(2, later))
        place = (novak, "porada@acme.cz", "")
        assert after.invitations == {
            place: InvitationRecord(*place, 1, NOON, "", "jana@acme.cz", "accepted", "f2"),
        }
        cancel = CancelInvitation(*place, 2, NOON + timedelta(days=1))
        after = self.apply(gateway, row(), decision(3, cancel))
        assert (after.invitations[place].status, after.invitations[place].sequence) == ("cancelled", 2)

    def test_cancelling_what_nobody_has_makes_nothing(self, gateway: CrmGateway, row: Callable[[], Waiting]) -> None:
        """SPEC chapter 8: for an unknown UID it makes nothing."""
        cancel = CancelInvitation(self.user(gateway, "novak"), "jina@acme.cz", "", 1, None)
        assert self.apply(gateway, row(), decision(1, cancel)).invitations == {}

    def test_a_batch_equals_its_messages_one_after_another(
        self, gateway: CrmGateway, row: Callable[[], Waiting]
    ) -> None:
        """HOUSE.md, point 1: one transaction leaves what the directory foretold, message by message."""
        batch = list(self.some_of_everything(gateway, row))
        foretold = self.look(gateway, *(outcome.row for outcome in batch))
        for outcome in batch:
            foretold = following(foretold, outcome.row.id, outcome.decision)
        gateway.apply(batch)
        self.same(gateway.directory_for(EVERYTHING, []), foretold)

    def some_of_everything(self, gateway: CrmGateway, row: Callable[[], Waiting]) -> Sequence[Outcome]:
        """A batch whose messages build upon each other."""
        directory, novak = self.look(gateway), self.user(gateway, "novak")
        contract, shared = directory.contracts["z-1"].id, directory.shared["info@firma.cz"].id
        event = CalendarEvent("porada@acme.cz", 0, NOON, "Porada", starts=NOON, ends=NOON)
        put = PutInvitation(novak, event, "needs-action", "jana@acme.cz", True, True, "f1")
        decisions = [
            decision(1, CreateTask("78", "a", "", contract=contract, problem_id="501"), JoinThread(5), activity(novak, task="78", thread=5)),
            decision(2, UpdateTask("78", "b", "Solved", contract, ""), MarkAddress("mrtvy@jinde.cz", "broken"), TakeTurn(shared, novak)),
            decision(3, JoinThread(7), activity(novak, thread=7, direction=Direction.OUTGOING), put),
            decision(4, JoinThread(7, (5,)), activity(novak, thread=7), MarkAddress("mrtvy@jinde.cz", "broken")),
            decision(5, CancelInvitation(novak, "porada@acme.cz", "", 1, NOON), CreateTask("79", "c", "")),
            decision(6, verdict=Verdict.SET_ASIDE, log=("SET ASIDE",)),
        ]  # fmt: skip
        return [Outcome(row(), BOX, made) for made in decisions]
