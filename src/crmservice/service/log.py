"""CRMService.log in the manual's form: ``LEVEL yyyy-MM-dd HH:mm:ss text``, one line for a message (SPEC chapter 10)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from datetime import datetime, tzinfo
from pathlib import Path

from crmservice.config import Box
from crmservice.pipeline.gateway import Outcome

NAME = "CRMService.log"
MOST_SUBJECT = 200
MOST_WAITING = 1024 * 1024
"""Bytes of lines that wait for a disk with room; beyond them the oldest go."""


class ServiceLog:
    """Appends lines to the log of a home folder. ``now`` gives aware times, ``zone`` the wall clock shown.

    Mail does not wait for its log: lines that the disk refuses are written before the next ones.
    """

    def __init__(self, home: Path, zone: tzinfo, now: Callable[[], datetime]) -> None:
        self._path = home / NAME
        self._zone = zone
        self._now = now
        self._waiting = b""

    def messages(self, box: Box, outcomes: Sequence[Outcome]) -> None:
        """One line for each message: box, sender, shortened subject, log words."""
        self._write("NOTICE", [_message(box, outcome) for outcome in outcomes])

    def error(self, text: str) -> None:
        """A fault that an operator should know."""
        self._write("ERROR", [text])

    def notice(self, text: str) -> None:
        """Something worth knowing."""
        self._write("NOTICE", [text])

    def _write(self, level: str, texts: Sequence[str]) -> None:
        when = self._now().astimezone(self._zone).strftime("%Y-%m-%d %H:%M:%S")
        lines = "".join(f"{level} {when} {one_line(text)}\n" for text in texts)
        self._waiting += lines.encode("utf-8", "backslashreplace")
        with contextlib.suppress(OSError):
            self._append()
        if len(self._waiting) > MOST_WAITING:
            self._waiting = self._waiting[-MOST_WAITING:].partition(b"\n")[2]

    def _append(self) -> None:
        file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            while self._waiting:
                self._waiting = self._waiting[os.write(file, self._waiting) :]
        finally:
            os.close(file)


def _message(box: Box, outcome: Outcome) -> str:
    message = outcome.decision.message
    sender = message.sender.email if message.sender else "-"
    subject = message.subject[:MOST_SUBJECT]
    return f"{box.name} {sender} {subject!r} {', '.join(outcome.decision.log)}"


def one_line(text: str) -> str:
    """The text with everything escaped that could end the line or steer a terminal (TRUST.md B34)."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
