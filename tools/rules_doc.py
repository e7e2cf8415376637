#!/usr/bin/env python3
"""Write docs/rules.md from the rules' docstrings; with ``--check`` only say whether it is current (exit 1 if not)."""

from __future__ import annotations

import inspect
import string
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from crmservice.pipeline.rule import Rule

PAGE = Path(__file__).resolve().parents[1] / "docs" / "rules.md"
HEAD = """\
# The rules, in the order they are asked

Each message goes down this list; a rule that does not match passes it on. `crmservice explain FILE.eml` shows what each
rule saw in a message. The chapter is the original manual's; rules without one are additions.
Other pages name rules by these numbers.

<!-- Written by `make docs` from the docstrings in src/crmservice/rules/. -->

| # | rule | chapter |
| --- | --- | --- |
"""


def page(chain: Iterable[Rule]) -> str:
    """The whole page for a chain of rules."""
    rules = list(chain)
    table = "".join(
        f"| {place} | [{rule.name}](#{anchor}) | {rule.chapter or '–'} |\n"
        for place, rule, anchor in zip(places(rules), rules, _anchors(rules), strict=True)
    )
    return HEAD + table + "".join(_section(rule) for rule in rules)


def _anchors(rules: Iterable[Rule]) -> list[str]:
    """Where each section is found: a heading that comes again has a number behind it."""
    found: list[str] = []
    names: list[str] = []
    for rule in rules:
        found.append(f"{rule.name}-{names.count(rule.name)}" if rule.name in names else rule.name)
        names.append(rule.name)
    return found


def places(rules: Sequence[Rule]) -> list[str]:
    """The specification's numbers: an addition between two of the manual's rules has a letter behind the one above."""
    found: list[str] = []
    last, added = -1, 0
    for rule in rules:
        whole = rule.chapter or rule in (rules[0], rules[-1])
        last, added = (last + 1, 0) if whole else (last, added + 1)
        found.append(f"{last}{string.ascii_lowercase[added - 1] if added else ''}")
    return found


def _section(rule: Rule) -> str:
    words = f"{_module_words(rule)}\n\n{inspect.getdoc(rule.ask) or ''}".strip()
    return f"\n## {rule.name}\n\n{words}\n"


def _module_words(rule: Rule) -> str:
    module = inspect.getmodule(rule.ask)
    words = inspect.getdoc(module) if module else None
    if not words:
        raise SystemExit(f"rules_doc: the module of the rule {rule.name} has no docstring")
    return words


def main() -> int:
    """Write the page or check it."""
    from crmservice.rules import CHAIN

    wanted = page(CHAIN)
    current = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    if wanted == current:
        return 0
    if "--check" in sys.argv[1:]:
        print("docs/rules.md is not what the rules' docstrings say: run `make docs`")
        return 1
    PAGE.write_text(wanted, encoding="utf-8")
    print("wrote docs/rules.md")
    return 0


if __name__ == "__main__":
    sys.exit(main())
