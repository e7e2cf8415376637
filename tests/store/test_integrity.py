"""A database that is not whole is told of."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.db import connection

from crmservice.store import bulk, inbox, integrity
from tests.store.conftest import arrival

ON_SQLITE = pytest.mark.parametrize("home", ["sqlite"], indirect=True)


def test_a_whole_database_has_no_fault(home: Path) -> None:
    inbox.accept([arrival(0)])
    assert list(integrity.faults()) == list(integrity.faults(quick=True)) == []


@ON_SQLITE
def test_a_row_that_refers_to_none_is_named(home: Path) -> None:
    (key,) = inbox.accept([arrival(0)])
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA foreign_keys = OFF")
    bulk.execute("UPDATE crm_message SET first_id = 7 WHERE id = %s", [key])
    (fault,) = integrity.faults()
    assert str(fault.words).startswith("crm_message: row ")
    assert "refers to a row of crm_message that there is not" in str(fault.words)


@ON_SQLITE
def test_a_damaged_index_is_found_but_by_the_quick_look(home: Path) -> None:
    inbox.accept([arrival(0)])
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA writable_schema = ON")
        cursor.execute("UPDATE sqlite_master SET sql = replace(sql, 'box', 'source') WHERE name = 'message_ledger'")
        cursor.execute("PRAGMA writable_schema = RESET")
    assert [fault.kind for fault in integrity.faults()] == ["database"]
    assert list(integrity.faults(quick=True)) == []
