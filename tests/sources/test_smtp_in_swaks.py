"""What swaks, a sender of its own making, hears (swaks(1))."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from crmservice.config import Box
from tests.support.certificates import make_certificates
from tests.support.listening import BOX, Listening, listening, terms

pytestmark = [
    pytest.mark.server,
    pytest.mark.skipif(shutil.which("swaks") is None, reason="swaks is not installed: make servers"),
]

# swaks(1), section EXIT CODES
FINE, NO_MAIL, NO_RECIPIENT, REFUSED, NO_TLS = 0, 23, 24, 26, 29


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[Box], Listening]]:
    with ExitStack() as stack:
        yield lambda box: stack.enter_context(listening(terms(tmp_path, box)))


def swaks(running: Listening, *more: str) -> tuple[int, str]:
    """Its exit code and what it showed of the conversation."""
    command = ["swaks", "--server", f"127.0.0.1:{running.port}", "--from", "eva@acme.cz", "--to", "crm@firma.cz", *more]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return done.returncode, done.stdout


@pytest.mark.parametrize(
    "more",
    [(), ("--pipeline",), ("--protocol", "LMTP"), ("--protocol", "SMTP"), ("--to", "crm@firma.cz,crm+5@firma.cz"), ("--from", "<>")],
    ids=" ".join,
)  # fmt: skip
def test_swaks_is_content(start: Callable[[Box], Listening], more: tuple[str, ...]) -> None:
    running = start(BOX)
    code, shown = swaks(running, *more)
    assert (code, "250 2.0.0 stored as 1" in shown) == (FINE, True), shown
    assert len(running.store.mails) == 1


def test_lmtp_through_swaks_answers_for_each_recipient(start: Callable[[Box], Listening]) -> None:
    code, shown = swaks(start(BOX), "--protocol", "LMTP", "--to", "crm@firma.cz,crm+5@firma.cz")
    assert (code, shown.count("250 2.0.0 stored as 1")) == (FINE, 2), shown


def test_swaks_with_tls(start: Callable[[Box], Listening], tmp_path: Path) -> None:
    if (
        "TLS supported"
        not in subprocess.run(["swaks", "--support"], capture_output=True, text=True, check=False).stdout
    ):
        pytest.skip("swaks has no TLS: make servers")
    certificates = make_certificates(tmp_path / "certificates")
    cert, key = certificates.pair("good")
    running = start(replace(BOX, smtp_listen_cert=cert, smtp_listen_key=key))
    code, shown = swaks(running, "--tls", "--tls-verify", "--tls-ca-path", str(certificates.ca))
    assert (code, "TLS started with cipher TLSv1.3" in shown) == (FINE, True), shown
    assert len(running.store.mails) == 1


def test_swaks_that_insists_on_tls_goes_away(start: Callable[[Box], Listening]) -> None:
    assert swaks(start(BOX), "--tls")[0] == NO_TLS


def test_swaks_may_not_write_to_others(start: Callable[[Box], Listening]) -> None:
    code, shown = swaks(start(BOX), "--to", "jan@firma.cz")
    assert (code, "550 5.7.1" in shown) == (NO_RECIPIENT, True), shown


def test_swaks_may_not_send_too_much(start: Callable[[Box], Listening]) -> None:
    running = start(replace(BOX, max_message_bytes=5000))
    code, shown = swaks(running, "--body", "x" * 6000)
    assert (code, "552 5.3.4" in shown) == (REFUSED, True), shown
    assert running.store.mails == []
