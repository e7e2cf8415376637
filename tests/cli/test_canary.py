"""``crmservice canary``: a marked mail goes out, comes back by the forwarding, and is filed nowhere (SPEC 13.6)."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing

from crmservice.testing.builders import COMPANY
from tests.cli.conftest import Shell
from tests.cli.schema import faults, schema
from tests.cli.test_notices import telling
from tests.notices.sinks import sink
from tests.notices.test_outbox import body


def company(shell: Shell) -> None:
    users = [*COMPANY["users"], {"login": "externi", "email": "externi@jinde.example"}]
    (shell.folder / "company.json").write_text(json.dumps({**COMPANY, "users": users}), "utf-8")
    assert shell.run("load", "company.json").returncode == 0


def set_back(shell: Shell, hours: int) -> None:
    with closing(sqlite3.connect(shell.home / "crmservice.db")) as connection, connection:
        connection.execute(f"UPDATE crm_canary SET sent = datetime(sent, '-{hours} hours')")


def test_whose_canary_comes_back_is_well_and_whose_does_not_is_named_with_an_age(shell: Shell) -> None:
    with sink() as taken:
        incoming = shell.box(**telling(taken.port))
        company(shell)
        done = shell.run("canary", "--json")
        said = json.loads(done.stdout)
        assert done.returncode == 0
        assert list(faults(schema("canary"), said)) == []
        addresses = [one["address"] for one in said["addresses"]]
        assert [mail.rcpt_tos[0] for mail in taken.mails] == addresses
        assert (said["sent"], said["left_out"]) == (len(addresses), ["externi@jinde.example"])
        assert "you may delete it" in body(taken.mails[0].content)
        back, lost = addresses[0], addresses[1]
        content = taken.mails[0].content
        assert isinstance(content, bytes)
        (incoming / "1.eml").write_bytes(content)
        assert shell.run("run", "--once").returncode == 0
        set_back(shell, 50)
        done = shell.run("canary", "status")
    assert done.returncode == 1
    lines = {line.split()[1]: line for line in done.stdout.splitlines()}
    assert lines[back].startswith("OK")
    assert lines[lost] == f"LOST        {lost}  none ever came back; the first was sent 2 days ago"


def test_without_anybody_to_send_to_it_says_so(shell: Shell) -> None:
    shell.box()
    company(shell)
    done = shell.run("canary", "send")
    assert done.returncode == 78
    assert "smtpServer" in done.stderr
