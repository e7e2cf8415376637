"""``crmservice ledger``: every message that ever arrived, accounted for (SPEC 13.1)."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from crmservice.cli import exits
from crmservice.cli.words import _, told
from crmservice.service import wiring

COLUMNS = ("arrived", "processed", "skipped", "duplicate", "set_aside", "waiting")


def ledger(
    ctx: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    quick: Annotated[
        bool, typer.Option("--quick", help="Compare the backup's names and sizes, not its bytes.")
    ] = False,
) -> None:
    """Account for every message: arrived = processed + skipped + duplicates + set aside + waiting.

    The backup's files are held against the inbox rows by their checksums. Exit code 1 when anything differs.

    Example:  crmservice ledger
    """
    account = wiring.ledger(ctx.obj.home, quick=quick)
    if as_json:
        english = [str(difference) for difference in account["differences"]]
        print(json.dumps(account | {"differences": english}, ensure_ascii=False))
    else:
        _table(account)
    if account["differences"]:
        raise typer.Exit(exits.FAILED)


def _table(account: dict[str, Any]) -> None:
    width = max([3, *(len(name) for name in account["boxes"])])
    heads = [_("arrived"), _("processed"), _("skipped"), _("duplicate"), _("set aside"), _("waiting")]
    print("  ".join([_("box").ljust(width), *(head.rjust(10) for head in heads)]))
    for name, counts in account["boxes"].items():
        print("  ".join([name.ljust(width), *(str(counts[column]).rjust(10) for column in COLUMNS)]))
    for difference in account["differences"]:
        print(_("DIFFERENCE: {what}").format(what=told(difference)))
    if not account["differences"]:
        print(_("Everything adds up."))
