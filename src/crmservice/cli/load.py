"""``crmservice load FILE``: records from JSON, CSV or XLSX into the CRM."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from crmservice.cli.tabular import read_tables
from crmservice.cli.words import _
from crmservice.service import wiring


def load(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="JSON with tables; CSV with one; XLSX with one a sheet.")],
    table: Annotated[str, typer.Option(help="The table a CSV file holds (else its file name).")] = "",
    force: Annotated[
        bool, typer.Option("--force", help="Let the file lift opt-outs, broken marks and forbidden e-mails.")
    ] = False,
) -> None:
    """Load records: roles, users, accounts, contacts, contracts, orders, tasks and more.

    A record that is there already is changed, never doubled; a field that the file leaves out keeps its
    value. A fault anywhere in the file loads nothing of it.

    CSV may be separated by commas or semicolons, in UTF-8 or windows-1250; its first line names the fields. A cell with
    several values separates them by semicolons (addresses and logins by commas, too); an empty one leaves the field as it is.

    Example:  crmservice load contacts.csv
    """
    tables = read_tables(file, table)
    count = wiring.load(ctx.obj.home, tables, force=force)
    print(_("{count} records loaded").format(count=count))
