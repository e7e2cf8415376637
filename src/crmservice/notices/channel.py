"""The way to an administrator: a box's smtpServer, errorFrom and errorTo."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from crmservice.config import Box, Endpoint, Login


@dataclass(frozen=True, slots=True)
class Channel:
    """How mail of a box goes out. ``recipient`` empty: there is a server, but nobody is to get notices."""

    box: str
    server: Endpoint
    sender: str
    recipient: str
    login: Login | None = None
    ca_file: Path | None = None


def channel(box: Box) -> Channel | None:
    """The box's way out, or None without an smtpServer. Sender: errorFrom, else the box itself."""
    if box.smtp is None:
        return None
    sender = box.error_from or box.email
    return Channel(box.name, box.smtp, sender, box.error_to, box.smtp_login, box.tls_ca_file)


class Channels:
    """The ways out of all boxes, those first that come first."""

    def __init__(self, boxes: Iterable[Box]) -> None:
        found = [made for box in boxes if (made := channel(box)) is not None]
        self.by_box = {one.box: one for one in found}
        self._told = {one.box: one for one in found if one.recipient}

    def audience(self, box: str) -> tuple[Channel, ...]:
        """Who is told of a box: its own errorTo; where it has none, and for what is no box's, everybody's (each once)."""
        if box in self._told:
            return (self._told[box],)
        return tuple({one.recipient: one for one in reversed(self._told.values())}.values())[::-1]
