"""``crmservice backup``: a copy of the whole home, while it works (TRUST.md C26)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from crmservice.cli import exits
from crmservice.cli.report import Progress
from crmservice.cli.speaking import complain
from crmservice.cli.words import _
from crmservice.service import upkeep


def backup(
    ctx: typer.Context,
    folder: Annotated[Path | None, typer.Argument(help="Where to; else backup_to of crmservice.toml.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Back up database, mail, configuration and keys into a folder, while the service works.

    Mail that is there already is not copied again; the newest backups stay, as many as backup_keep says.
    The folder holds everything, secrets too: keep it as safe as the service's own. Exit code 1 when a mail
    is not as it arrived (it is left out, and verify names it).

    Example:  crmservice backup /mnt/backup/crm
    """
    with Progress() as progress:
        made = upkeep.back_up(ctx.obj.home, folder, told=progress)
    if as_json:
        print(json.dumps(made.as_json()))
    else:
        facts = {"folder": made.folder, "messages": made.messages, "mails": made.mails, "megabytes": made.bytes / 1e6}
        text = _("Backup made: {folder} (messages: {messages}, mails new here: {mails}, {megabytes:.1f} MB)")
        print(text.format(**facts))
        for name in made.removed:
            print(_("Removed, because newer ones are there: {name}").format(name=name))
    for path in made.spoilt:
        complain(_("{path} is not as it arrived and was left out: see crmservice verify").format(path=path))
    if made.spoilt:
        raise typer.Exit(exits.FAILED)
