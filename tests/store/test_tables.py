"""load and export: a record changes, never doubles; marks are never lifted; every fault is named."""

from __future__ import annotations

import time
import tomllib
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from crmservice.crm.from_tables import directory_from
from crmservice.crm.tables import BadTables, checked, levels
from crmservice.store import models, tables
from crmservice.testing.gateway_contract import TABLES

BASE = Path(__file__).resolve().parents[2].parent / "shared" / "conformance" / "base.toml"


def named(table: str, name: str) -> dict[str, Any]:
    """The exported row with this name."""
    rows = tables.export()[table]
    (row,) = [row for row in rows if name in (row.get("name"), row.get("login"), row.get("number"), row.get("id"))]
    return row


def faults(records: dict[str, Any]) -> list[str]:
    with pytest.raises(BadTables) as raised:
        tables.load(records)
    return list(map(str, raised.value.faults))


def test_loading_again_changes_nothing(home: Path) -> None:
    tables.load(TABLES)
    first = tables.export()
    tables.load(TABLES)
    assert tables.export() == first


def test_what_was_exported_can_be_loaded(home: Path) -> None:
    tables.load(TABLES)
    tables.load(
        {
            "activities": [{"id": "a1", "responsible": "novak", "subject": "Porada", "accounts": ["ACME"]}],
            "invitations": [{"user": "novak", "uid": "x", "starts": "2026-03-02T08:15:00+00:00"}],
            "own_rules": [
                {"name": "one", "header": "X-Shop: 7", "contract": "Z-1", "scope": "p-", "responsible": "novak"}
            ],
        }
    )
    first = tables.export()
    tables.load(first)
    assert tables.export() == first


def test_an_own_rule_is_loaded_whole_and_taken_off_again(home: Path) -> None:
    tables.load(TABLES)
    tables.load(
        {"own_rules": [{"name": "one", "from": "ACME.cz", "subject": "x", "contract": "Z-1", "responsible": "novak"}]}
    )
    tables.load({"own_rules": [{"name": "one", "to": "firma.cz", "skip": True, "position": 3}]})
    (rule,) = tables.export()["own_rules"]
    assert {name: value for name, value in rule.items() if value is not None} == {
        "name": "one", "position": 3, "to": "firma.cz", "skip": True,
    }  # fmt: skip
    tables.load({"own_rules": [{"name": "one", "deleted": True}]})
    assert tables.export()["own_rules"] == []


def test_own_rules_are_an_administrators(home: Path) -> None:
    tables.load({**TABLES, "own_rules": [{"name": "one", "from": "acme.cz", "skip": True}]})
    assert tables.export("novak")["own_rules"] == []


@pytest.mark.skipif(not BASE.exists(), reason="the conformance cases are not beside this checkout")
def test_the_conformance_company_can_be_loaded(home: Path) -> None:
    company = tomllib.loads(BASE.read_text(encoding="utf-8"))
    assert tables.load(company) == sum(map(len, company.values()))
    assert named("roles", "Obchod junior") == {"name": "Obchod junior", "parent": "Obchod", "level": 3}


def test_a_field_left_out_keeps_its_value(home: Path) -> None:
    tables.load(TABLES)
    before = tables.export()
    tables.load(
        {
            "users": [{"login": "novak"}],
            "accounts": [{"name": "ACME"}],
            "contacts": [{"name": "Jana", "account": "ACME"}],
            "contracts": [{"number": "z-1"}],
            "orders": [{"number": "O/7"}],
            "tasks": [{"number": "77"}],
            "shared_addresses": [{"address": "INFO@firma.cz"}],
            "roles": [{"name": "Obchod"}],
        }
    )
    assert tables.export() == before


def test_given_fields_replace_what_was_there(home: Path) -> None:
    tables.load(TABLES)
    tables.load(
        {
            "users": [{"login": "novak", "email": "NOVY@firma.cz", "role": "Vedení", "admin": True}],
            "contacts": [{"name": "Jana", "account": "ACME", "emails": ["nova@acme.cz"]}],
            "contracts": [{"number": "Z-1", "team": ["svoboda"], "account": None}],
            "tasks": [{"number": "77", "solvers": ["novak"], "problem_id": None, "contract": None}],
            "shared_addresses": [{"address": "info@firma.cz", "responsible": "novak"}],
        }
    )
    assert named("users", "novak") == {
        "login": "novak", "name": None, "email": "novy@firma.cz", "aliases": ["jan@firma.cz"], "role": "Vedení",
        "active": True, "admin": True, "never_file": [],
    }  # fmt: skip
    assert named("contacts", "Jana")["emails"] == ["nova@acme.cz"]
    assert named("contracts", "Z-1") | {"name": None} == {
        "number": "Z-1",
        "name": None,
        "account": None,
        "team": ["svoboda"],
    }
    assert (named("tasks", "77")["solvers"], named("tasks", "77")["problem_id"]) == (["novak"], None)
    shared = {row["address"]: (row["responsible"], row["role"]) for row in tables.export()["shared_addresses"]}
    assert shared == {"info@firma.cz": ("novak", None), "kancelar@firma.cz": ("reditel", None)}


def test_aliases_alone_keep_the_address(home: Path) -> None:
    tables.load(TABLES)
    tables.load({"users": [{"login": "novak", "aliases": ["x@firma.cz"]}]})
    row = named("users", "novak")
    assert (row["email"], row["aliases"]) == ("novak@firma.cz", ["x@firma.cz"])


def test_an_id_is_known_again_under_another_name(home: Path) -> None:
    tables.load({"accounts": [{"id": "77", "name": "Stará"}], "roles": [{"id": "r", "name": "A"}]})
    tables.load({"accounts": [{"id": "77", "name": "Nová"}], "roles": [{"id": "r", "name": "B"}]})
    assert [row["name"] for row in tables.export()["accounts"]] == ["Nová"]
    assert [row["name"] for row in tables.export()["roles"]] == ["B"]


def test_an_id_adopts_the_record_of_its_name_but_not_one_with_another_id(home: Path) -> None:
    tables.load({"accounts": [{"name": "A"}]})
    tables.load({"accounts": [{"id": "1", "name": "A"}]})
    assert len(tables.export()["accounts"]) == 1
    tables.load({"accounts": [{"id": "2", "name": "A"}]})
    assert len(tables.export()["accounts"]) == 2


def test_the_same_record_twice_in_a_file_is_one(home: Path) -> None:
    tables.load(
        {
            "accounts": [{"name": "A", "emails": ["a@x.cz"]}, {"name": "A", "emails": ["b@x.cz"]}],
            "contacts": [
                {"name": "C", "account": "A"},
                {"name": "C"},
                {"name": "C", "account": "A", "email_broken": True},
            ],
        }
    )
    assert named("accounts", "A")["emails"] == ["b@x.cz"]
    assert [(row["account"], row["email_broken"]) for row in tables.export()["contacts"]] == [
        ("A", True),
        (None, False),
    ]


def test_a_load_never_lifts_what_people_and_servers_said(home: Path) -> None:
    off = {"allow_emails": False, "allow_bulk_emails": False, "email_broken": True}
    on = {"allow_emails": True, "allow_bulk_emails": True, "email_broken": False}
    tables.load({"accounts": [{"name": "A"} | off], "contacts": [{"name": "C"} | off, {"name": "D"} | on]})
    lifting: dict[str, Any] = {"accounts": [{"name": "A"} | on], "contacts": [{"name": "C"} | on, {"name": "D"} | off]}
    tables.load(lifting)
    assert named("accounts", "A").items() >= off.items()
    assert named("contacts", "C").items() >= off.items()
    assert named("contacts", "D").items() >= off.items()
    tables.load(lifting, force=True)
    assert named("accounts", "A").items() >= on.items()
    assert named("contacts", "C").items() >= on.items()


def test_a_forbidden_address_goes_only_by_force(home: Path) -> None:
    row = {"email": "X@y.cz", "type": "broken"}
    gone: dict[str, Any] = {"forbidden_emails": [row | {"deleted": True}]}
    tables.load({"forbidden_emails": [row, row]})
    tables.load(gone)
    assert tables.export()["forbidden_emails"] == [{"email": "x@y.cz", "type": "broken"}]
    tables.load(gone, force=True)
    tables.load(gone, force=True)
    assert tables.export()["forbidden_emails"] == []


def test_roles_may_come_in_any_order_and_move_with_those_below(home: Path) -> None:
    tables.load({"roles": [{"name": "C", "parent": "B"}, {"name": "B", "parent": "A"}, {"name": "A"}, {"name": "X"}]})
    assert [(row["name"], row["level"]) for row in tables.export()["roles"]] == [("A", 1), ("X", 1), ("B", 2), ("C", 3)]
    tables.load({"roles": [{"name": "A", "parent": "X"}]})
    assert named("roles", "C")["level"] == 4
    tables.load({"roles": [{"name": "B", "parent": None}]})
    assert [named("roles", name)["level"] for name in "XABC"] == [1, 2, 1, 2]


def test_a_circle_of_roles_names_its_roles_and_loads_nothing(home: Path) -> None:
    tables.load({"roles": [{"name": "A"}, {"name": "B", "parent": "A"}]})
    assert faults({"roles": [{"name": "A", "parent": "B"}], "accounts": [{"name": "Nová"}]}) == [
        "roles 'A': is its own superior",
        "roles 'B': is its own superior",
    ]
    assert tables.export()["accounts"] == []
    assert named("roles", "B")["level"] == 2


def test_an_address_belongs_to_one_user(home: Path) -> None:
    tables.load(TABLES)
    assert faults({"users": [{"login": "x", "email": "novak@firma.cz"}]}) == [
        "users 'x': the address novak@firma.cz is another user's"
    ]
    assert "x" not in {row["login"] for row in tables.export()["users"]}
    tables.load({"users": [{"login": "novak", "email": ""}, {"login": "x", "email": "novak@firma.cz"}]})
    assert named("users", "x")["email"] == "novak@firma.cz"


def test_an_address_that_moves_between_users_of_a_file_is_taken_along(home: Path) -> None:
    tables.load(TABLES)
    tables.load({"users": [{"login": "svoboda", "aliases": ["jan@firma.cz"]}, {"login": "novak", "aliases": []}]})
    assert named("users", "svoboda")["aliases"] == ["jan@firma.cz"]


def test_every_fault_is_named_at_once(home: Path) -> None:
    bad = {
        "acounts": [],
        "users": [{"login": "x", "role": "Nikdo", "emial": "x@y"}, {"name": "bez loginu"}, "text"],
        "tasks": {"number": "1"},
        "contracts": [{"number": "1", "team": ["nikdo"]}, {"number": ["x"]}],
        "contacts": [
            {"name": "C", "allow_emails": "ano", "emails": "c@x.cz"},
            {"name": "D", "emails": ["neni adresa"]},
        ],
        "activities": [{"id": "1", "sent": "včera", "scope": "p"}, {"subject": "bez id"}],
        "forbidden_emails": [{"email": "a@b.cz", "type": "jiny"}],
        "shared_addresses": [{"address": "a@b.cz", "responsible": "x", "role": "Nikdo"}],
        "invitations": [{"user": "x", "uid": "u", "sequence": True}, {"user": "x"}],
    }
    found = faults(bad)
    for part in (
        "acounts: no such table (did you mean accounts?)", "users 'x': no field 'emial' (did you mean email?)",
        "users 'bez loginu': login missing", "users record 3: is no object", "tasks: is no list",
        "users 'x': there is no 'Nikdo' in roles", "contracts '1': there is no 'nikdo' in users", "number: ['x'] is no text",
        "contacts 'C': allow_emails: 'ano'", "contacts 'C': emails: 'c@x.cz' is no list", "'neni adresa' is no address",
        "activities '1': sent: ", "activities '1': scope: 'p' is no scope", "activities 'bez id': id missing",
        "'jiny' is neither", "has a responsible user and a role", "True is no whole number", "uid missing",
    ):  # fmt: skip
        assert any(part in fault for fault in found), part
    assert tables.export()["contacts"] == []


def test_what_is_no_object_of_tables_is_refused() -> None:
    with pytest.raises(BadTables, match="one object"):
        checked(["x"])
    with pytest.raises(BadTables, match="there are: "):
        checked({"zzz": []})


def test_a_reference_to_a_record_of_the_store_is_known(home: Path) -> None:
    tables.load(TABLES)
    tables.load({"tasks": [{"number": "9", "contract": "z-1", "approver": "novak"}]})
    assert named("tasks", "9")["contract"] == "Z-1"


def test_a_task_without_a_number_gets_the_next_one_once(home: Path) -> None:
    rows: dict[str, Any] = {
        "tasks": [{"number": "A"}, {"number": "41"}, {"subject": "Zavolat"}, {"id": "x", "subject": "Jiný"}]
    }
    tables.load(rows)
    tables.load(rows)
    assert [(row["number"], row["subject"]) for row in tables.export()["tasks"]] == [
        ("A", ""), ("41", ""), ("42", "Zavolat"), ("43", "Jiný"),
    ]  # fmt: skip


def test_a_calendar_activity_is_loaded_changed_and_deleted(home: Path) -> None:
    tables.load(TABLES)
    row = {
        "id": "porada", "kind": "calendar", "responsible": "novak", "subject": "Porada", "starts": "2026-03-10",
        "ends": "2026-03-11", "all_day": True, "location": "Praha", "type": "E-mail", "contacts": ["Jana"], "task": "77",
    }  # fmt: skip
    tables.load({"activities": [row]})
    found = named("activities", "porada")
    assert found.items() >= row.items()
    assert found["scope"] == "p2"
    tables.load({"activities": [{"id": "porada", "all_day": False, "starts": "2026-03-10T08:00:00Z", "scope": "p-"}]})
    found = named("activities", "porada")
    assert (found["starts"], found["scope"], found["location"]) == ("2026-03-10T08:00:00+00:00", "p-", "Praha")
    tables.load({"activities": [{"id": "porada", "deleted": True}, {"id": "neznama", "deleted": True}]})
    assert tables.export()["activities"] == []


def test_an_activity_is_known_by_the_id_that_export_printed(home: Path) -> None:
    tables.load({"users": [{"login": "novak"}]})
    user = models.User.objects.get()
    made = models.Activity.objects.create(subject="Staré", responsible=user)
    tables.load({"activities": [{"id": str(made.id), "subject": "Nové", "responsible": None}]})
    assert [(row["id"], row["subject"], row["responsible"]) for row in tables.export()["activities"]] == [
        (str(made.id), "Nové", None)
    ]


def test_an_activity_of_nobody_has_no_scope(home: Path) -> None:
    tables.load({"activities": [{"id": "1", "subject": "x"}, {"id": "2", "scope": "P3"}]})
    assert [row["scope"] for row in tables.export()["activities"]] == ["p-", "p3"]


def test_an_invitation_is_loaded_once_and_changed(home: Path) -> None:
    tables.load(TABLES)
    row = {"user": "novak", "uid": "x@y", "starts": "2026-03-10T08:00:00", "sequence": "2"}
    tables.load({"invitations": [row, row | {"summary": "Porada"}]})
    tables.load({"invitations": [row | {"status": "accepted", "occurrence": None}]})
    (found,) = tables.export()["invitations"]
    assert (found["summary"], found["status"], found["sequence"], found["starts"]) == (
        "Porada", "accepted", 2, "2026-03-10T08:00:00+00:00",
    )  # fmt: skip


def test_numbers_and_times_of_toml_and_spreadsheets_are_read(home: Path) -> None:
    tables.load({"contracts": [{"number": 123, "name": None}]})
    day, naive = date(2026, 3, 2), datetime(2026, 3, 2, 9)  # noqa: DTZ001 (TOML has local times)
    tables.load({"activities": [{"id": 7, "contract": 123, "starts": day, "ends": None, "sent": naive}]})
    (found,) = tables.export()["activities"]
    assert (found["contract"], found["starts"][:10], found["sent"]) == (
        "123",
        "2026-03-02",
        "2026-03-02T09:00:00+00:00",
    )


def test_levels_of_any_forest_are_found() -> None:
    assert levels({"c": "b", "b": "a", "a": "", "x": ""}) == {"a": 1, "b": 2, "c": 3, "x": 1}
    with pytest.raises(BadTables, match="'a'"):
        levels({"a": "a"})


def test_in_memory_an_address_belongs_to_one_user_too() -> None:
    with pytest.raises(BadTables, match="another user's"):
        directory_from({"users": [{"login": "a", "email": "x@y.cz"}, {"login": "b", "aliases": ["x@y.cz"]}]})


def test_in_memory_a_record_that_comes_again_changes_the_first() -> None:
    found = directory_from(
        {"contracts": [{"number": "Z 1", "name": "a"}, {"number": "z 1", "team": []}], "tasks": [{"id": "x"}]}
    )
    assert [contract.id for contract in found.contracts.values()] == [1]
    assert found.types == {"e-mail": "E-mail"}


@pytest.mark.slow
def test_a_large_address_book_is_loaded_in_seconds(home: Path) -> None:
    size = 20_000
    book = {
        "accounts": [{"name": f"A{n}"} for n in range(size // 20)],
        "contacts": [
            {"name": f"C{n}", "account": f"A{n % (size // 20)}", "emails": [f"c{n}@x.cz"]} for n in range(size)
        ],
    }
    start = time.process_time()
    tables.load(book)
    # 0.6 s where this was written.
    assert time.process_time() - start < 5
