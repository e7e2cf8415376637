"""``crmservice migrate DIR``: the folder of the old service just works (SPEC 13.14)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from crmservice.cli import exits
from crmservice.cli.speaking import in_child
from crmservice.cli.words import _
from crmservice.service.child import Life

if TYPE_CHECKING:
    from crmservice.service.migrating import OldFolder

_MIB = 1024 * 1024


def migrate(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="The folder of CRMService.exe: XML files, POP3Downloads, Config.")],
    only_check: Annotated[bool, typer.Option("--check", help="Only look and say; copy and file nothing.")] = False,
) -> None:
    """Take over the old service's folder: check it, copy its configuration, file its backup's history with its dates.

    The folder may be the home itself, or another one, which stays as it is. Nothing in the home is replaced. Run again,
    it goes on where it stopped. Each mail is filed by the mode of its box's XML; without rules=safe that is as it was.
    While no users are loaded, mail is taken in and waits. Exit code 78 when a file must be corrected first.

    Example:  crmservice --home /var/lib/crmservice migrate /mnt/old/CRMService
    """
    from crmservice.cli.check import exit_code, findings_of, line_of
    from crmservice.service import migrating

    home: Path = ctx.obj.home
    _show(migrating.look(folder))
    if not only_check:
        for name in migrating.take_over(folder, home):
            print(_("copied: {name}").format(name=name))
    findings = findings_of(folder if only_check else home, offline=True)
    for finding in findings:
        print(line_of(finding))
    if only_check or exit_code(findings) == exits.BAD_CONFIGURATION:
        raise typer.Exit(exit_code(findings))

    def work(life: Life) -> int:
        from crmservice.cli.report import Progress, say

        with Progress() as progress:
            done = migrating.migrate(folder, home, life, say(ctx.obj.verbose), progress)
        print(_("Mails taken in: {taken}, filed: {filed}").format(taken=done.taken, filed=done.filed))
        if done.nobody:
            print(_("Nobody is there yet for whom to file: crmservice load FILE, then this command again"))
        else:
            print(_("Next: crmservice ledger, then crmservice run, or crmservice service install"))
        return exits.DONE

    raise typer.Exit(in_child(work))


def _show(old: OldFolder) -> None:
    print(_("{folder}: boxes: {boxes}, mails in POP3Downloads: {mails} ({size} MiB)").format(
        folder=old.folder, boxes=old.boxes, mails=old.mails, size=f"{old.size / _MIB:.1f}"))  # fmt: skip
    if old.mails:
        print(_("from {first} to {last}").format(first=old.first, last=old.last))
    if old.oauth:
        print(_("Config/MicrosoftOAuth.json is there"))
