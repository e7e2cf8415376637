"""Every code that a rule can give has its sentence, and no sentence waits for a code that nobody gives."""

from __future__ import annotations

import ast
from string import Formatter

from crmservice.cli.sentences import SENTENCES
from tests.documentation.pages import ROOT

ANSWERS = {"not_mine", "go_on", "only_for", "unwrap"}


def codes_in(tree: ast.AST) -> set[str]:
    """The codes a file answers with: the first argument of an answer, or ``because=``."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        said: list[ast.expr] = [keyword.value for keyword in node.keywords if keyword.arg == "because"]
        if isinstance(node.func, ast.Name) and node.func.id in ANSWERS:
            said += node.args[:1]
        found |= {
            text.value
            for one in said
            for text in ast.walk(one)
            if isinstance(text, ast.Constant) and isinstance(text.value, str)
        }
    return found


def rules_codes() -> set[str]:
    """The codes of all rules."""
    files = (ROOT / "src" / "crmservice" / "rules").glob("*.py")
    return set().union(*(codes_in(ast.parse(file.read_text(encoding="utf-8"))) for file in files))


def test_every_code_of_a_rule_has_a_sentence() -> None:
    assert rules_codes() - set(SENTENCES) == set()


def test_every_sentence_belongs_to_a_code_that_somebody_gives() -> None:
    source = "\n".join(
        file.read_text(encoding="utf-8")
        for file in (ROOT / "src" / "crmservice").rglob("*.py")
        if file.name != "sentences.py"
    )
    assert [code for code in SENTENCES if f'"{code}"' not in source] == []


def test_a_sentence_can_be_filled_in() -> None:
    for sentence in SENTENCES.values():
        assert all(name is None or name.isidentifier() for _text, name, *_rest in Formatter().parse(sentence))
