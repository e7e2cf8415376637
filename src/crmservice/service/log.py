"""CRMService.log in the manual's form: ``LEVEL yyyy-MM-dd HH:mm:ss text``, one line for a message (SPEC chapter 10).

Beside it, where ``log.json`` is set, CRMService.jsonl: the same as one JSON object a line, for machines.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, tzinfo
from pathlib import Path

from crmservice.config import Box, Logging
from crmservice.pipeline.gateway import Outcome
from crmservice.service.rotation import RotatingFile

NAME = "CRMService.log"
JSON_NAME = "CRMService.jsonl"
MOST_SUBJECT = 200
_MEGABYTE = 1024 * 1024


class ServiceLog:
    """Appends lines to the logs of a home folder. ``now`` gives aware times, ``zone`` the wall clock shown."""

    def __init__(self, home: Path, zone: tzinfo, now: Callable[[], datetime], how: Logging = Logging()) -> None:  # noqa: B008 (frozen)
        limit = how.megabytes * _MEGABYTE
        self._text = RotatingFile(home / NAME, limit, how.files)
        self._json = RotatingFile(home / JSON_NAME, limit, how.files) if how.json else None
        self._zone = zone
        self._now = now

    def messages(self, box: Box, outcomes: Sequence[Outcome]) -> None:
        """One line for each message: box, sender, shortened subject, log words."""
        self._write("NOTICE", [(_message(box, outcome), _facts(box, outcome)) for outcome in outcomes])

    def aside(self, box: Box, sender: str, subject: str) -> None:
        """The line of a message that is set aside unread: too large, or it breaks the reader."""
        facts = {"event": "message", "box": box.name, "sender": sender or None, "subject": subject[:MOST_SUBJECT]}
        line = _line(box, sender, subject, ("SET ASIDE",))
        self._write("NOTICE", [(line, {**facts, "verdict": "set_aside", "log": ["SET ASIDE"]})])

    def error(self, text: str) -> None:
        """A fault that an operator should know."""
        self._write("ERROR", [(text, {"event": "fault", "text": text})])

    def notice(self, text: str) -> None:
        """Something worth knowing."""
        self._write("NOTICE", [(text, {"event": "notice", "text": text})])

    def _write(self, level: str, entries: Sequence[tuple[str, Mapping[str, object]]]) -> None:
        now = self._now()
        when = now.astimezone(self._zone).strftime("%Y-%m-%d %H:%M:%S")
        lines = "".join(f"{level} {when} {one_line(text)}\n" for text, _facts in entries)
        self._text.append(lines.encode("utf-8", "backslashreplace"))
        if self._json is not None:
            head = {"time": now.isoformat(timespec="milliseconds"), "level": level}
            self._json.append("".join(f"{json.dumps({**head, **facts})}\n" for _text, facts in entries).encode())


def _facts(box: Box, outcome: Outcome) -> dict[str, object]:
    """What the line of a message says, and where it is: no body, no recipient."""
    decision, message = outcome.decision, outcome.decision.message
    return {
        "event": "message",
        "box": box.name,
        "id": str(outcome.row.id),
        "sha256": outcome.row.sha256,
        "backup": outcome.row.path,
        "sender": message.sender.email if message.sender else None,
        "sender_verified": decision.sender_verified,
        "subject": message.subject[:MOST_SUBJECT],
        "message_id": message.message_id or None,
        "verdict": decision.verdict.value,
        "log": list(decision.log),
        "rules": [step.rule for step in decision.trail if step.matched],
        "arrived": outcome.row.arrived.isoformat(timespec="milliseconds"),
    }


def _message(box: Box, outcome: Outcome) -> str:
    message = outcome.decision.message
    return _line(box, message.sender.email if message.sender else "", message.subject, outcome.decision.log)


def _line(box: Box, sender: str, subject: str, log: Sequence[str]) -> str:
    return f"{box.name} {sender or '-'} {subject[:MOST_SUBJECT]!r} {', '.join(log)}"


def one_line(text: str) -> str:
    """The text with everything escaped that could end the line or steer a terminal (TRUST.md B34)."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
