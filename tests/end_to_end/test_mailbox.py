"""A mailbox on a real server: filled as people fill it, fetched, explained, exported, accounted for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from imapclient import IMAPClient

from crmservice.testing.builders import COMPANY, eml
from crmservice.tls import tls_context
from tests.faults.place import BOX, Place
from tests.support.dovecot import Dovecot

pytestmark = pytest.mark.server

QUESTION = eml("Kdy přijedete?", subject="Zakázka:123 dotaz")
MAILS: list[tuple[bytes, list[str]]] = [
    (QUESTION, ["PROCESSED"]),
    (QUESTION, ["DUPLICATE KEY", "DELETED"]),
    (eml("x", sender="nobody"), ["SPAM", "DELETED"]),
    (eml("Prosím o nabídku.", sender="novak@firma.cz", to="jana@acme.cz", subject="zak:123 nabídka"), ["PROCESSED"]),
    (eml("Udělej to.", sender="novak@firma.cz", to="dvorak@firma.cz", subject="Nový úkol: zavolat"),
     ["NEW TASK CREATED", "PROCESSED"]),
    (eml("Žlutý kůň. " * 20_000, subject="dlouhý dopis"), ["PROCESSED"]),
]  # fmt: skip
"""Mails and the log words that the manual gives them."""


def _append(server: Dovecot, mails: list[bytes]) -> None:
    """Put mail into the mailbox over IMAP, as a client that moves it there does."""
    context = tls_context(server.certificates.ca)
    with IMAPClient("localhost", port=server.ports["imaps"], ssl_context=context) as client:
        client.login(BOX, server.password)
        for raw in mails:
            client.append("INBOX", raw)


def _load_company(place: Place) -> None:
    records = place.home.parent / "company.json"
    records.write_text(json.dumps(COMPANY), encoding="utf-8")
    place.run("load", str(records))


def _explained(place: Place, folder: Path) -> list[list[str]]:
    folder.mkdir()
    for number, (raw, _log) in enumerate(MAILS):
        (folder / f"{number}.eml").write_bytes(raw)
    return [json.loads(line)["log"] for line in place.run("explain", "--json", str(folder)).splitlines()]


@pytest.mark.parametrize("protocol", ["pop3", "imap"])
def test_a_mailbox_becomes_activities_and_adds_up(
    protocol: str, on_dovecot: Callable[[str], Place], server: Dovecot, tmp_path: Path
) -> None:
    place = on_dovecot(protocol)
    _load_company(place)
    words = [log for _raw, log in MAILS]
    # Each file alone: explain calls no file another's duplicate.
    assert _explained(place, tmp_path / "mails") == [words[0], words[0], *words[2:]]
    _append(server, [raw for raw, _log in MAILS])
    place.cycle()
    assert server.left() == []

    export: dict[str, list[dict[str, Any]]] = json.loads(place.run("export"))
    assert [message["log"] for message in export["messages"]] == words
    # The server writes a body's bytes as it got them: nothing on the way changed one.
    assert [(place.home / message["backup"]).read_bytes() for message in export["messages"]] == [r for r, _ in MAILS]
    filed = [(activity["direction"], activity["contract"]) for activity in export["activities"]]
    assert filed[:2] == [("incoming", "123"), ("outgoing", "123")]
    assert [task["subject"] for task in export["tasks"]][-1:] == ["zavolat"]

    ledger = place.ledger()
    assert ledger["differences"] == []
    assert {name: n for name, n in ledger["boxes"]["crm"].items() if n} == {
        "arrived": 6, "processed": 4, "skipped": 1, "duplicate": 1,
    }  # fmt: skip
    lines = place.log()
    assert [re.sub(r".*' ", "", line) for line in lines] == [", ".join(log) for log in words]

    place.cycle()
    assert place.log() == lines


def test_what_two_boxes_fetch_is_kept_apart(on_dovecot: Callable[[str], Place], server: Dovecot) -> None:
    place = on_dovecot("imap")
    xml = (place.home / "crm.xml").read_text()
    (place.home / "other.xml").write_text(xml.replace(BOX, "other@firma.cz"))
    server.empty("other@firma.cz")
    server.deliver(eml(subject="one"), BOX, "1.M1.test")
    server.deliver(eml(subject="two"), "other@firma.cz", "2.M2.test")
    place.cycle()
    boxes = place.ledger()["boxes"]
    assert {name: counts["arrived"] for name, counts in boxes.items()} == {"crm": 1, "other": 1}


def test_a_box_that_can_not_be_read_delays_no_other(on_dovecot: Callable[[str], Place], server: Dovecot) -> None:
    place = on_dovecot("pop3")
    xml = (place.home / "crm.xml").read_text()
    (place.home / "a-broken.xml").write_text(xml.replace(server.password, "wrong").replace(BOX, "other@firma.cz"))
    server.deliver(eml(subject="one"), BOX, "1.M1.test")
    said = place.cycle(code=75)
    assert "a-broken: POP3, signing in (other@firma.cz at localhost:" in said
    assert place.ledger()["boxes"]["crm"]["arrived"] == 1
