"""load reads what people have: CSV of Excel in any of its forms, XLSX, JSON."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from openpyxl import Workbook

from crmservice.cli.tabular import read_tables
from crmservice.errors import BadConfiguration

PEOPLE = [{"name": "Jiří Šťastný", "emails": ["jiri@acme.cz", "j@acme.cz"], "allow_emails": False}]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "windows-1250"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_csv_separated_by_semicolons_or_commas_in_excels_encodings(tmp_path: Path, encoding: str, end: str) -> None:
    file = tmp_path / "contacts.csv"
    lines = ["name;emails;allow_emails;account", 'Jiří Šťastný;"jiri@acme.cz; j@acme.cz";ne;', ";;;", ""]
    file.write_bytes(end.join(lines).encode(encoding))
    assert read_tables(file) == {"contacts": PEOPLE}
    file.write_bytes(end.join(["name,emails,allow_emails", "Jiří Šťastný,jiri@acme.cz;j@acme.cz,ne"]).encode(encoding))
    assert read_tables(file, "people") == {"people": PEOPLE}


def test_several_values_are_separated_by_semicolons_and_addresses_by_commas_too(tmp_path: Path) -> None:
    file = tmp_path / "users.csv"
    file.write_text("login;aliases;never_file;accounts\nnovak;a@x.cz, b@x.cz;dr@y.cz;Novák, s.r.o.\n", "utf-8")
    lists = {"aliases": ["a@x.cz", "b@x.cz"], "never_file": ["dr@y.cz"], "accounts": ["Novák, s.r.o."]}
    assert read_tables(file) == {"users": [{"login": "novak", **lists}]}


def test_a_line_break_inside_a_cell_stays(tmp_path: Path) -> None:
    file = tmp_path / "tasks.csv"
    file.write_text('subject,body\nx,"one\ntwo"\n', "utf-8")
    assert read_tables(file) == {"tasks": [{"subject": "x", "body": "one\ntwo"}]}


def test_xlsx_has_a_table_a_sheet_and_numbers_are_texts_of_whole_numbers(tmp_path: Path) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.title = "orders"
    sheet.append(["number", "name"])
    sheet.append([77.0, "Ročně"])
    sheet.append([None, None])
    more = book.create_sheet("activities")
    more.append(["id", "starts", "all_day"])
    more.append(["a", datetime(2026, 3, 2, 8, 15), True])  # noqa: DTZ001 (a cell knows no zone)
    book.create_sheet("empty")
    book.save(tmp_path / "all.xlsx")
    assert read_tables(tmp_path / "all.xlsx") == {
        "orders": [{"number": "77", "name": "Ročně"}],
        "activities": [{"id": "a", "starts": datetime(2026, 3, 2, 8, 15), "all_day": True}],  # noqa: DTZ001
    }


@pytest.mark.parametrize(
    ("cell", "read"),
    [
        ("2. 3. 2026", "2026-03-02"),
        ("2.3.2026 8:15", "2026-03-02T08:15"),
        ("2026-03-02", "2026-03-02"),
        ("soon", "soon"),
    ],
)
def test_a_czech_date_is_read(tmp_path: Path, cell: str, read: str) -> None:
    (tmp_path / "activities.csv").write_text(f"id;starts\na;{cell}\n", "utf-8")
    assert read_tables(tmp_path / "activities.csv") == {"activities": [{"id": "a", "starts": read}]}


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [("a.json", b"{", "line 1"), ("a.json", b"[]", "one object"), ("a.xlsx", b"no zip", "can't be read")],
)
def test_a_file_that_is_none_is_named(tmp_path: Path, name: str, content: bytes, says: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadConfiguration, match=says):
        read_tables(tmp_path / name)
    with pytest.raises(BadConfiguration, match="does not exist"):
        read_tables(tmp_path / f"gone-{name}")
