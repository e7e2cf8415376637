"""``crmservice replay``: today's rules over the backups."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated

import typer

from crmservice.cli.words import _
from crmservice.service import wiring


def replay(
    ctx: typer.Context,
    since: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help=_("Only messages that arrived on this day or later."))
    ] = None,
    apply: Annotated[
        bool, typer.Option("--apply", help=_("Write down what differs, where the message had no effect so far."))
    ] = False,
    box: Annotated[str, typer.Option(help=_("Only this technology box."))] = "",
    as_json: Annotated[bool, typer.Option("--json", help=_("One JSON object for each difference, one a line."))] = False,
) -> None:
    """Hold today's rules against the backups and say what would differ. Nothing is changed without --apply.

    Example:  crmservice replay --since 2026-11-01
    """
    count = applied = 0
    day = since.date() if since else None
    for difference in wiring.replay(ctx.obj.home, day, box=box, apply=apply):
        count, applied = count + 1, applied + difference.applied
        found = difference.as_json()
        if as_json:
            print(json.dumps(found, ensure_ascii=False))
        else:
            was, now = (", ".join(found[side]["log"]) for side in ("was", "now"))
            print(f"{found['id']}  {found['subject']}\n    {was}  →  {now}{_('  (applied)') if difference.applied else ''}")
    if not as_json:
        print(_("{count} messages would differ, {applied} applied").format(count=count, applied=applied))
