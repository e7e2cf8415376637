"""``crmservice run``: fetch and file mail for every technology box."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crmservice.cli.speaking import in_child, spoken
from crmservice.service.child import Life


def run(
    ctx: typer.Context,
    once: Annotated[bool, typer.Option("--once", help="One cycle for every box, then end.")] = False,
) -> None:
    """Fetch and file mail for every technology box of the home folder.

    With --once: one cycle for each box; exit code 0 when every message has its verdict, 75 when a box could
    not be read (try later), 78 for a bad configuration. Without it: a cycle every pollSeconds, and in between
    what arrives where the server tells of it; files of boxes that change are taken up. Stopping it at any time
    (Ctrl-C, SIGTERM) loses nothing.

    Example:  crmservice --home /var/lib/crmservice run --once
    """
    home = ctx.obj.home

    def work(life: Life) -> int:
        from crmservice.cli.report import say
        from crmservice.service import cycle

        return cycle.run(home, life, say(ctx.obj.verbose))

    raise typer.Exit(in_child(work) if once else _service(home, verbose=ctx.obj.verbose))


def _service(home: Path, *, verbose: bool) -> int:
    from crmservice.cli.report import say
    from crmservice.service.manager import Manager

    return Manager(home, say(verbose), spoken).run()
