"""Explaining is the road of a message without its last step."""

from __future__ import annotations

from crmservice.pipeline.memory import MemoryGateway
from crmservice.service.explaining import Explainer
from crmservice.store import inbox
from crmservice.testing.builders import COMPANY, NOON, Office, box, eml
from tests.service.desk import Desk


def test_what_is_explained_is_what_would_be_decided() -> None:
    office = Office()
    shown = Explainer(office.pipeline, office.box).explain(eml(), NOON)
    assert tuple(shown["log"]) == office.receive(eml()).log == ("PROCESSED",)
    assert (shown["sender"], shown["direction"]) == ("jana@acme.cz", "incoming")


def test_it_changes_nothing() -> None:
    gateway = MemoryGateway.from_tables(COMPANY)
    before = gateway.directory
    Explainer(Office().pipeline.on(gateway), box()).explain(eml(), NOON)
    assert (gateway.directory, gateway.outcomes) == (before, [])


def test_the_same_bytes_in_the_store_are_no_earlier_mail(desk: Desk) -> None:
    raw = eml()
    desk.put(raw)
    desk.take()
    desk.file()
    pipeline = desk.filing().pipeline
    assert Explainer(pipeline, desk.box, inbox.same_bytes).explain(raw, NOON)["log"] == ["PROCESSED"]
    assert Explainer(pipeline, desk.box).explain(raw, NOON)["log"] == ["DUPLICATE KEY", "DELETED"]
    assert desk.logs() == ["PROCESSED"]
