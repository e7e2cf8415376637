"""The inbox: durable rows, recognised again until their deletion is confirmed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmservice.pipeline.gateway import Waiting
from crmservice.pipeline.rule import Step
from crmservice.store import access, inbox, notices, tables, texts, trails
from crmservice.store.lease import LeaseLost
from tests.store.conftest import arrival

ALL = access.Viewer(0, "", admin=True, levels=frozenset())


class Lost:
    def check(self) -> None:
        raise LeaseLost("lost")


def test_what_arrived_waits_in_its_order(home: Path) -> None:
    new = [arrival(n) for n in range(5)]
    ids = inbox.accept(new)
    assert ids == sorted(ids)
    assert inbox.pending("crm", 3) == [
        Waiting(key, "crm", one.path, one.sha256, one.arrived, source="eml")
        for key, one in zip(ids[:3], new[:3], strict=True)
    ]
    assert inbox.pending("other", 3) == []


def test_nothing_is_stored_without_the_lease(home: Path) -> None:
    with pytest.raises(LeaseLost):
        inbox.StoreInbox(Lost()).accept([arrival(1)])
    assert inbox.pending("crm", 9) == []


def test_a_message_is_known_until_its_deletion_is_confirmed(home: Path) -> None:
    first, again, other = inbox.accept([arrival(1), arrival(2, source_id="0001.eml"), arrival(3)])
    assert inbox.known("crm", "eml", ["0001.eml", "nobody"]) == {
        "0001.eml": [(first, f"{1:064x}"), (again, f"{2:064x}")]
    }
    assert inbox.known("crm", "pop3", ["0001.eml"]) == inbox.known("crm", "eml", []) == {}
    inbox.confirm_gone([first, other])
    assert inbox.unconfirmed("crm", "eml") == {"0001.eml": [(again, f"{2:064x}")]}
    inbox.confirm_gone([])
    assert inbox.known("crm", "eml", ["0001.eml", "0003.eml"]) == {"0001.eml": [(again, f"{2:064x}")]}


def test_a_message_with_nothing_to_delete_is_not_looked_for(home: Path) -> None:
    inbox.accept([arrival(1, gone=True)])
    assert inbox.unconfirmed("crm", "eml") == {}


def test_thousands_of_source_ids_are_asked_for_at_once(home: Path) -> None:
    inbox.accept([arrival(n) for n in range(2000)])
    assert len(inbox.known("crm", "eml", [f"{n:04}.eml" for n in range(2500)])) == 2000


def test_a_source_id_that_no_table_holds_is_still_recognised(home: Path) -> None:
    strange = "a\0b\ud800" + "x" * 600
    (key,) = inbox.accept([arrival(1, source_id=strange)])
    assert inbox.known("crm", "eml", [strange]) == {strange: [(key, f"{1:064x}")]}


def test_files_that_no_row_names_are_told(home: Path) -> None:
    inbox.accept([arrival(1), arrival(2, box="other")])
    paths = [f"POP3Downloads/2026-03-02/{n}.eml" for n in range(4)]
    assert inbox.without_row(paths) == inbox.StoreInbox().without_row(paths) == [paths[0], paths[3]]
    assert inbox.without_row([]) == []


def test_without_the_lease_nobody_may_take_a_file_for_nobody_s(home: Path) -> None:
    with pytest.raises(LeaseLost):
        inbox.StoreInbox(Lost()).without_row(["POP3Downloads/2026-03-02/1.eml"])


def test_an_attempt_is_counted_and_taken_back(row: Callable[[], Waiting]) -> None:
    one = row()
    inbox.claim([one.id])
    inbox.claim([one.id])
    assert [waiting.attempts for waiting in inbox.pending("crm", 9)] == [2]
    for _ in range(3):
        inbox.release([one.id])
    assert [waiting.attempts for waiting in inbox.pending("crm", 9)] == [0]


def test_setting_aside_is_a_verdict_once(row: Callable[[], Waiting]) -> None:
    one = row()
    assert inbox.set_aside(one.id, "died-twice", {"fault": "\0\ud800"})
    assert not inbox.set_aside(one.id, "again")
    assert inbox.pending("crm", 9) == []
    (listed,) = inbox.list_messages(verdict="set_aside")
    assert (listed.id, listed.log, listed.arrived) == (one.id, ("SET ASIDE",), one.arrived)
    (shown,) = access.messages(ALL)
    (step,) = trails.read_trail(shown.trail)
    assert (step.rule, step.matched, step.code, step.evidence) == ("set_aside", True, "died-twice", {"fault": "\0�"})


def test_requeued_messages_wait_again_without_attempts(row: Callable[[], Waiting]) -> None:
    one, two, three = row(), row(), row()
    inbox.claim([one.id])
    for each in (one, two, three):
        inbox.set_aside(each.id, "died-twice")
    assert inbox.requeue([one.id, one.id, 5]) == 1
    assert [(waiting.id, waiting.attempts) for waiting in inbox.pending("crm", 9)] == [(one.id, 0)]
    assert inbox.requeue() == 2
    assert inbox.requeue() == 0


def test_oversized_mail_is_set_aside_at_once_and_never_requeued(home: Path) -> None:
    step = Step("set_aside", "", True, "oversized", {"size": 10**9})
    big = arrival(1, sha256="", path="", verdict="set_aside", log=("SET ASIDE",), trail=(step,), subject="big")
    (key,) = inbox.accept([big])
    assert inbox.pending("crm", 9) == []
    assert inbox.requeue() == inbox.requeue([key]) == 0
    assert inbox.unconfirmed("crm", "eml") == {"0001.eml": [(key, "")]}
    assert inbox.list_messages()[0].subject == "big"


def test_messages_are_listed_newest_first_page_by_page(home: Path) -> None:
    ids = inbox.accept(
        [
            arrival(1),
            arrival(2, box="b"),
            arrival(3, day=date(2026, 3, 3)),
            arrival(4, verdict="skipped", log=("SPAM", "DELETED")),
        ]
    )
    assert [one.id for one in inbox.list_messages()] == ids[::-1]
    assert [one.id for one in inbox.list_messages(limit=2, before=ids[3])] == [ids[2], ids[1]]
    assert [one.id for one in inbox.list_messages(box="b")] == [ids[1]]
    assert [one.id for one in inbox.list_messages(day=date(2026, 3, 3))] == [ids[2]]
    assert [one.id for one in inbox.list_messages(verdict="")] == ids[2::-1]
    assert inbox.list_messages(verdict="skipped")[0].log == ("SPAM", "DELETED")
    assert inbox.boxes() == ["b", "crm"]


def test_equal_bytes_are_found(home: Path) -> None:
    ids = inbox.accept([arrival(1), arrival(2), arrival(3, sha256=f"{1:064x}")])
    assert inbox.same_bytes(f"{1:064x}") == [ids[0], ids[2]]


def test_texts_that_no_database_takes_are_stored_mended(home: Path) -> None:
    inbox.accept([arrival(1, subject="a\0b\ud800" + "x" * 2000, sender="š" * 400)])
    (one,) = inbox.list_messages()
    assert one.subject == "a�b�" + "x" * 996
    assert one.sender == "š" * 320


def test_json_is_storable_whatever_its_texts_hold() -> None:
    assert texts.compact({"a": "\ud800\0č"}) == '{"a":"\ufffd\\u0000č"}'


@given(st.text(st.characters()))
def test_a_storable_text_is_utf_8_without_nul(text: str) -> None:
    stored = texts.storable(text)
    assert "\0" not in stored
    assert len(stored) == len(text)
    stored.encode()


@given(st.lists(st.builds(Step, st.text(), st.text(), st.booleans(), st.text(), st.dictionaries(st.text(), st.text()))))
def test_a_trail_is_read_as_it_was_written(steps: list[Step]) -> None:
    assert trails.read_trail(trails.trail_json(steps)) == tuple(steps)


def test_no_steps_are_no_trail() -> None:
    assert trails.read_trail(trails.trail_json(())) == ()


def test_log_words_are_read_as_they_were_written() -> None:
    assert trails.read_log(trails.log_json(("Task application", "DELETED"))) == ("Task application", "DELETED")
    assert trails.read_log(trails.log_json(())) == ()


def test_the_exported_messages_are_in_order_of_arrival(home: Path) -> None:
    inbox.accept([arrival(n) for n in range(3)])
    rows = tables.export()["messages"]
    assert [row["backup"] for row in rows] == [f"POP3Downloads/2026-03-02/{n}.eml" for n in range(3)]
    assert rows[0] == {
        "subject": "", "sender": None, "log": [], "backup": "POP3Downloads/2026-03-02/0.eml", "sha256": "0" * 64,
        "activities": [],
    }  # fmt: skip


def test_each_mail_that_is_set_aside_is_noted_with_its_verdict(home: Path, row: Callable[[], Waiting]) -> None:
    aside = Step("set_aside", "", True, "oversized", {})
    (large,) = inbox.accept([
        arrival(7, verdict="set_aside", log=("SET ASIDE",), trail=(aside,), path="", sender="a@b.cz", subject="Velká")
    ])  # fmt: skip
    waiting = row()
    for _ in range(2):
        inbox.set_aside(waiting.id, "died-twice")
    assert {(one.about, one.count) for one in notices.listed()} == {(str(large), 1), (str(waiting.id), 1)}
    assert {one.facts["reason"]: one.facts.get("path") for one in notices.listed()} == {
        "oversized": None,
        "died-twice": waiting.path,
    }
