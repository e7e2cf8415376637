"""``crmservice audit``: who did what, and whether the log of it is whole (TRUST.md D.9)."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import typer

from crmservice.cli import exits
from crmservice.cli.words import _, told
from crmservice.service import upkeep
from crmservice.service.log import one_line


def audit(
    ctx: typer.Context,
    what: Annotated[Literal["list", "verify"], typer.Argument(help="list, or verify.")] = "list",
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many of the newest entries are listed.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each line.")] = False,
) -> None:
    """List what people and the service did that must be accounted for, or verify that nobody touched that list.

    verify ends with exit code 1 and names the entry where one was changed or removed, the newest ones included.

    Example:  crmservice audit verify
    """
    if what == "list":
        _list(ctx, limit, as_json)
    else:
        _verify(ctx, as_json)


def _list(ctx: typer.Context, limit: int, as_json: bool) -> None:
    for entry in upkeep.audit_entries(ctx.obj.home, limit):
        if as_json:
            facts = json.loads(entry.facts or "{}")
            names = ("id", "who", "source", "action", "object")
            told_of = {name: getattr(entry, name) for name in names}
            print(json.dumps({**told_of, "at": entry.at.isoformat(), "facts": facts}))
        else:
            facts = (entry.id, f"{entry.at:%Y-%m-%d %H:%M:%S}", entry.who, entry.action, entry.object, entry.facts)
            print("  ".join(one_line(str(fact)) for fact in facts))


def _verify(ctx: typer.Context, as_json: bool) -> None:
    found = upkeep.audit_broken(ctx.obj.home)
    for broken in found:
        print(
            json.dumps({"id": broken.id, "why": str(broken.why)})
            if as_json
            else _("entry {id}: {why}").format(id=broken.id, why=told(broken.why))
        )
    if found:
        raise typer.Exit(exits.FAILED)
    if not as_json:
        print(_("The audit log is whole."))
