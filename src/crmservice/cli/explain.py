"""``crmservice explain``: what would become of mails, and why. It changes nothing (SPEC chapter 14)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from crmservice.cli.words import _
from crmservice.service import wiring
from crmservice.service.explaining import Explainer


def explain(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(help=_("Files with mail (.eml), or folders of them."))],
    as_json: Annotated[bool, typer.Option("--json", help=_("One JSON object for each file, one a line."))] = False,
    records: Annotated[
        Path | None, typer.Option(help=_("CRM records as JSON (the form of load) in the place of the home's."))
    ] = None,
    box: Annotated[str, typer.Option(help=_("Decide for this technology box."))] = "",
) -> None:
    """Say what would become of mails and why: every rule asked, what it saw, what it answered.

    Each file is looked at alone: none is another's duplicate. Nothing is written, nothing is sent.

    Example:  crmservice explain --json mail.eml
    """
    explainer = wiring.explainer(ctx.obj.home, records=records, box=box)
    for path in _files(files):
        line = _line(explainer, path)
        print(json.dumps(line, ensure_ascii=False) if as_json else _for_people(line))


def _files(given: list[Path]) -> Iterator[Path]:
    for path in given:
        if path.is_dir():
            yield from sorted(Path(folder, name) for folder, _dirs, names in os.walk(path) for name in names)
        else:
            yield path


def _line(explainer: Explainer, path: Path) -> dict[str, Any]:
    try:
        raw = path.read_bytes()
    except OSError as fault:
        return {"file": str(path), "error": fault.strerror or type(fault).__name__}
    return {"file": str(path), **explainer.explain(raw, datetime.now(UTC))}


def _for_people(line: dict[str, Any]) -> str:
    from crmservice.cli.sentences import sentence

    if "error" in line:
        return f"{line['file']}: {line['error']}\n"
    head = [
        line["file"],
        f"  {_('From')}: {line['sender'] or '–'}   {_('To')}: {', '.join(line['recipients']) or '–'}",
        f"  {_('Subject')}: {line['subject']}",
        f"  {_('Result')}: {', '.join(line['log'])}",
    ]
    steps = [f"  {'✓' if step['matched'] else '·'} {step['rule']:18} {sentence(step)}" for step in line["rules"]]
    return "\n".join([*head, *steps, ""])
