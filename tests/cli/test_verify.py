"""``crmservice verify``: a home that is as it was kept, and one that is not."""

from __future__ import annotations

import json
import sqlite3

from tests.cli.conftest import Shell
from tests.cli.schema import faults, schema


def test_a_lost_file_a_damaged_row_and_a_closed_mailbox_are_told(shell: Shell) -> None:
    incoming = shell.box()
    for n in range(3):
        (incoming / f"{n}.eml").write_bytes(b"From: eva@acme.cz\r\nTo: jan@firma.cz\r\nSubject: %d\r\n\r\nx" % n)
    assert shell.run("run", "--once").returncode == 0
    whole = shell.run("verify", "--server", "--json")
    assert (whole.returncode, json.loads(whole.stdout)) == (0, {"messages": 3, "differences": [], "away": []})
    next((shell.home / "POP3Downloads").rglob("*.eml")).unlink()
    with sqlite3.connect(shell.home / "crmservice.db") as database:
        database.execute("UPDATE crm_message SET first_id = 7 WHERE subject = '1'")
    found = shell.run("verify", "--json")
    assert found.returncode == 1
    said = json.loads(found.stdout)
    assert list(faults(schema("verify"), said)) == []
    assert [one["kind"] for one in said["differences"]] == ["database", "row-without-file"]
    shell.box("closed", emlDir=str(incoming), imapUrl="127.0.0.1:1", imapPassword="x", allowInsecure="true")
    czech = shell.run("verify", "--server", LANG="cs_CZ.UTF-8")
    assert czech.returncode == 1
    assert "záloha zprávy chybí" in czech.stdout
    assert "closed imap" in czech.stderr
