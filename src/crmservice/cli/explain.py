"""``crmservice explain``: what would become of mails, and why. It changes nothing (SPEC chapter 14)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from crmservice.cli.speaking import complain
from crmservice.cli.words import _, told
from crmservice.errors import BadValue, CrmServiceError
from crmservice.service import wiring
from crmservice.service.explaining import Explainer
from crmservice.service.log import one_line
from crmservice.words import Words, system_words


def explain(
    ctx: typer.Context,
    files: Annotated[list[Path], typer.Argument(help="Files with mail (.eml), or folders of them.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for each file, one a line.")] = False,
    records: Annotated[
        Path | None, typer.Option(help="CRM records as JSON (the form of load) in the place of the home's.")
    ] = None,
    box: Annotated[str, typer.Option(help="Decide for this technology box.")] = "",
) -> None:
    """Say what would become of mails and why: every rule asked, what it saw, what it answered.

    Each file is looked at alone: none is another's duplicate. Nothing is written, nothing is sent.

    Example:  crmservice explain --json mail.eml
    """
    explainer = wiring.explainer(ctx.obj.home, records=records, box=box)
    nothing = True
    for path in _files(files):
        nothing = False
        line = _line(explainer, path)
        print(_for_machines(line) if as_json else _for_people(line))
    if nothing:
        complain(_("there is no file in these folders"))


def _files(given: list[Path]) -> Iterator[Path]:
    for path in given:
        if path.is_dir():
            yield from sorted(Path(folder, name) for folder, _dirs, names in os.walk(path) for name in names)
        else:
            yield path


def _line(explainer: Explainer, path: Path) -> dict[str, Any]:
    """What is said of a file; nothing that it holds ends the command."""
    name = str(path).encode("utf-8", "backslashreplace").decode()
    try:
        found = explainer.explain(_read(path, explainer.box.max_message_bytes), datetime.now(UTC))
    except OSError as fault:
        return {"file": name, "error": system_words(fault)}
    except BadValue as fault:
        return {"file": name, "error": fault.words}
    except CrmServiceError:  # the database is away: so it is for every file
        raise
    except Exception as fault:  # noqa: BLE001 (the next file is explained all the same)
        return {"file": name, "error": Words("it can't be read ({fault})", fault=type(fault).__name__)}
    return {"file": name, **found}


def _read(path: Path, limit: int) -> bytes:
    """The file's bytes. Raises OSError, and BadValue for what is no file or larger than a mail may be."""
    if path.exists() and not path.is_file():
        raise BadValue("this is no file")
    with path.open("rb") as stream:
        raw = stream.read(limit + 1)
    if len(raw) > limit:
        raise BadValue("larger than maxMessageBytes ({limit})", limit=limit)
    return raw


def _for_machines(line: dict[str, Any]) -> str:
    return json.dumps({name: str(value) if isinstance(value, Words) else value for name, value in line.items()})


def _for_people(line: dict[str, Any]) -> str:
    from crmservice.cli.sentences import sentence

    if "error" in line:
        return f"{one_line(line['file'])}: {told(line['error'])}\n"
    sender, recipients = line["sender"] or "–", ", ".join(line["recipients"]) or "–"
    lines = [
        line["file"],
        "  " + _("From: {sender}   To: {recipients}").format(sender=sender, recipients=recipients),
        "  " + _("Subject: {subject}").format(subject=line["subject"]),
        "  " + _("Result: {log}").format(log=", ".join(line["log"])),
    ]
    lines += [f"  {'✓' if step['matched'] else '·'} {step['rule']:18} {sentence(step)}" for step in line["rules"]]
    return "\n".join([*map(one_line, lines), ""])
