"""Kept mail is gone through page by page, whole."""

from __future__ import annotations

from pathlib import Path

from crmservice.store import inbox, kept_mail
from tests.store.conftest import arrival


def test_mail_of_several_pages_comes_once_and_in_order(home: Path) -> None:
    ids = inbox.accept([arrival(n) for n in range(kept_mail.PAGE + 1)])
    assert [mail.id for mail in kept_mail.every()] == ids
    assert kept_mail.count() == len(ids)
