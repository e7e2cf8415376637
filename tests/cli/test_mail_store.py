"""Raw mail in an object store, as an operator has it: mail filed, verified, backed up, restored and erased."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crmservice.backup import RawMail
from crmservice.config import load_settings
from crmservice.service import wiring
from crmservice.testing.builders import COMPANY, eml
from tests.cli.conftest import Shell
from tests.support import moto
from tests.support.dovecot import free_port
from tests.support.moto import store

__all__ = ["store"]

EVA = "eva@acme.cz"


def configure(home: Path, keys: dict[str, str]) -> RawMail:
    lines = [f"{name} = {json.dumps(value)}" for name, value in keys.items()]
    (home / "crmservice.toml").write_text("\n".join(lines), "utf-8")
    return wiring.raw_mail(load_settings(home, {}).settings)


def paths(raw: RawMail) -> list[str]:
    return sorted(file.path for day in raw.days() for file in raw.files(day))


@pytest.mark.slow
@pytest.mark.server
def test_mail_lives_in_the_store_from_its_arrival_to_its_erasure(shell: Shell, store: moto.Store) -> None:
    incoming = shell.box()
    raw = configure(shell.home, store.settings("one"))
    (shell.folder / "company.json").write_text(json.dumps(COMPANY), "utf-8")
    assert shell.run("load", "company.json").returncode == 0
    for n in range(5):
        (incoming / f"{n}.eml").write_bytes(
            eml(f"text {n}", sender=EVA if n else "bob@beta.example", message_id=f"{n}@x")
        )
    filed = shell.run("run", "--once")
    assert (filed.returncode, list(incoming.iterdir())) == (0, [])
    assert (len(paths(raw)), (shell.home / "POP3Downloads").exists()) == (5, False)
    assert [shell.run(*words).returncode for words in (["verify"], ["ledger"], ["replay"])] == [0, 0, 0]
    kept = shell.folder / "kept"
    assert shell.run("backup", kept).returncode == 0
    gone, spoilt, *_ = paths(raw)
    raw.remove([gone])
    raw.replace(spoilt, raw.read(spoilt) + b"x")
    said = json.loads(shell.run("verify", "--json").stdout)
    assert {one["kind"]: one["about"] for one in said["differences"]} == {"row-without-file": gone, "size": spoilt}
    assert shell.run("--home", shell.home, "restore", kept, "--to", shell.home, "--force").returncode == 0
    assert shell.run("verify").returncode == 0
    assert shell.run("erase", EVA, "--yes").returncode == 0
    assert (len(paths(raw)), shell.run("verify").returncode, shell.run("ledger").returncode) == (1, 0, 0)
    secrets = [file for file in shell.home.rglob("*.log") if moto.SECRET in file.read_text("utf-8", errors="replace")]
    assert (secrets, moto.SECRET in filed.stdout + filed.stderr) == ([], False)


@pytest.mark.server
def test_a_drill_in_a_place_of_its_own_leaves_the_store_alone(shell: Shell, store: moto.Store) -> None:
    incoming = shell.box()
    raw = configure(shell.home, store.settings("two"))
    (incoming / "1.eml").write_bytes(eml())
    assert shell.run("run", "--once").returncode == 0
    assert shell.run("backup", shell.folder / "kept").returncode == 0
    before = paths(raw)
    place = f"s3://{moto.BUCKET}/drill"
    done = shell.run(
        "restore", shell.folder / "kept", "--to", shell.folder / "new", home=None, CRMSERVICE_MAIL_STORE=place
    )
    assert done.returncode == 0, done.stderr
    assert paths(raw) == before
    assert paths(configure(shell.home, store.settings("drill"))) == before


@pytest.mark.server
def test_check_says_whether_the_store_answers(shell: Shell, store: moto.Store) -> None:
    shell.box()
    configure(shell.home, store.settings())
    assert "OK  crmservice.toml mail_store: answers, and lets us in" in shell.run("check").stdout
    configure(shell.home, store.settings() | {"mail_store": "s3://another/place"})
    done = shell.run("check")
    assert (done.returncode, moto.SECRET in done.stdout) == (75, False)
    assert "NOT REACHED  crmservice.toml mail_store: " in done.stdout


def test_check_says_whether_a_database_server_answers(shell: Shell) -> None:
    shell.box()
    url = f"postgresql://crm:{moto.SECRET}@127.0.0.1:{free_port()}/crm"
    configure(shell.home, {"database": url})
    done = shell.run("check")
    assert (done.returncode, moto.SECRET in done.stdout + done.stderr) == (75, False)
    assert "NOT REACHED  crmservice.toml database: the database is not available" in done.stdout
    assert "database:" not in shell.run("check", "--offline").stdout


def test_with_the_store_away_mail_waits_at_its_source(shell: Shell) -> None:
    incoming = shell.box()
    keys = moto.Store(free_port(), None).settings()  # type: ignore[arg-type]
    configure(shell.home, keys)
    (incoming / "1.eml").write_bytes(eml())
    done = shell.run("run", "--once")
    assert (done.returncode, [file.name for file in incoming.iterdir()]) == (75, ["1.eml"])
    assert moto.SECRET not in done.stdout + done.stderr + (shell.home / "CRMService.log").read_text("utf-8")
    assert "the backup" in done.stderr
