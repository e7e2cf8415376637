"""What the commands print for machines is what docs/*.schema.json say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crmservice.testing.builders import COMPANY, calendar, eml, part, report
from tests.cli.conftest import Shell
from tests.cli.schema import faults, schema
from tests.documentation.pages import ROOT

CORPUS = ROOT.parent / "shared" / "corpus"
MAILS = {
    "1.eml": eml("Zakázka: 123"),
    "2.eml": eml("Zakázka: 123"),
    "3.eml": eml("x", parts=[calendar()]),
    "4.eml": report("mrtvy@acme.cz"),
    "5.eml": eml("x", sender="novak@firma.cz", to="svoboda@firma.cz", subject="New task: x", message_id="t@x"),
    "6.eml": eml("x", parts=[part("a", name="a.txt")], message_id="a@x"),
    "7.eml": eml("x", sender="nikdo@jinde.example", to="nikdo@jinde.example"),
}


@pytest.fixture
def filed(shell: Shell) -> Shell:
    """A company that got mail of most kinds."""
    incoming = shell.box()
    for name, raw in MAILS.items():
        (incoming / name).write_bytes(raw)
    (shell.folder / "company.json").write_text(json.dumps(COMPANY), "utf-8")
    assert shell.run("load", "company.json").returncode == 0
    assert shell.run("run", "--once").returncode == 0
    return shell


def test_export_is_what_its_schema_says_whole_and_as_a_user_sees_it(filed: Shell) -> None:
    for arguments in ([], ["--as", "novak"]):
        tables = json.loads(filed.run("export", *arguments).stdout)
        assert list(faults(schema("export"), tables)) == []
        assert tables["activities"]


def test_what_export_prints_load_reads(filed: Shell) -> None:
    before = filed.run("export").stdout
    (filed.folder / "all.json").write_text(before, "utf-8")
    done = filed.run("load", "all.json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(filed.run("export").stdout) == json.loads(before)


def test_ledger_is_what_its_schema_says_and_a_difference_ends_with_1(filed: Shell) -> None:
    account = json.loads(filed.run("ledger", "--json").stdout)
    assert list(faults(schema("ledger"), account)) == []
    assert (account["boxes"]["crm"]["arrived"], account["differences"]) == (len(MAILS), [])
    next((filed.home / "POP3Downloads").rglob("*.eml")).unlink()
    done = filed.run("ledger", "--json")
    assert done.returncode == 1
    assert len(json.loads(done.stdout)["differences"]) == 1


def test_replay_is_what_its_schema_says(filed: Shell) -> None:
    assert filed.run("replay", "--json").stdout == ""
    filed.box(ignoreSubject=["Dotaz"])
    lines = [json.loads(line) for line in filed.run("replay", "--json").stdout.splitlines()]
    assert lines
    assert [fault for line in lines for fault in faults(schema("replay"), line)] == []


def test_explain_is_what_its_schema_says_of_every_kind_of_mail(shell: Shell) -> None:
    for name, raw in MAILS.items():
        shell.mail(raw, name)
    said = shell.run("explain", "--json", *MAILS, "gone.eml").stdout.splitlines()
    lines = [json.loads(line) for line in said]
    assert [fault for line in lines for fault in faults(schema("explain"), line)] == []
    assert [line["file"] for line in lines] == [*MAILS, "gone.eml"]
    assert lines[-1] == {"file": "gone.eml", "error": "No such file or directory"}


@pytest.mark.slow
@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not beside this checkout")
def test_explain_of_the_corpus_is_total(shell: Shell) -> None:
    done = shell.run("explain", "--json", CORPUS)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(lines) == sum(1 for path in CORPUS.rglob("*") if path.is_file())
    assert [fault for line in lines for fault in faults(schema("explain"), line)] == []
    assert [line["file"] for line in lines if "error" in line] == []


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"boxes": {}}, "missing"),
        ({"boxes": [], "differences": []}, "none of"),
        ({"boxes": {}, "differences": [1]}, "none of"),
    ],
)
def test_the_schemas_see_what_is_wrong(value: object, said: str) -> None:
    assert any(said in fault for fault in faults(schema("ledger"), value))


def test_every_schema_is_named_in_the_documentation() -> None:
    page = (ROOT / "docs" / "json.md").read_text("utf-8")
    assert all(Path(file).name in page for file in (ROOT / "docs").glob("*.schema.json"))


def test_status_is_what_its_schema_says(filed: Shell) -> None:
    printed = json.loads(filed.run("status", "--json").stdout)
    assert list(faults(schema("status"), printed)) == []
    assert printed["boxes"]["crm"]["messages"]["processed"] > 0
