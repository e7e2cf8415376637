"""A page that says which test holds a promise names one that there is."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from tests.documentation import pages

_NAMED = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?")
PAGES = [pytest.param(page, id=str(page.relative_to(pages.ROOT))) for page in pages.pages()]


def missing(text: str) -> set[str]:
    """Files of tests, and tests in them, that a text names and that there are not."""
    return {f"{file}::{test}" if test else file for file, test in _NAMED.findall(text) if not _is_there(file, test)}


def _is_there(file: str, test: str) -> bool:
    path = pages.ROOT / file
    if not path.is_file():
        return False
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    return not test or (test in names and test.startswith("test_"))


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    assert missing(page.read_text(encoding="utf-8")) == set()


def test_each_promise_of_the_readme_names_its_test() -> None:
    text = (pages.ROOT / "README.md").read_text(encoding="utf-8")
    promises = re.findall(
        r"^\d\. .*(?:\n {3}.*)*", text.partition("## What it promises")[2].partition("\n## ")[0], re.MULTILINE
    )
    assert len(promises) == 7
    assert all(any(test for _file, test in _NAMED.findall(promise)) for promise in promises)


def test_what_is_not_there_is_found() -> None:
    own = "`tests/documentation/test_named_tests.py::test_what_is_not_there_is_found`"
    assert missing(own) == set()
    assert missing(f"{own} `tests/no_such.py::test_a` `tests/documentation/test_named_tests.py::test_b`") == {
        "tests/no_such.py::test_a", "tests/documentation/test_named_tests.py::test_b",
    }  # fmt: skip
