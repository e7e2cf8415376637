"""``crmservice verify``: everything that is kept is still as it was kept (SPEC 13.1)."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from crmservice.cli import exits
from crmservice.cli.report import Progress
from crmservice.cli.speaking import complain
from crmservice.cli.words import _, told
from crmservice.service import upkeep


def verify(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Compare names and sizes, not every byte.")] = False,
    server: Annotated[bool, typer.Option("--server", help="Also list what lies in the mailboxes.")] = False,
) -> None:
    """Hold everything that is kept against what is known of it; nothing is changed.

    Each stored mail against its checksum, each message against its file, the database, the audit log, the
    ledger's sums, and with --server what lies in each mailbox: mail whose deletion was confirmed and that is still
    there, and mail that never arrived. Exit code 1 when anything differs, 75 when a mailbox could not be listed.

    Example:  crmservice verify --server
    """
    with Progress() as progress:
        found = upkeep.verify(ctx.obj.home, quick=quick, server=server, told=progress)
    if as_json:
        print(json.dumps(found.as_json(), ensure_ascii=False))
    else:
        for difference in found.differences:
            print(_("DIFFERENCE: {what}").format(what=told(difference.words)))
        if not found.differences:
            print(_("Messages: {count}. Everything is as it was kept.").format(count=found.messages))
    for place, why in found.away:
        complain(_("{place} could not be listed: {why}").format(place=place, why=told(why)))
    if found.differences or found.away:
        raise typer.Exit(exits.FAILED if found.differences else exits.TRY_LATER)
