#!/usr/bin/env python3
"""Write docs/commands.md from the commands themselves: commands_doc.py [--check]."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

PAGE = Path(__file__).resolve().parents[1] / "docs" / "commands.md"

HEAD = """# Commands

`crmservice [--home DIR] [-v] COMMAND …` (the global options may stand behind the command as well). The home is the service's folder: `--home`, else `CRMSERVICE_HOME`, else the
current folder. `CRMSERVICE_LANGUAGE` (`cs`, `en`), else `language` in crmservice.toml, else the system's, is the language of
what people read. What machines read is in [json.md](json.md).

<!-- Written by tools/commands_doc.py from the commands' own help. -->

| exit code | means |
| --- | --- |
| 0 | done |
| 1 | failed: trying the same again changes nothing |
| 2 | the command line is wrong |
| 75 | try later: a server, the database or a box's lease is not available now |
| 78 | bad configuration: a file must be corrected |
| 130 | stopped by Ctrl-C; nothing is lost |

Faults and progress go to standard error, results to standard output. Long work shows a bar on a terminal, and plain lines
elsewhere.
"""


def main() -> int:
    """Write the page or check it."""
    text = page()
    if "--check" in sys.argv[1:]:
        current = PAGE.exists() and PAGE.read_text(encoding="utf-8") == text
        print("" if current else f"{PAGE.name} is not what the commands say: run tools/commands_doc.py")
        return 0 if current else 1
    PAGE.write_text(text, encoding="utf-8")
    return 0


def page() -> str:
    """The whole page, in English."""
    from typer.main import get_command

    from crmservice.cli.app import COMMANDS, app
    from crmservice.cli.command import loaded

    parts = [HEAD, "## Global options\n", _options(get_command(app))]
    for name, (place, _line) in COMMANDS.items():
        command = loaded(name, place)
        parts += [f"## {name}\n", f"{_paragraphs(command.help)}\n", _options(command)]
    return "\n".join(part for part in parts if part)


def _paragraphs(text: str) -> str:
    body, _colon, example = text.partition("Example:")
    return f"{body.strip()}\n\n```\n{example.strip()}\n```" if example else body.strip()


def _options(command: Any) -> str:
    rows = [f"| {_name(param)} | {(param.help or '').replace('|', chr(92) + '|')} |" for param in command.params]
    return "\n".join(["| argument or option | |", "| --- | --- |", *rows, ""]) if rows else ""


def _name(param: Any) -> str:
    if param.param_type_name == "argument":
        return f"`{param.name.upper()}`" + ("" if param.required else " (optional)")
    return ", ".join(f"`{opt}`" for opt in param.opts)


if __name__ == "__main__":
    sys.exit(main())
