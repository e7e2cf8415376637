"""The demo's home folder: made once, known again, and never made of somebody else's folder."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from crmservice.config import Settings, load_boxes
from crmservice.demo import home as demo_home
from crmservice.demo.home import MARK, NOTICE_KEY, Demo, deliver, last_week
from crmservice.errors import BadConfiguration

TODAY = date(2026, 3, 11)


def prepare(home: Path, today: date, language: str) -> Demo:
    """The whole of the first run but for filing."""
    made = demo_home.prepare(home, today, language)
    if made.fresh:
        deliver(made)
    return made


def files(home: Path) -> list[str]:
    return sorted(path.name for path in (home / "eml").rglob("*.eml"))


def test_a_new_home_holds_two_boxes_and_all_mail(tmp_path: Path) -> None:
    made = prepare(tmp_path / "demo", TODAY, "en")
    found = load_boxes(made.home, Settings(made.home), {})
    assert (found.faults, found.warnings) == ((), ())
    assert {box.rules for box in found.boxes} == {"safe", "manual"}
    assert len(files(made.home)) == len(made.samples)
    assert made.fresh


def test_mail_is_laid_into_the_import_folders_only_once(tmp_path: Path) -> None:
    first = prepare(tmp_path, TODAY, "en")
    for path in (tmp_path / "eml").rglob("*.eml"):
        path.unlink()
    second = prepare(tmp_path, date(2027, 1, 1), "cs")
    assert files(tmp_path) == []
    assert second.samples == first.samples
    assert not second.fresh


def test_an_interrupted_demo_is_furnished_again_with_the_same_mail(tmp_path: Path) -> None:
    first = prepare(tmp_path, TODAY, "en")
    (tmp_path / MARK).write_text('{"start": "2026-03-02"}', encoding="utf-8")
    next((tmp_path / "eml").rglob("*.eml")).unlink()
    second = prepare(tmp_path, TODAY, "en")
    assert second.samples == first.samples
    assert len(files(tmp_path)) == len(second.samples)


@pytest.mark.parametrize("mark", ["", "{}", "[]", '{"start": "yesterday"}'])
def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path, mark: str) -> None:
    (tmp_path / "crm.xml").write_text("<configuration/>", encoding="utf-8")
    if mark:
        (tmp_path / MARK).write_text(mark, encoding="utf-8")
    with pytest.raises(BadConfiguration, match="neither empty nor an earlier demo"):
        prepare(tmp_path, TODAY, "en")
    assert (tmp_path / "crm.xml").read_text(encoding="utf-8") == "<configuration/>"


def test_a_file_in_the_place_of_the_home_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("mine", encoding="utf-8")
    with pytest.raises(BadConfiguration, match="--home"):
        prepare(tmp_path / "home", TODAY, "en")


def test_a_home_whose_company_was_never_loaded_is_fresh_again(tmp_path: Path) -> None:
    demo_home.prepare(tmp_path, TODAY, "en")
    assert demo_home.prepare(tmp_path, TODAY, "en").fresh


def test_the_notice_key_is_the_owners_alone(tmp_path: Path) -> None:
    prepare(tmp_path, TODAY, "en")
    assert (tmp_path / NOTICE_KEY).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("today", [date(2026, 3, 9), date(2026, 3, 11), date(2026, 3, 15)])
def test_mail_is_last_weeks_whatever_the_day(today: date) -> None:
    assert last_week(today) == date(2026, 3, 2)
