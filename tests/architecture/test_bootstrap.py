"""The newer SQLite is in place before Django, in every entry, however often that is asked."""

from __future__ import annotations

import subprocess
import sys

import pytest

from crmservice import bootstrap

NEEDS_WHEEL = pytest.mark.skipif(sys.platform != "linux", reason="the newer SQLite comes as a wheel for Linux alone")
WITHOUT_WHEEL = "import sys; sys.modules['pysqlite3'] = None\n"


def python(script: str) -> str:
    """What a fresh interpreter prints for a script."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False)
    return (done.stdout + done.stderr).strip()


@pytest.mark.parametrize("version", [(3, 51, 3), (3, 52, 0), (3, 53, 4), (4, 0, 0), (3, 44, 6), (3, 50, 7), (3, 50, 9)])
def test_a_repaired_version_may_use_wal(version: bootstrap.Version) -> None:
    assert bootstrap.is_sound(version)


@pytest.mark.parametrize("version", [(3, 40, 1), (3, 44, 5), (3, 45, 9), (3, 50, 6), (3, 51, 0), (3, 51, 2)])
def test_a_version_with_the_fault_may_not(version: bootstrap.Version) -> None:
    assert not bootstrap.is_sound(version)


@NEEDS_WHEEL
def test_the_newer_sqlite_stands_in_and_is_sound() -> None:
    here = bootstrap.prepare()
    assert here.origin == "pysqlite3"
    assert here.wal_allowed
    assert bootstrap.sqlite_is_sound()


def test_preparing_again_changes_nothing() -> None:
    modules = dict(sys.modules)
    first = bootstrap.prepare()
    assert bootstrap.prepare() == first
    assert sys.modules["sqlite3"] is modules["sqlite3"]


@NEEDS_WHEEL
def test_django_gets_the_newer_sqlite() -> None:
    script = """
from crmservice import bootstrap
bootstrap.prepare()
from django.db.backends.sqlite3.base import Database
import sqlite3, sqlite3.dbapi2
print(Database.__name__, sqlite3.__name__, sqlite3.dbapi2.__name__)
"""
    assert python(script) == "pysqlite3.dbapi2 pysqlite3 pysqlite3.dbapi2"


@NEEDS_WHEEL
def test_coming_after_django_is_a_fault_that_says_so() -> None:
    script = """
import django.db.backends.sqlite3.base
from crmservice import bootstrap
try:
    bootstrap.prepare()
except bootstrap.BootstrappedTooLate as fault:
    print(fault.permanent, fault)
"""
    said = python(script)
    assert said.startswith("True ")
    assert "call it first" in said


def test_without_the_wheel_the_interpreters_own_serves() -> None:
    script = f"""
{WITHOUT_WHEEL}
from crmservice import bootstrap
import django.db.backends.sqlite3.base
here = bootstrap.prepare()
print(here.origin, here.wal_allowed == bootstrap.is_sound(here.version))
"""
    assert python(script) == "sqlite3 True"


def test_the_settings_are_named_unless_somebody_named_others() -> None:
    ask = (
        "import os; from crmservice import bootstrap; bootstrap.prepare(); print(os.environ['DJANGO_SETTINGS_MODULE'])"
    )
    assert python(f"import os; os.environ.pop('DJANGO_SETTINGS_MODULE', None); {ask}") == "crmservice.settings"
    assert python(f"import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'other'; {ask}") == "other"


def test_preparing_imports_no_django() -> None:
    ask = "import sys; from crmservice import bootstrap; bootstrap.prepare(); print('django' in sys.modules)"
    assert python(ask) == "False"
