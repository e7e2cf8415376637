"""Runs a case: a company, its mail, and what must then be in the CRM. One TOML file each, told from outside.

The form: ``title`` and ``spec`` say what holds and where that is written; ``[settings]`` are the box's keys (a list
repeats the key); ``[crm]`` holds records beside COMPANY's; each ``[[mail]]`` has ``eml`` (UTF-8 text, LF, dedented;
``encoding`` for another charset) and may ``expect`` fields of its row in ``messages``; ``[expect]`` is what the export
then holds, ``[expect_as.LOGIN]`` what that user sees of it. A case runs with a cycle for each mail and with all mail
in one; ``together = false`` or ``one_by_one = false`` leaves one of the two out.

An expected row names only the fields that matter. A list is compared whole, in any order, ``log`` in its order.
"set" and "null" ask for any value and for none, "contains:X" for a part. Of STANDING tables, which hold records from
before, the named rows must be there and others may.
"""

from __future__ import annotations

import textwrap
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from crmservice.backup.folder import BackupFolder
from crmservice.service import wiring
from crmservice.service.capture import Capture
from crmservice.service.filing import Filing
from crmservice.sources.eml_folder import EmlFolder
from crmservice.store import lease, tables
from crmservice.store.gateway import StoreGateway
from crmservice.store.inbox import StoreInbox

CASES = Path(__file__).parent / "cases"
STANDING = frozenset(
    {"accounts", "contacts", "contracts", "orders", "users", "roles", "activity_types", "shared_addresses"}
)


def cases() -> list[Path]:
    """Every case, by name."""
    return sorted(CASES.glob("*.toml"))


def read(path: Path) -> dict[str, Any]:
    """A case as it is written."""
    with path.open("rb") as file:
        return tomllib.load(file)


def run(case: Mapping[str, Any], home: Path, *, together: bool) -> None:
    """Run a case in a home that is connected and holds COMPANY. Raises AssertionError where it falls short."""
    tables.load(case.get("crm", {}))
    office = _Service(home, case.get("settings", {}))
    mails = [as_bytes(mail) for mail in case.get("mail", [])]
    for batch in [mails] if together else [[mail] for mail in mails]:
        office.cycle(batch)
    export = tables.export()
    wanted = [mail.get("expect", {}) for mail in case.get("mail", [])]
    _rows_in_order("messages", wanted, export["messages"])
    _compare(case.get("expect", {}), export)
    for login, expected in case.get("expect_as", {}).items():
        _compare(expected, tables.export(login))


class _Service:
    """The service on a home with one box, which takes its mail from a folder."""

    def __init__(self, home: Path, settings: Mapping[str, Any]) -> None:
        self.folder = home / "eml"
        self.folder.mkdir()
        (home / "crm.xml").write_text(
            _xml({"pop3Email": "crm@firma.cz", "emlDir": str(self.folder), **settings}), "utf-8"
        )
        self.found = wiring.configured(home)
        assert not self.found.faults, self.found.faults
        (self.box,) = self.found.boxes

    def cycle(self, mails: Sequence[bytes]) -> None:
        """Let these mails arrive in their order, and file them."""
        for number, raw in enumerate(mails):
            (self.folder / f"{number:04}.eml").write_bytes(raw)
        held = lease.take(self.box.name)
        try:
            self._file(held)
        finally:
            held.release()
        assert list(self.folder.iterdir()) == []

    def _file(self, held: lease.Lease) -> None:
        inbox, backup = StoreInbox(held), BackupFolder(self.found.home)
        pipeline = wiring.pipeline(self.found.settings, StoreGateway(held))
        filing = Filing(inbox, backup, pipeline, report=lambda _box, _outcomes: None)
        source = EmlFolder(self.folder, sleep=lambda _seconds: None)
        for _new in Capture(inbox, backup, wiring.now).run(self.box, source):
            filing.run(self.box)


def _xml(settings: Mapping[str, Any]) -> str:
    pairs = [(key, one) for key, value in settings.items() for one in (value if isinstance(value, list) else [value])]
    texts = [(key, str(one).lower() if isinstance(one, bool) else str(one)) for key, one in pairs]
    lines = [f"<add key={quoteattr(key)} value={quoteattr(text)} />" for key, text in texts]
    return "\n".join(["<configuration><appSettings>", *lines, "</appSettings></configuration>"])


def as_bytes(mail: Mapping[str, Any]) -> bytes:
    text = textwrap.dedent(mail["eml"]).lstrip("\n")
    return text.replace("\n", "\r\n").encode(mail.get("encoding", "utf-8"))


def _compare(expected: Mapping[str, Any], export: Mapping[str, Any]) -> None:
    for table, rows in expected.items():
        have = export[table]
        if table not in STANDING:
            assert len(have) == len(rows), f"{table}: {len(rows)} expected, found {have}"
        assert _all_placed(rows, have), f"{table}: expected {rows}, found {have}"


def _rows_in_order(table: str, expected: Sequence[Any], have: Sequence[Any]) -> None:
    assert len(have) == len(expected), f"{table}: {len(expected)} expected, found {have}"
    for number, (want, row) in enumerate(zip(expected, have, strict=True), 1):
        assert holds(want, row), f"{table} {number}: expected {want}, found {row}"


def holds(expected: Any, actual: Any) -> bool:
    """Whether what is there is as expected, in what the case names."""
    if isinstance(expected, dict):
        return isinstance(actual, dict) and all(
            _field(name, value, actual.get(name)) for name, value in expected.items()
        )
    if isinstance(expected, list):
        return isinstance(actual, list) and len(expected) == len(actual) and _all_placed(expected, actual)
    if isinstance(expected, str) and expected.startswith("contains:"):
        return isinstance(actual, str) and expected.removeprefix("contains:") in actual
    if expected in ("set", "null"):
        return (actual not in (None, "")) is (expected == "set")
    return bool(expected == actual)


def _field(name: str, expected: Any, actual: Any) -> bool:
    if name != "log":
        return holds(expected, actual)
    return isinstance(actual, list) and len(actual) == len(expected) and all(map(holds, expected, actual))


def _all_placed(expected: Sequence[Any], actual: Sequence[Any]) -> bool:
    """Whether each expected row has a row of its own (the first ones tried first, back when that leads nowhere)."""
    if not expected:
        return True
    rest = expected[1:]
    fitting = (at for at, row in enumerate(actual) if holds(expected[0], row))
    return any(_all_placed(rest, [*actual[:at], *actual[at + 1 :]]) for at in fitting)
