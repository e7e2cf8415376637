"""``crmservice replay``: today's rules over the backups."""

from __future__ import annotations

import json
from datetime import date
from typing import Annotated

import typer

from crmservice.cli import exits
from crmservice.cli.words import _, told
from crmservice.service import wiring
from crmservice.service.log import one_line
from crmservice.service.replaying import Difference


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
        bool, typer.Option("--apply", help="Write down what differs, as one change that can be undone.")
    ] = False,
    box: Annotated[str, typer.Option(help="Only this technology box.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each difference, one a line.")] = False,
) -> None:
    """Hold today's rules against the backups and say what would differ. Nothing is changed without --apply.

    With --apply, what such a message caused is taken back where it still stands, and today's decision is written
    down. What others changed since stays as it is and is named: exit code 1.

    Example:  crmservice replay --since 2026-11-01
    """
    count = applied = left = 0
    change = None
    for found in wiring.replay(ctx.obj.home, since, box=box, apply=apply):
        count, applied = count + 1, applied + (found.change is not None)
        left, change = left + len(found.left), found.change or change
        print(json.dumps(found.as_json()) if as_json else _for_people(found))
    if not as_json:
        print(_("{count} messages would differ, {applied} applied").format(count=count, applied=applied))
        if change is not None:
            print(_("To take it back: crmservice undo --change {id}").format(id=change))
    if left:
        raise typer.Exit(exits.FAILED)


def _for_people(found: Difference) -> str:
    was = _side(found.past.log, len(found.past.filed))
    now = _side(found.log, len(found.filed))
    applied = "  " + _("(applied)") if found.change is not None else ""
    lines = [f"{found.past.row.id}  {one_line(found.past.subject)}", f"    {was}  →  {now}{applied}"]
    for one in found.left:
        left = _("left as it is: {what} ({why})").format(what=told(one.what), why=told(one.why))
        lines.append(f"    {one_line(left)}")
    return "\n".join(lines)


def _side(log: tuple[str, ...], count: int) -> str:
    return _("{log} (activities: {count})").format(log=", ".join(log), count=count)
