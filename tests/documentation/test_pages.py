"""What the pages name exists: other pages, headings, make targets, commands."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.documentation import pages

PAGES = [pytest.param(page, id=str(page.relative_to(pages.ROOT))) for page in pages.pages()]


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: Path) -> None:
    broken = []
    for link in pages.links(page):
        name, _, anchor = link.partition("#")
        target = (page.parent / name) if name else page
        if not target.exists() or (anchor and anchor not in pages.anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", PAGES)
def test_every_make_target_named_exists(page: Path) -> None:
    assert pages.targets_named(pages.code(page)) <= pages.make_targets()


@pytest.mark.parametrize("page", PAGES)
def test_every_command_named_exists(page: Path, commands: frozenset[str]) -> None:
    assert pages.commands_named(pages.code(page)) <= commands


def test_every_page_of_the_docs_can_be_reached_from_the_readme() -> None:
    reached: set[Path] = set()
    waiting = [pages.ROOT / "README.md"]
    while waiting:
        page = waiting.pop().resolve()
        if page in reached or page.suffix != ".md" or not page.exists():
            continue
        reached.add(page)
        waiting += [page.parent / link.partition("#")[0] for link in pages.links(page) if not link.startswith("#")]
    assert {page.resolve() for page in pages.pages()} - reached == set()


def test_the_finders_find() -> None:
    text = "crmservice --home /srv/crm -v run --once\nmake PYTHON=python3.12 check\n$ make venv && crmservice demo"
    assert pages.commands_named(text) == {"run", "demo"}
    assert pages.targets_named(text) == {"check", "venv"}


def test_make_alone_lists_every_target_people_use() -> None:
    said = subprocess.run(["make", "help"], cwd=pages.ROOT, capture_output=True, text=True, check=True).stdout
    for target in ("venv", "lock", "demo", "check", "quick", "full", "servers", "bench", "clean", "help"):
        assert re.search(rf"^  {target} +\S", said, re.MULTILINE), target


def test_no_file_names_a_package_index_or_somebodys_folder() -> None:
    # Written so that this file does not name them either.
    leak = re.compile(r"/w[o]rk/(?:main|shared|\.)|py[p]i\.org|python[h]osted\.org|registry\.np[m]js")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=pages.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    files = [pages.ROOT / name for name in listed.stdout.split("\0") if name]
    found = [str(file) for file in files if file.is_file() and leak.search(file.read_text("utf-8", errors="replace"))]
    assert found == []
