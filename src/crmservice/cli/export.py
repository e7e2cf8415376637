"""``crmservice export``: the CRM as one JSON object."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from crmservice.service import wiring


def export(
    ctx: typer.Context,
    login: Annotated[str, typer.Option("--as", help="Only what this user may see.")] = "",
) -> None:
    """Print the CRM as one JSON object, a list for each table; with --as, as that user sees it.

    Example:  crmservice export --as novak > novak.json
    """
    json.dump(wiring.export(ctx.obj.home, login), sys.stdout, ensure_ascii=False, indent=1)
    print()
