"""``crmservice migrate``: the old service's folder is taken over whole, with its dates, once."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from crmservice.testing.builders import COMPANY, eml
from tests.cli.conftest import Shell
from tests.support.home import Home

OAUTH = {
    "client_id": "0a1b2c3d-0000-4000-8000-000000000000", "client_secret": "x",
    "tenant_id": "0a1b2c3d-0000-4000-8000-000000000001", "token_uri": "https://login.microsoftonline.com/organizations/oauth2/v2.0/token",
}  # fmt: skip
WRITTEN = datetime(2019, 5, 6, 8, 15, tzinfo=UTC)


class OldFolder:
    """A folder of CRMService.exe: two boxes, tokens' settings, and a backup of days gone by."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "Config").mkdir(parents=True)
        (folder / "Config" / "MicrosoftOAuth.json").write_text(json.dumps({"web": OAUTH}))
        for name in ("crm", "second"):
            keys: dict[str, str | list[str]] = {
                "pop3Email": f"{name}@firma.cz",
                "pop3Url": "mail.firma.cz",
                "pop3Name": name,
                "pop3Password": "x",
            }
            Home(folder).box(keys, f"{name}.xml")

    def mail(self, day: str, raw: bytes, name: str = "1.eml", written: datetime | None = None) -> None:
        """A mail in the backup of a day; ``written``: when its file was, today (a copy) where None."""
        file = self.folder / "POP3Downloads" / day / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(raw)
        if written:
            os.utime(file, (written.timestamp(),) * 2)


@pytest.fixture
def old(tmp_path: Path) -> OldFolder:
    old = OldFolder(tmp_path / "old")
    old.mail(
        "2019-05-06",
        eml(to="novak@firma.cz", delivered_to="crm@firma.cz", message_id="1@x", subject="první"),
        written=WRITTEN,
    )
    old.mail(
        "2019-05-07", eml(to="svoboda@firma.cz", delivered_to="second@firma.cz", message_id="2@x", subject="druhý")
    )
    return old


@pytest.fixture
def company(shell: Shell) -> Shell:
    (shell.folder / "company.json").write_text(json.dumps(COMPANY))
    assert shell.run("load", "company.json").returncode == 0
    return shell


def arrivals(home: Path) -> list[date]:
    with contextlib.closing(sqlite3.connect(home / "crmservice.db")) as database:
        return [
            date.fromisoformat(str(at)[:10])
            for (at,) in database.execute("SELECT arrived FROM crm_message ORDER BY id")
        ]


def messages(shell: Shell, home: Path | None = None) -> dict[str, Any]:
    exported = json.loads(shell.run("export", home=home).stdout)
    return {message["subject"]: message for message in exported["messages"]}


def test_history_is_filed_with_the_dates_it_has_and_once(company: Shell, old: OldFolder) -> None:
    done = company.run("migrate", old.folder)
    assert done.returncode == 0
    assert "mails in POP3Downloads: 2" in done.stdout
    assert "Mails taken in: 2, filed: 2" in done.stdout
    found = messages(company)
    assert [message["log"] for message in found.values()] == [["PROCESSED"], ["PROCESSED"]]
    boxes = json.loads(company.run("ledger", "--json").stdout)["boxes"]
    assert {name: counts["processed"] for name, counts in boxes.items()} == {"crm": 1, "second": 1}
    assert arrivals(company.home) == [WRITTEN.date(), date(2019, 5, 7)]  # the second file is younger: a copy
    assert "Mails taken in: 0, filed: 0" in company.run("migrate", old.folder).stdout
    assert messages(company) == found
    assert company.run("ledger").returncode == 0
    assert company.run("verify").returncode == 0


def test_configuration_is_copied_and_what_is_there_stays(shell: Shell, old: OldFolder) -> None:
    (shell.home / "crm.xml").write_text((old.folder / "crm.xml").read_text().replace('value="x"', 'value="newer"'))
    done = shell.run("migrate", old.folder)
    assert "copied: second.xml" in done.stdout
    assert "copied: crm.xml" not in done.stdout
    assert 'value="newer"' in (shell.home / "crm.xml").read_text()
    assert (shell.home / "Config" / "MicrosoftOAuth.json").stat().st_mode & 0o777 == 0o600


def test_the_old_folder_can_be_the_home_itself(company: Shell, old: OldFolder) -> None:
    assert company.run("load", "company.json", home=old.folder).returncode == 0
    before = {path: path.read_bytes() for path in old.folder.rglob("*.eml")}
    assert company.run("migrate", old.folder, home=old.folder).returncode == 0
    assert set(messages(company, old.folder)) == {"první", "druhý"}
    assert {path: path.read_bytes() for path in old.folder.rglob("*.eml")} == before


def test_without_users_mail_waits_until_there_are_some(shell: Shell, old: OldFolder) -> None:
    first = shell.run("migrate", old.folder)
    assert first.returncode == 0
    assert "Mails taken in: 2, filed: 0" in first.stdout
    (shell.folder / "company.json").write_text(json.dumps(COMPANY))
    assert shell.run("load", "company.json").returncode == 0
    assert "Mails taken in: 0, filed: 2" in shell.run("migrate", old.folder).stdout
    assert all(message["log"] == ["PROCESSED"] for message in messages(shell).values())


def test_check_changes_nothing(shell: Shell, old: OldFolder) -> None:
    before = sorted(path.name for path in shell.home.iterdir())
    done = shell.run("migrate", old.folder, "--check", LANG="cs_CZ.UTF-8")
    assert done.returncode == 0
    assert "schránek: 2, e-mailů v POP3Downloads: 2" in done.stdout
    assert sorted(path.name for path in shell.home.iterdir()) == before


def test_a_folder_that_must_be_mended_first_is_told_with_its_line(shell: Shell, old: OldFolder) -> None:
    (old.folder / "crm.xml").write_text("<crm>")
    broken = shell.run("migrate", old.folder)
    assert broken.returncode == 78
    assert "crm.xml" in broken.stdout
    assert messages(shell) == {}


@pytest.mark.parametrize("made", [True, False])
def test_another_folder_is_refused(shell: Shell, made: bool) -> None:
    if made:
        (shell.folder / "other").mkdir()
    done = shell.run("migrate", "other")
    assert done.returncode == 78
    assert "name the " in done.stderr
