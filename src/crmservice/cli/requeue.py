"""``crmservice requeue``: give messages that were set aside another try."""

from __future__ import annotations

from typing import Annotated

import typer

from crmservice.cli.words import _
from crmservice.service import wiring


def requeue(
    ctx: typer.Context,
    ids: Annotated[list[int] | None, typer.Argument(help=_("Ids of messages, as the list shows them."))] = None,
    everything: Annotated[bool, typer.Option("--all", help=_("Every message that was set aside."))] = False,
) -> None:
    """List the messages that were set aside, or let them be tried again in the next run.

    Example:  crmservice requeue --all && crmservice run --once
    """
    if not ids and not everything:
        _list(ctx)
        return
    count = wiring.requeue(ctx.obj.home, None if everything else ids)
    print(_("{count} messages wait for the next run").format(count=count))


def _list(ctx: typer.Context) -> None:
    rows = wiring.set_aside(ctx.obj.home)
    if not rows:
        print(_("Nothing is set aside."))
    for row in rows:
        print(f"{row.id}  {row.arrived:%Y-%m-%d %H:%M}  {row.box}  {row.sender or '–'}  {row.subject}  {row.path}")
