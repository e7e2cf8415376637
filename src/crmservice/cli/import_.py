"""``crmservice import DIR``: file a folder of mail."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crmservice.cli.speaking import in_child
from crmservice.service.child import Life


def import_(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder with .eml files, subfolders included.")],
    box: Annotated[str, typer.Option(help="The technology box to file them for; needed if there are several.")] = "",
) -> None:
    """File a folder of .eml files; they are copied and stay where they are.

    Run again, it goes on where it stopped: a file that was imported is recognised by its name and bytes.

    Example:  crmservice import /mnt/old-server/POP3Downloads --box crm
    """
    home = ctx.obj.home

    def work(life: Life) -> int:
        from crmservice.cli.report import Progress, say
        from crmservice.service import cycle

        with Progress() as progress:
            return cycle.import_folder(home, folder, box, life, say=say(ctx.obj.verbose), progress=progress)

    raise typer.Exit(in_child(work))
