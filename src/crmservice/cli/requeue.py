"""``crmservice requeue``: give messages that were set aside another try."""

from __future__ import annotations

from typing import Annotated

import typer

from crmservice.cli import exits
from crmservice.cli.speaking import complain
from crmservice.cli.words import _
from crmservice.service import wiring
from crmservice.service.log import one_line


def requeue(
    ctx: typer.Context,
    ids: Annotated[list[int] | None, typer.Argument(help="Ids of messages, as the list shows them.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every message that was set aside.")] = False,
) -> None:
    """List the messages that were set aside, or let them be tried again in the next run.

    An id that is not set aside ends with exit code 1; those that are wait all the same.

    Example:  crmservice requeue --all && crmservice run --once
    """
    if not ids and not everything:
        _list(ctx)
        return
    wished = set(ids or ())
    count = wiring.requeue(ctx.obj.home, None if everything else sorted(wished))
    print(_("{count} messages wait for the next run").format(count=count))
    if count < len(wished) and not everything:
        text = _("{count} of these ids are not set aside: crmservice requeue lists those that are")
        complain(text.format(count=len(wished) - count))
        raise typer.Exit(exits.FAILED)


def _list(ctx: typer.Context) -> None:
    rows = wiring.set_aside(ctx.obj.home)
    if not rows:
        print(_("Nothing is set aside."))
    for row in rows:
        facts = (row.id, f"{row.arrived:%Y-%m-%d %H:%M}", row.box, row.sender or "–", row.subject, row.path)
        print("  ".join(one_line(str(fact)) for fact in facts))
