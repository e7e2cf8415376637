"""The demo's home folder: made once, known again, never made of a folder that holds something else."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

from crmservice.demo.boxes import KEYS, box_xml, eml_dir
from crmservice.demo.mails import Chapter, chapters
from crmservice.demo.sample import Sample
from crmservice.errors import BadConfiguration

MARK = "demo.json"
NOTICE_KEY = Path(".crmservice", "notice.key")


@dataclass(frozen=True, slots=True)
class Demo:
    """A home folder with the sample company's boxes; its mail is dated from ``start`` (a Monday) on.

    ``fresh``: neither the company nor its mail is there yet.
    """

    home: Path
    start: date
    chapters: tuple[Chapter, ...]
    fresh: bool

    @property
    def samples(self) -> tuple[Sample, ...]:
        """All mails in the order of their arrival."""
        return tuple(sample for chapter in self.chapters for sample in chapter.samples)


def company() -> dict[str, Any]:
    """The sample company's records, as ``crmservice load`` reads them."""
    tables: dict[str, Any] = json.loads((files("crmservice.demo") / "company.json").read_text(encoding="utf-8"))
    return tables


def last_week(today: date) -> date:
    """The Monday of the week before: mail of last week, meetings of this one."""
    return today - timedelta(days=today.weekday() + 7)


def prepare(home: Path, today: date, language: str) -> Demo:
    """Make the home folder, or take up an earlier one. ``deliver`` then lays the mail into it.

    Raises BadConfiguration when the folder holds something that is no demo.
    """
    mark = _mark(home)
    start = date.fromisoformat(mark["start"]) if mark else last_week(today)
    fresh = not mark.get("delivered")
    if fresh:
        _furnish(home, start, language)
    return Demo(home, start, chapters(start, (home / NOTICE_KEY).read_bytes()), fresh)


def deliver(made: Demo) -> None:
    """Lay the mail into the import folders, and note that it was done: a second run must not deliver it again.

    A demo interrupted before the note is furnished and delivered again, with the same bytes.
    """
    for number, sample in enumerate(made.samples, 1):
        (eml_dir(made.home, sample.box) / f"{number:03}-{sample.name}.eml").write_bytes(sample.raw)
    _write(made.home / MARK, json.dumps({"start": made.start.isoformat(), "delivered": True}) + "\n")


def _mark(home: Path) -> dict[str, Any]:
    if not home.exists() or (home.is_dir() and not any(home.iterdir())):
        return {}
    try:
        mark = json.loads((home / MARK).read_text(encoding="utf-8"))
        date.fromisoformat(mark["start"])
    except (OSError, ValueError, KeyError, TypeError):
        raise BadConfiguration(
            "{home} is neither empty nor an earlier demo: name another folder with --home", home=home
        ) from None
    return dict(mark)


def _furnish(home: Path, start: date, language: str) -> None:
    home.mkdir(parents=True, exist_ok=True)
    _write(home / MARK, json.dumps({"start": start.isoformat()}) + "\n")
    _write(home / "crmservice.toml", f'language = "{language}"\ntime_zone = "Europe/Prague"\n')
    for box in KEYS:
        eml_dir(home, box).mkdir(parents=True, exist_ok=True)
        _write(home / f"{box}.xml", box_xml(home, box))
    key = home / NOTICE_KEY
    if not key.exists():
        key.parent.mkdir(mode=0o700, exist_ok=True)
        key.write_bytes(secrets.token_bytes(32))
        key.chmod(0o600)


def _write(path: Path, text: str) -> None:
    """Write a small file whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)
