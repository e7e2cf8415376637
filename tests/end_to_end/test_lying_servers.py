"""Servers that lie, seen from outside: what the commands leave behind and say."""

from __future__ import annotations

from pathlib import Path

from tests.faults.forward import forwarded
from tests.faults.place import BOX, mail, make_place
from tests.support.stub import Pop3Stub, serve


def test_a_server_that_deletes_nothing_and_keeps_a_mail_back_is_told_in_the_log(template: Path, tmp_path: Path) -> None:
    stub = Pop3Stub([mail(1), mail(2)], answers={b"RETR 2": b"-ERR it can not be read\r\n"})
    with serve(stub) as (port, _), forwarded(110, port) as where:
        keys: dict[str, str | list[str]] = {"pop3Email": BOX, "pop3Url": where, "pop3Password": "secret"}
        place = make_place(template, tmp_path / "home", keys)
        place.cycle()
        first = (place.home / "CRMService.log").read_text(encoding="utf-8")
        assert "uid2: the server will not give it (it can not be read)" in first
        assert "gives them again" not in first
        place.cycle()
    assert "gives them again (1)" in (place.home / "CRMService.log").read_text(encoding="utf-8")
    assert len(list(place.home.glob("POP3Downloads/*/*"))) == 1
    assert [verdict for _sha256, verdict, _attempts in place.messages()] == ["processed"]
