from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest

from crmservice.config import Retention, Settings, SettingsResult, load_settings, system_zone
from crmservice.config.settings_file import KEYS
from tests.support.home import Home

EVERY_KEY = """
database = "postgresql://crm:S3CR3T-CANARY-7f@db/crm"
language = "cs"
time_zone = "Europe/Prague"
public_url = "https://crm.firma.cz/"
web = "127.0.0.1:8000"
trusted_proxies = ["10.0.0.1", "10.1.0.0/16"]
calendar_series = "start"
calendar_conflicts = "ours"

[retention]
backups = 3650
unfiled = 90
personal = 730

[keywords]
contract = ["akce", "zakázka č."]
"""


def load(home: Home, text: str = "") -> SettingsResult:
    home.raw(text, "crmservice.toml")
    return load_settings(home.folder, home.environ)


def test_every_key_is_read(home: Home) -> None:
    result = load(home, EVERY_KEY)
    assert (result.faults, result.warnings) == ((), ())
    assert result.settings == Settings(
        home=home.folder,
        database="postgresql://crm:S3CR3T-CANARY-7f@db/crm",
        language="cs",
        zone=ZoneInfo("Europe/Prague"),
        public_url="https://crm.firma.cz",
        web="127.0.0.1:8000",
        trusted_proxies=("10.0.0.1/32", "10.1.0.0/16"),
        retention=Retention(3650, 90, 730),
        calendar_series="start",
        calendar_conflicts="ours",
        keywords={"contract": ("akce", "zakázka č.")},
    )


def test_the_databases_password_is_never_shown(home: Home) -> None:
    assert "S3CR3T" not in repr(load(home, EVERY_KEY))


def test_no_file_gives_the_defaults(home: Home) -> None:
    result = load_settings(home.folder, {})
    assert result == SettingsResult(Settings(home=home.folder, zone=system_zone()), (), ())


def test_the_environment_wins_over_the_file(home: Home) -> None:
    home.environ |= {
        "CRMSERVICE_HOME": "/x", "CRMSERVICE_LANGUAGE": "en", "CRMSERVICE_RETENTION_BACKUPS": "7",
        "CRMSERVICE_TRUSTED_PROXIES": "10.0.0.2, 10.0.0.3", "CRMSERVICE_KEYWORDS_TASK": "job, ticket",
        "CRMSERVICE_DATABASE": "sqlite:///x.db", "CRMSERVICE_TIME_ZONE": "UTC",
    }  # fmt: skip
    result = load(home, EVERY_KEY)
    settings = result.settings
    assert (result.faults, result.warnings) == ((), ())
    assert (settings.language, settings.retention.backups, settings.retention.unfiled) == ("en", 7, 90)
    assert settings.trusted_proxies == ("10.0.0.2/32", "10.0.0.3/32")
    assert settings.keywords == {"contract": ("akce", "zakázka č."), "task": ("job", "ticket")}
    assert (settings.database, settings.zone) == ("sqlite:///x.db", ZoneInfo("UTC"))


def test_each_key_has_a_variable_of_its_own() -> None:
    assert len({key.replace(".", "_") for key in KEYS}) == len(KEYS)


def test_every_fault_is_reported_at_once_with_its_line_and_the_rest_holds(home: Home) -> None:
    text = 'language = "de"\ntime_zone = "Prague"\nweb = "8000"\nretention = 5\n[keywords]\ncontract = 3\n'
    home.environ["CRMSERVICE_PUBLIC_URL"] = "crm.firma.cz"
    home.environ["CRMSERVICE_CALENDAR_SERIES"] = "start"
    result = load(home, text)
    assert [(fault.key, fault.line) for fault in result.faults] == [
        ("language", 1), ("time_zone", 2), ("web", 3), ("keywords.contract", 6), ("CRMSERVICE_PUBLIC_URL", 0),
    ]  # fmt: skip
    assert [(warning.key, warning.line) for warning in result.warnings] == [("retention", 4)]
    assert result.settings.calendar_series == "start"


@pytest.mark.parametrize("text", ["language = ", "a = 1\nlanguage == 'cs'", "\xff\xfe"])
def test_what_is_no_toml_is_one_fault_and_the_defaults_hold(home: Home, text: str) -> None:
    home.raw(text.encode("latin-1"), "crmservice.toml")
    result = load_settings(home.folder, {})
    assert len(result.faults) == 1
    assert result.settings.language == "en"


def test_the_line_of_broken_toml_is_named(home: Home) -> None:
    assert load(home, "language = 'cs'\nweb = ").faults[0].line == 2


def test_an_unknown_key_is_a_warning_that_names_the_nearest(home: Home) -> None:
    home.environ |= {"CRMSERVICE_LANGAUGE": "cs", "CRMSERVICE_POP3_PASSWORD": "x"}
    result = load(home, "public-url = 'https://crm.firma.cz'\n[retention]\nbackup = 5")
    assert [(warning.key, warning.line, str(warning.advice)) for warning in result.warnings] == [
        ("public-url", 1, "did you mean public_url?"),
        ("retention.backup", 3, "did you mean retention.backups?"),
        ("CRMSERVICE_LANGAUGE", 0, "did you mean CRMSERVICE_LANGUAGE?"),
    ]


def test_the_database_may_be_named_like_any_secret(home: Home) -> None:
    home.environ["DB"] = "postgresql://db/crm"
    assert load(home, 'database = "env:DB"').settings.database == "postgresql://db/crm"


def test_a_wrong_database_is_a_fault_that_does_not_show_it(home: Home) -> None:
    (fault,) = load(home, 'database = "mysql://root:S3CR3T-CANARY-7f@db"').faults
    assert fault.key == "database"
    assert "S3CR3T" not in str(fault)
