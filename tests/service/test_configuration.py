"""A changed file is taken up; one that turned bad keeps its last good state."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from crmservice.errors import BadConfiguration
from crmservice.service.configuration import REREAD_S, Configuration
from tests.support.home import MINIMUM, Home


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.box({**MINIMUM}, "one.xml")
    home.box({"pop3Email": "two@firma.cz", "emlDir": "/srv/in"}, "two.xml")
    return home


def test_nothing_changed(home: Home) -> None:
    configuration = Configuration(home.folder)
    assert sorted(configuration.found.boxes) == ["one", "two"]
    assert not configuration.renew()
    assert not configuration.renew(at_once=True)


def test_a_file_that_turns_bad_keeps_its_last_good_state_until_it_is_mended_or_gone(home: Home) -> None:
    configuration = Configuration(home.folder)
    before = configuration.found.boxes["two"]
    file = home.raw("<broken", "two.xml")
    assert configuration.renew()
    assert configuration.found.boxes["two"] == before
    assert configuration.found.good() == ["one"]
    assert "two.xml:1" in str(configuration.found.bad["two"])
    home.box({"pop3Email": "two@firma.cz", "emlDir": "/srv/other"}, "two.xml")
    assert configuration.renew()
    assert configuration.found.boxes["two"].eml_dir == Path("/srv/other")
    assert configuration.found.bad == {}
    file.write_text("<broken again and longer")
    configuration.renew()
    file.unlink()
    assert configuration.renew()
    assert list(configuration.found.boxes) == ["one"]
    assert configuration.found.bad == {}


def test_a_file_that_was_never_good_is_no_box(home: Home) -> None:
    home.raw("<broken", "three.xml")
    configuration = Configuration(home.folder)
    assert sorted(configuration.found.boxes) == ["one", "two"]
    assert list(configuration.found.bad) == ["three"]


def test_new_boxes_and_settings_are_taken_up(home: Home) -> None:
    configuration = Configuration(home.folder)
    home.box({"pop3Email": "three@firma.cz"}, "three.xml")
    (home.folder / "crmservice.toml").write_text('language = "cs"\n')
    assert configuration.renew()
    assert sorted(configuration.found.boxes) == ["one", "three", "two"]
    assert configuration.found.settings.language == "cs"


def test_a_crmservice_toml_that_turns_bad_changes_nothing_but_is_said(home: Home) -> None:
    toml = home.folder / "crmservice.toml"
    toml.write_text('language = "cs"\n')
    configuration = Configuration(home.folder)
    toml.write_text("language = \n")
    assert configuration.renew()
    assert configuration.found.settings.language == "cs"
    assert sorted(configuration.found.boxes) == ["one", "two"]
    assert "crmservice.toml" in str(configuration.found.bad[""])
    toml.write_text('language = "cs"\n')
    assert configuration.renew()
    assert configuration.found.bad == {}


def test_at_the_start_a_bad_crmservice_toml_is_a_fault(home: Home) -> None:
    (home.folder / "crmservice.toml").write_text("language = \n")
    with pytest.raises(BadConfiguration):
        Configuration(home.folder)


def test_what_a_box_reads_beside_its_file_counts(home: Home) -> None:
    authority = home.folder / "ca.pem"
    authority.write_text("one")
    home.box({"pop3Email": "two@firma.cz", "tlsCaFile": str(authority)}, "two.xml")
    configuration = Configuration(home.folder)
    before = configuration.found.beside["two"]
    authority.write_text("two!")
    assert configuration.renew()
    assert configuration.found.beside["two"] != before
    assert configuration.found.beside["one"] == ()


def test_a_secret_s_file_is_seen_within_a_minute(home: Home) -> None:
    secret = home.folder / "password"
    secret.write_text("first")
    keys: dict[str, str | list[str]] = {
        "pop3Email": "two@firma.cz", "pop3Url": "mail.firma.cz", "pop3Password": f"file:{secret}",
    }  # fmt: skip
    home.box(keys, "two.xml")
    clock = Clock()
    configuration = Configuration(home.folder, clock)
    secret.write_text("second")
    assert not configuration.renew()
    clock.now += REREAD_S
    assert configuration.renew()
    login = configuration.found.boxes["two"].pop3_login
    assert login is not None
    assert login.password is not None
    assert login.password.reveal() == "second"


def test_a_file_that_was_replaced_by_one_as_old_and_as_large_is_seen(home: Home) -> None:
    configuration = Configuration(home.folder)
    file = home.folder / "two.xml"
    status = file.stat()
    other = home.folder / "two.new"
    other.write_text(file.read_text().replace("/srv/in", "/srv/on"))
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(file)
    assert configuration.renew()
    assert configuration.found.boxes["two"].eml_dir == Path("/srv/on")


def test_a_home_that_is_away_for_a_while_keeps_its_boxes(home: Home) -> None:
    configuration = Configuration(home.folder)
    away = home.folder.with_name("away")
    home.folder.rename(away)
    configuration.renew()
    assert sorted(configuration.found.boxes) == ["one", "two"]
    away.rename(home.folder)
    configuration.renew()
    assert configuration.found.bad == {}
