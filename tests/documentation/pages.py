"""The project's written pages, and what they name."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"`([^`\n]+)`")
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)


def pages() -> list[Path]:
    """Every page of the documentation."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def code(page: Path) -> str:
    """What a page shows as code: its fenced blocks and its spans, a piece a line."""
    text = page.read_text(encoding="utf-8")
    blocks = [match[0] for match in _FENCE.finditer(text)]
    return "\n".join([*blocks, *_SPAN.findall(_FENCE.sub("", text))])


def links(page: Path) -> list[str]:
    """Where a page's links lead, those to other sites left out."""
    found = _LINK.findall(_FENCE.sub("", page.read_text(encoding="utf-8")))
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def anchors(page: Path) -> set[str]:
    """The headings of a page as fragments: GitHub's form, lower case, no punctuation, hyphens, a number where it comes again."""
    headings = _HEADING.findall(_FENCE.sub("", page.read_text(encoding="utf-8")))
    names = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
    return {f"{name}-{before}" if (before := names[:at].count(name)) else name for at, name in enumerate(names)}


def make_targets() -> set[str]:
    """The targets of the Makefile."""
    return set(re.findall(r"^([a-z][a-z-]*):(?!=)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


def commands_named(text: str) -> set[str]:
    """The subcommands of ``crmservice`` that a piece of code calls, global options skipped."""
    call = r"(?<![\w/.-])crmservice(?: +(?:--home[ =]\S+|--?[a-z][\w-]*))* +([a-z][a-z-]*)"
    return set(re.findall(call, text))


def targets_named(text: str) -> set[str]:
    """The targets that a piece of code makes, variables skipped."""
    return set(re.findall(r"(?:^|[^\w-])make(?: +[A-Z]+=\S+)* +([a-z][a-z-]*)", text))
