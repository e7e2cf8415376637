"""docs/configuration.md and the code say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from crmservice.config import boxes, oauth_file, settings_file
from crmservice.config.values import Box, Settings

TEXT = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text(encoding="utf-8")


def documented(heading: str) -> set[str]:
    """The keys in the first column of the tables between this heading and the next."""
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {key for row in rows for key in re.findall(r"`([^`]+)`", row)}


def test_every_key_of_a_box_is_documented_and_no_other() -> None:
    assert documented("A technology box") == set(boxes.KEYS)


def test_every_key_of_the_settings_is_documented_and_no_other() -> None:
    assert documented("crmservice.toml") == set(settings_file.KEYS)


def test_every_key_of_the_oauth_file_is_documented() -> None:
    assert set(oauth_file.KEYS) <= documented("MicrosoftOAuth.json")


def test_each_key_that_may_be_repeated_says_so() -> None:
    rows = {line.split("`")[1]: line for line in TEXT.splitlines() if line.startswith("| `")}
    many = {key for key, spec in boxes.KEYS.items() if spec.many}
    assert {key for key, row in rows.items() if "*many*" in row} == many


@pytest.mark.parametrize(
    ("key", "field"), [("pollSeconds", "poll_seconds"), ("maxMessageBytes", "max_message_bytes"), ("rules", "rules")]
)
def test_documented_defaults_are_the_codes(key: str, field: str) -> None:
    (row,) = [line for line in TEXT.splitlines() if line.startswith(f"| `{key}`")]
    assert row.split("|")[2].strip(" `") == str(getattr(Box("x", "x@x"), field))


def test_documented_defaults_of_the_settings_are_the_codes() -> None:
    settings = Settings(Path())
    for key in ("language", "calendar_series", "calendar_conflicts"):
        assert f"| `{key}` | `{getattr(settings, key)}` |" in TEXT


def test_every_key_fills_a_field_that_box_has() -> None:
    assert {spec.field for spec in boxes.KEYS.values() if spec.field} <= set(Box.__dataclass_fields__)
