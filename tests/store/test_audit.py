"""The audit log names the row that was changed, removed or put in, the newest included."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from django.db import transaction

from crmservice.store import audit, bulk, erasures, keys


def log(home: Path, count: int = 4) -> None:
    for n in range(count):
        audit.append("novak", "cli", "requeue", f"message {n}", {"count": n})


def found() -> list[tuple[int, str]]:
    return [(one.id, str(one.why)) for one in audit.broken()]


def test_a_log_that_nobody_touched_is_whole(home: Path) -> None:
    assert found() == []
    log(home)
    assert found() == []
    assert [entry.object for entry in audit.entries(limit=2)] == ["message 3", "message 2"]
    assert [entry.id for entry in audit.entries(before=2)] == [1]
    assert audit.head() == (4, audit.entries()[0].mac)


@pytest.mark.parametrize(
    "column", ["who = 'eva'", "facts = '{}'", "action = 'erase'", "object = ''", "at = '2020-01-01'", "mac = 'ff'"]
)
def test_a_changed_row_is_named(home: Path, column: str) -> None:
    log(home)
    bulk.execute(f"UPDATE crm_audit SET {column} WHERE id = 2")
    assert found()[0] == (2, "this row, or the one before it, is not as it was written")


def test_a_removed_row_is_named_and_several_are_named_once(home: Path) -> None:
    log(home, 6)
    bulk.execute("DELETE FROM crm_audit WHERE id = 2")
    assert found() == [(2, "this row is missing")]
    bulk.execute("DELETE FROM crm_audit WHERE id = 3")
    assert found() == [(2, "this row and all up to 3 are missing")]


def test_the_newest_rows_are_missed_too(home: Path) -> None:
    log(home)
    bulk.execute("DELETE FROM crm_audit WHERE id >= 3")
    assert found() == [(3, "this row and all up to 4 are missing")]
    bulk.execute("DELETE FROM crm_audit")
    assert found() == [(1, "this row and all up to 4 are missing")]


def test_rows_written_anew_in_the_place_of_removed_ones_are_found(home: Path) -> None:
    log(home)
    head = home / ".crmservice" / "audit.head"
    kept = head.read_bytes()
    bulk.execute("DELETE FROM crm_audit WHERE id >= 3")
    audit.append("eva", "cli", "requeue")
    audit.append("eva", "cli", "requeue")
    head.write_bytes(kept)
    assert found() == [(4, "this row is not the one that .crmservice/audit.head names")]


def test_a_head_that_a_crash_left_behind_is_no_fault(home: Path) -> None:
    log(home, 2)
    head = home / ".crmservice" / "audit.head"
    kept = head.read_bytes()
    log(home, 2)
    head.write_bytes(kept)
    assert found() == []


@pytest.mark.parametrize("left", [None, b"", b"[]", b"[1]"])
def test_a_head_that_is_gone_is_told(home: Path, left: bytes | None) -> None:
    log(home, 2)
    head = home / ".crmservice" / "audit.head"
    head.unlink()
    if left is not None:
        head.write_bytes(left)
    assert found() == [(2, "the file .crmservice/audit.head is missing: rows after this one may be too")]


def test_without_its_key_nothing_can_be_verified(home: Path) -> None:
    log(home)
    keys.path("audit").unlink()
    assert found() == [(1, "the key .crmservice/audit.key is missing: nothing can be verified")]


def test_a_row_comes_to_be_with_the_transaction_it_tells_of(home: Path) -> None:
    log(home, 1)
    with transaction.atomic():
        audit.append("novak", "cli", "erase")
        transaction.set_rollback(True)
    assert found() == []
    assert audit.head()[0] == 1
    with transaction.atomic():
        audit.append("novak", "cli", "erase")
        audit.append("novak", "cli", "hold")
    assert found() == []
    assert audit.head()[0] == 3


def test_what_a_stranger_wrote_is_kept_as_a_database_takes_it(home: Path) -> None:
    audit.append("x" * 200, "cli", "a" * 70, "\0" + "y" * 400, {"subject": "\ud800\0", "čeština": "ž"})
    assert found() == []
    (entry,) = audit.entries()
    assert (len(entry.who), len(entry.action), len(entry.object)) == (150, 60, 300)
    assert "čeština" in entry.facts


def test_addresses_become_pseudonyms_because_no_row_can_be_erased(home: Path) -> None:
    audit.append("novak", "cli", "hold", "eva@acme.cz", {"also": ["Eva@Acme.cz", "petr%40acme.cz"]})
    (entry,) = audit.entries()
    assert entry.object == erasures.pseudonym("EVA@acme.cz")
    assert entry.facts == f'{{"also":["{entry.object}","{erasures.pseudonym("petr@acme.cz")}"]}}'
    assert found() == []


def test_a_full_disk_leaves_the_head_behind_and_the_row_in_place(home: Path) -> None:
    log(home, 1)
    (home / ".crmservice" / f"audit.head.{os.getpid()}.tmp").mkdir()
    log(home, 1)
    assert audit.head()[0] == 2
    assert found() == []


def test_a_key_is_the_services_own_and_stays(home: Path) -> None:
    first = keys.secret("audit")
    assert (len(first), keys.secret("audit"), keys.known("other")) == (32, first, b"")
    assert stat.S_IMODE(keys.path("audit").stat().st_mode) == 0o600
    assert [path.name for path in keys.path("audit").parent.glob("audit.key*")] == ["audit.key"]


def test_a_key_that_another_process_made_meanwhile_is_taken(home: Path) -> None:
    keys.path("audit").parent.mkdir(exist_ok=True)
    fresh = keys.path("audit").with_name(f"audit.key.{os.getpid()}.tmp")
    fresh.write_bytes(b"left by a dead process of this number")
    keys.path("audit").write_bytes(b"theirs")
    assert keys._made(keys.path("audit")) == b"theirs"
    assert not fresh.exists()
