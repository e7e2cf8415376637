"""``crmservice restore``: a home from a backup (TRUST.md C26)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from crmservice.cli import exits
from crmservice.cli.report import Progress
from crmservice.cli.words import _, told
from crmservice.service import upkeep
from crmservice.service.restoring import Restored


def restore(
    ctx: typer.Context,  # noqa: ARG001 (each command has it)
    folder: Annotated[Path, typer.Argument(help="The folder of the backups (the newest counts), or one of them.")],
    to: Annotated[Path, typer.Option("--to", help="The home folder to restore.")],
    force: Annotated[
        bool, typer.Option("--force", help="Replace the database and configuration that are there; mail stays.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Restore a home folder from a backup: database, mail, configuration, keys; then verify it.

    Mail that arrived after the backup and still lies in the home, or beside the backups, is taken in as new and
    filed by the next run. What was erased since then is erased again; legal holds stay. Exit code 1 when
    something is not as it was kept.

    Example:  crmservice restore /mnt/backup/crm --to /srv/crm
    """
    with Progress() as progress:
        done = upkeep.restore(folder, to, force=force, told=progress)
    print(json.dumps(done.as_json(), ensure_ascii=False) if as_json else "\n".join(_shown(done)))
    if done.differences:
        raise typer.Exit(exits.FAILED)


def _shown(done: Restored) -> list[str]:
    lines = [
        _("Restored: {backup} (messages: {messages}, mails copied: {mails})").format(
            backup=done.backup, messages=done.messages, mails=done.mails
        )
    ]
    if done.taken_in:
        lines.append(
            _("Mails newer than the backup, taken in and filed by the next run: {count}").format(count=done.taken_in)
        )
    if erased := done.erased.get("message", 0) + done.erased.get("blacked_out", 0):
        lines.append(_("Mails erased again: {count}").format(count=erased))
    if not done.compacted:
        lines.append(_("The database was too busy to empty its free pages: run the same command again later."))
    lines += [_("DIFFERENCE: {what}").format(what=told(difference.words)) for difference in done.differences]
    return lines if done.differences else [*lines, _("Everything is as it was kept.")]
