"""docs/rules.md says what the rules' docstrings say."""

from __future__ import annotations

from typing import Any, cast

from crmservice.pipeline.rule import Answer, Case, Rule, not_mine
from crmservice.rules import CHAIN
from tools import rules_doc


def test_the_page_is_current() -> None:
    assert rules_doc.PAGE.read_text(encoding="utf-8") == rules_doc.page(CHAIN), "run `make docs`"


def test_every_rule_of_the_chain_has_its_section_in_order() -> None:
    page = rules_doc.page(CHAIN)
    sections = [line.removeprefix("## ") for line in page.splitlines() if line.startswith("## ")]
    assert sections == [rule.name for rule in CHAIN]


def test_rules_have_the_numbers_by_which_other_pages_name_them() -> None:
    numbers = dict(zip((rule.name for rule in CHAIN), rules_doc.places(CHAIN), strict=True))
    named = {"own_notice": "0", "system_sender": "4", "ignored_subject": "6", "never_filed": "6a", "bulk": "6c"}
    named |= {"opt_out": "7", "bounce": "8", "new_task": "9", "own_rule": "11a", "direction": "12", "unfiled": "15"}
    assert {name: numbers[name] for name in named} == named


def test_own_rules_alone_are_asked_twice_under_one_name() -> None:
    names = [rule.name for rule in CHAIN]
    assert {name for name in names if names.count(name) > 1} == {"own_rule"}
    links = [line for line in rules_doc.page(CHAIN).splitlines() if "[own_rule]" in line]
    assert links == ["| 6d | [own_rule](#own_rule) | – |", "| 11a | [own_rule](#own_rule-1) | – |"]


def test_a_section_holds_the_words_of_the_module_and_of_the_rule() -> None:
    def asks_nothing(case: Case) -> Answer:
        """Let every mail by."""
        return not_mine("never")

    page = rules_doc.page([Rule(name="asks_nothing", chapter="15.99", ask=cast("Any", asks_nothing))])
    assert "| 0 | [asks_nothing](#asks_nothing) | 15.99 |" in page
    assert page.endswith(
        "## asks_nothing\n\ndocs/rules.md says what the rules' docstrings say.\n\nLet every mail by.\n"
    )
