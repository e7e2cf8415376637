"""``crmservice canary``: whether each employee's forwarding still reaches the box (SPEC 13.6)."""

from __future__ import annotations

import enum
import json
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from crmservice.cli import exits
from crmservice.cli.speaking import complain
from crmservice.cli.words import _, told
from crmservice.service import canaries, wiring

if TYPE_CHECKING:
    from crmservice.notices.canary import Watched
    from crmservice.service.canaries import Sending


class Action(enum.StrEnum):
    """What the command does."""

    SEND = "send"
    STATUS = "status"


def canary(
    ctx: typer.Context,
    action: Annotated[
        Action | None, typer.Argument(help="Only send test mails, or only show the status; else both.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Send a marked test mail to each active user's address, and report whose mail no longer reaches the box.

    The forwarding brings the test mail back; it is recognised and filed nowhere. Only addresses of the boxes' own
    domains get one. Exit code 0 when all is well, 1 when somebody's test mail has been missing for two hours, 75
    when the mail server did not take them all (they wait), 78 when there is nobody to send one to.

    Example:  crmservice canary
    """
    sending = canaries.send(ctx.obj.home) if action is not Action.STATUS else None
    watched = canaries.status(ctx.obj.home) if action is not Action.SEND else []
    if as_json:
        print(json.dumps((_sent(sending) if sending else {}) | {"addresses": [_plain(one) for one in watched]}))
    else:
        _say(sending, watched)
    for fault in sending.faults if sending else ():
        complain(told(fault))
    if sending and sending.waiting:
        complain(_("test mails that wait for the mail server: {n}").format(n=sending.waiting))
        raise typer.Exit(exits.TRY_LATER)
    if any(one.state == "lost" for one in watched):
        raise typer.Exit(exits.FAILED)


def _say(sending: Sending | None, watched: Sequence[Watched]) -> None:
    if sending:
        print(_("Test mails sent: {n}").format(n=sending.sent))
        if sending.left_out:
            print(_("Left out, not of a box's domains: {addresses}").format(addresses=", ".join(sending.left_out)))
    now = wiring.now()
    for one in sorted(watched, key=lambda one: (one.state != "lost", one.address)):
        print(_line(one, now))


def _sent(sending: Sending) -> dict[str, object]:
    return {"sent": sending.sent, "waiting": sending.waiting, "left_out": list(sending.left_out)}


def _plain(one: Watched) -> dict[str, object]:
    times = {"sent": one.sent, "returned": one.returned, "lost_since": one.since}
    return {
        "address": one.address,
        "state": one.state,
        **{name: when.isoformat(timespec="seconds") if when else None for name, when in times.items()},
    }


def _line(one: Watched, now: datetime) -> str:
    words = {"back": _("OK"), "on-its-way": _("ON ITS WAY"), "lost": _("LOST"), "never-sent": _("NEVER SENT")}
    return "  ".join(filter(None, [words[one.state].ljust(10), one.address, _age(one, now)]))


def _age(one: Watched, now: datetime) -> str:
    if one.state == "lost" and one.returned is None and one.since is not None:
        return _("none ever came back; the first was sent {age} ago").format(age=_ago(now, one.since))
    if one.returned is not None:
        return _("the last one came back {age} ago").format(age=_ago(now, one.returned))
    return ""


def _ago(now: datetime, then: datetime) -> str:
    hours = max(0, int((now - then).total_seconds() // 3600))
    return _("{n} days").format(n=hours // 24) if hours >= 48 else _("{n} hours").format(n=hours)
