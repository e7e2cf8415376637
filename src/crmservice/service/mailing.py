"""What waits is told: the keeper's job every few seconds, and at the end of each command that works (SPEC chapter 10)."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING

from crmservice.config import Box, Settings
from crmservice.errors import CrmServiceError
from crmservice.microsoft.tokens import Token, mail_token
from crmservice.service import wiring
from crmservice.service.log import ServiceLog
from crmservice.service.scheduled import Context, Scheduled, every
from crmservice.tls import Timeouts
from crmservice.words import in_language

if TYPE_CHECKING:
    from crmservice.notices.outbox import Outbox

KEY = wiring.NOTICE_KEY.stem
"""The secret of our own mail's seal."""

EVERY = timedelta(seconds=5)
SESSION_S = 120.0
COMMAND_S = 5.0
LAST_S = 2.0
"""So long a command's end may wait for a mail server."""


def outbox(
    settings: Settings, boxes: Iterable[Box], log: Callable[[str], None], waits: Timeouts | None = None
) -> Outbox:
    """The outbox of a home, with every box that says whom to tell."""
    from crmservice.notices.channel import Channels
    from crmservice.notices.outbox import Outbox
    from crmservice.notices.smtp import WAITS
    from crmservice.notices.text import Speech

    by_name = {one.name: one for one in boxes}
    speech = Speech(in_language(settings.language), settings.zone, socket.gethostname(), str(settings.home))

    def token(name: str) -> Token:
        return mail_token(by_name[name], settings.home)

    return Outbox(Channels(by_name.values()), speech, wiring.now, token, log, waits or WAITS)


def send(context: Context) -> Mapping[str, object]:
    """Tell what waits and send what is due."""
    boxes = (*context.broken_boxes(), *context.boxes)
    box = outbox(context.settings, boxes, context.log.notice)
    box.stopping = context.stopping
    done = box.run(SESSION_S)
    return {"mails": done.mails, "faults": len(done.faults)}


def send_now(
    settings: Settings, boxes: Iterable[Box], log: ServiceLog, stopping: Callable[[], bool], seconds: float = COMMAND_S
) -> None:
    """The same at the end of a command, for so long at most; never raises: a dead mail server is no fault of the command.

    What could not be sent waits for the next command, or for the service.
    """
    box = outbox(settings, boxes, log.notice, Timeouts(connect=seconds / 2, read=seconds / 2, session=seconds))
    box.stopping = stopping
    try:
        box.run(seconds)
    except (CrmServiceError, OSError) as fault:
        log.notice(f"notices wait: {fault}")


def send_last(context: Context) -> Mapping[str, object]:
    """Send what was noted while the service ended."""
    boxes = (*context.broken_boxes(), *context.boxes)
    send_now(context.settings, boxes, context.log, lambda: False, LAST_S)
    return {}


SEND = Scheduled("mail", every(EVERY), send, noted=False, last=send_last)
