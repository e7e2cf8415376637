"""A mail that breaks the reader or kills the process: set aside, the others filed in the same cycle (TRUST.md C15).

The reader is broken from outside: a ``sitecustomize`` on the worker's path, so the product has no hook for it.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.faults.place import BOX, Place, mail
from tests.support.home import Home

SHIM = """
import os
kind = os.environ.get("POISON", "")
if kind:
    import crmservice.mail.parsing as parsing
    whole = parsing.parse
    def parse(raw):
        if b"X-Poison" in raw:
            if kind == "crash":
                import ctypes
                ctypes.string_at(0)
            if kind == "exit":
                os._exit(0)
            if kind == "burn":
                while True:
                    pass
            if kind == "memory":
                raise MemoryError
            raise RecursionError
        return whole(raw)
    parsing.parse = parse
    import crmservice.service.limits as limits
    limits.cpu_limit.__wrapped__.__defaults__ = (1.0,)
"""


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A home that imports a folder of a hundred mails, the fiftieth of them poisonous."""
    place = Place(tmp_path / "home")
    place.home.mkdir()
    eml = tmp_path / "eml"
    eml.mkdir()
    Home(place.home).box({"pop3Email": BOX, "emlDir": str(eml)}, "crm.xml")
    for number in range(100):
        raw = mail(number, extra="X-Poison: yes\r\n" if number == 50 else "")
        (eml / f"{number:03}.eml").write_bytes(raw)
    shim = tmp_path / "shim"
    shim.mkdir()
    (shim / "sitecustomize.py").write_text(SHIM, encoding="utf-8")
    records = tmp_path / "company.json"
    records.write_text(json.dumps({"users": [{"login": "jan", "email": "jan@firma.cz"}]}), encoding="utf-8")
    place.run("load", str(records))
    return place


@pytest.mark.parametrize("kind", ["crash", "exit", "burn", "memory", "recursion"])
def test_a_poisonous_mail_is_set_aside_and_the_others_are_filed(place: Place, tmp_path: Path, kind: str) -> None:
    place.cycle(POISON=kind, PYTHONPATH=str(tmp_path / "shim"))
    verdicts = sorted(verdict for _checksum, verdict, _attempts in place.messages())
    assert verdicts == ["processed"] * 99 + ["set_aside"]
    assert "Mail 00050 end" not in place.activities()


def test_once_mended_it_is_filed(place: Place, tmp_path: Path) -> None:
    place.cycle(POISON="crash", PYTHONPATH=str(tmp_path / "shim"))
    place.run("requeue", "--all")
    place.cycle()
    assert place.activities()["Mail 00050 end"] == 1
    assert {verdict for _checksum, verdict, _attempts in place.messages()} == {"processed"}
