"""Real and broken mail, damaged at random: nothing raises, nothing costs more than its length (TRUST.md B8, B11)."""

from __future__ import annotations

import gc
import random
import time
from datetime import UTC
from pathlib import Path

import pytest

from crmservice.mail import forwarded, journal, markers, problems, reading
from crmservice.mail.keywords import DEFAULT
from crmservice.mail.message import Message, identity
from tests.mail.clock import allowed

HERE = Path(__file__).parent
SEEDS = [path.read_bytes() for path in sorted((HERE / "fixtures").rglob("*.eml"))]
PIECES = (
    b"\r\n", b"\n", b"\r", b"\0", b"--", b"=?utf-8?q?", b"?=", b"=", b'"', b"(", b"<", b";", b":", b"\xff", b"\xc5", b"\t",
    b"Content-Type: multipart/mixed; boundary=", b"Content-Type: message/rfc822\n\n", b"charset=utf-16", b"BEGIN:VEVENT\n",
    b"Content-Transfer-Encoding: base64\n", b"Final-Recipient: rfc822; ", b"Zak\xc3\xa1zka: ", b"<td>", b"From: a@b.cz\n",
)  # fmt: skip
TORN = (b"boundary=", b"charset=", b"content-type:", b"encoding:", b"from:", b"--")


def damaged(chance: random.Random) -> bytes:
    raw = bytearray(chance.choice(SEEDS))
    for _ in range(chance.randint(1, 8)):
        damage(raw, chance)
        del raw[1_000_000:]
    return bytes(raw)


def damage(raw: bytearray, chance: random.Random) -> None:
    start = chance.randrange(len(raw) or 1)
    end = min(start + chance.randint(1, 200), len(raw))
    kind = chance.randrange(7)
    if kind == 0 and raw:
        raw[start] ^= 1 << chance.randrange(8)
    elif kind == 1:
        del raw[start : end if chance.random() < 0.8 else len(raw)]
    elif kind == 2:
        raw[start:start] = raw[start:end] * chance.choice((1, 2, 5, 50, 200))
    elif kind == 3:
        raw[start:start] = chance.choice(PIECES) * chance.choice((1, 1, 1, 3, 30, 1000))
    elif kind == 4:
        raw[start:end] = chance.choice(SEEDS)[start : start + chance.randint(1, 3000)]
    elif kind == 5 and (at := raw.lower().find(chance.choice(TORN))) >= 0:
        at += chance.randint(0, 20)
        raw[at : at + chance.randint(0, 4)] = chance.choice(PIECES)
    else:
        lines = raw.split(b"\n")
        at = chance.randrange(min(20, len(lines)))
        lines[at:at] = [lines[at]] * chance.choice((1, 2, 100, 2000))
        raw[:] = b"\n".join(lines)


def read_whole(raw: bytes) -> Message:
    """Everything that the road of a message asks of its bytes before it looks anything up."""
    message = reading.read(raw)
    for part in (*message.attachments, *message.inline):
        assert isinstance(part.content, bytes)
    identity(message)
    markers.scan(message.subject, message.text, message.fresh, DEFAULT)
    problems.read(message, DEFAULT)
    journal.unwrap(message)
    forwarded.original(message, DEFAULT, UTC)
    return message


@pytest.mark.parametrize("seed", range(8))
def test_damaged_mail_is_read_without_a_fault(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(100):
        raw = damaged(chance)
        gc.collect(0)
        started = time.process_time()
        message = read_whole(raw)
        cost = time.process_time() - started
        assert {"limit-reader", "limit-memory"}.isdisjoint(message.limits)
        assert cost < allowed(2 * max(len(raw) / 1e6, 0.5))
        for text in (message.text, message.html, message.subject, message.raw_from, *message.recipients):
            text.encode()
        if message.bounce:
            assert set(message.bounce.dead) <= set(message.bounce.failed)
            assert message.bounce.permanent == bool(message.bounce.failed)
