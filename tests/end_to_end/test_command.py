"""The whole road by the installed command: load, run --once, export, ledger."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from crmservice.testing.builders import COMPANY, eml

pytestmark = pytest.mark.slow

BOX = """<configuration><appSettings>
<add key="pop3Email" value="crm@firma.cz" /><add key="emlDir" value="{eml}" /><add key="rules" value="safe" />
</appSettings></configuration>"""


def crmservice(home: Path, *arguments: str) -> str:
    """The command's output; it must end well."""
    command = [sys.executable, "-m", "crmservice", "--home", str(home), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home with a box that takes its mail from ``eml``."""
    (tmp_path / "eml").mkdir()
    (tmp_path / "crm.xml").write_text(BOX.format(eml=tmp_path / "eml"), encoding="utf-8")
    (tmp_path / "crm.json").write_text(json.dumps(COMPANY), encoding="utf-8")
    crmservice(tmp_path, "load", str(tmp_path / "crm.json"))
    return tmp_path


def test_mail_in_the_folder_becomes_activities_and_adds_up(home: Path) -> None:
    mails = [eml("první", subject="zak:123"), eml(sender="nikdo"), eml("první", subject="zak:123")]
    for number, raw in enumerate(mails):
        (home / "eml" / f"{number}.eml").write_bytes(raw)
    crmservice(home, "run", "--once")
    assert list((home / "eml").iterdir()) == []
    export: dict[str, list[dict[str, Any]]] = json.loads(crmservice(home, "export"))
    logs = [message["log"] for message in export["messages"]]
    assert logs == [["PROCESSED"], ["SPAM", "DELETED"], ["DUPLICATE KEY", "DELETED"]]
    (activity,) = export["activities"]
    assert (activity["responsible"], activity["contract"], activity["contacts"]) == ("novak", "123", ["Jana"])
    kept = [(home / message["backup"]).read_bytes() for message in export["messages"]]
    assert kept == mails
    boxes = json.loads(crmservice(home, "ledger", "--json"))["boxes"]
    figures = {
        name: boxes["crm"][name] for name in ("arrived", "processed", "skipped", "duplicate", "set_aside", "waiting")
    }
    assert figures == {"arrived": 3, "processed": 1, "skipped": 1, "duplicate": 1, "set_aside": 0, "waiting": 0}
    log = (home / "CRMService.log").read_text(encoding="utf-8")
    assert log.count("DUPLICATE KEY") == 1


def test_what_explain_says_is_what_happens(home: Path) -> None:
    file = home / "mail.eml"
    file.write_bytes(eml(subject="Re: zak:123 p1", cc="crm@firma.cz"))
    explained = json.loads(crmservice(home, "explain", "--json", str(file)))
    assert explained["log"] == ["REROUTED", "PROCESSED"]
    assert explained["markers"] == {"contract": "123", "order": None, "task": None, "type": None, "scope": "p1"}
    assert json.loads(crmservice(home, "export"))["messages"] == []
    file.rename(home / "eml" / "mail.eml")
    crmservice(home, "run", "--once")
    export = json.loads(crmservice(home, "export"))
    assert export["messages"][0]["log"] == explained["log"]
    assert (export["activities"][0]["contract"], export["activities"][0]["scope"]) == ("123", "p1")
