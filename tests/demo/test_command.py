"""``crmservice demo`` from outside: a whole first run, a second one that adds nothing, and whose folder it may take."""

from __future__ import annotations

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest


def demo(home: Path, *arguments: str, language: str = "en") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "crmservice", "--home", str(home), "demo", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "100", "CRMSERVICE_LANGUAGE": language},
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def first(home: Path) -> str:
    done = demo(home, "--svg", str(home.parent / "demo.svg"))
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_every_mail_becomes_what_it_should_and_the_ledger_adds_up(first: str) -> None:
    assert "Each of the 75 mails became what it should." in first
    assert "Everything adds up." in first


def test_without_a_terminal_the_report_is_plain_text_of_the_width_asked_for(first: str) -> None:
    assert "\x1b" not in first
    assert max(map(len, first.splitlines())) == 100


def test_each_line_says_why_in_words(first: str) -> None:
    assert "problem 15.2: task 106 was brought up to date" in " ".join(first.split())


def test_a_second_run_adds_nothing(home: Path, first: str) -> None:
    done = demo(home)
    assert done.returncode == 0
    assert done.stdout == first


def test_the_picture_is_well_formed(home: Path, first: str) -> None:
    root = ET.parse(home.parent / "demo.svg").getroot()
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert "Horizont" in "".join(root.itertext())


def test_the_demo_speaks_czech(tmp_path: Path) -> None:
    done = demo(tmp_path / "ukazka", language="cs")
    assert done.returncode == 0
    assert "Dotaz zákazníka se stane aktivitou kolegyně" in done.stdout


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine", encoding="utf-8")
    done = demo(tmp_path)
    assert done.returncode == 78
    assert "--home" in done.stderr
