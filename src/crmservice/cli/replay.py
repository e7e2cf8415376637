"""``crmservice replay``: today's rules over the backups."""

from __future__ import annotations

import json
from datetime import date
from typing import Annotated, Any

import typer

from crmservice.cli.words import _
from crmservice.service import wiring
from crmservice.service.log import one_line


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(_("{text} is no day: write it as 2026-11-30").format(text=text)) from None


def replay(
    ctx: typer.Context,
    since: Annotated[
        date | None,
        typer.Option(parser=_day, metavar="yyyy-mm-dd", help="Only messages that arrived on this day or later."),
    ] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help="Write down what differs, where the message had no effect so far.")
    ] = False,
    box: Annotated[str, typer.Option(help="Only this technology box.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each difference, one a line.")] = False,
) -> None:
    """Hold today's rules against the backups and say what would differ. Nothing is changed without --apply.

    Example:  crmservice replay --since 2026-11-01
    """
    count = applied = 0
    for difference in wiring.replay(ctx.obj.home, since, box=box, apply=apply):
        count, applied = count + 1, applied + difference.applied
        found = difference.as_json()
        print(json.dumps(found) if as_json else _for_people(found))
    if not as_json:
        print(_("{count} messages would differ, {applied} applied").format(count=count, applied=applied))


def _for_people(found: dict[str, Any]) -> str:
    was, now = (
        _("{log} (activities: {count})").format(log=", ".join(found[side]["log"]), count=found[side]["activities"])
        for side in ("was", "now")
    )
    applied = "  " + _("(applied)") if found["applied"] else ""
    return f"{found['id']}  {one_line(found['subject'])}\n    {was}  →  {now}{applied}"
