"""Words for people, in the language asked for. Codes and log words are never translated (SPEC chapter 1)."""

from __future__ import annotations

import gettext
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path

from crmservice.errors import CrmServiceError
from crmservice.words import DOMAIN, LOCALE, Translate, Words, in_language


class _Spoken:
    """The language in use."""

    translate: Translate = staticmethod(str)


def use_language(environ: Mapping[str, str], configured: str = "") -> None:
    """Take the language of CRMSERVICE_LANGUAGE, else of the configuration, else of the system (LC_ALL, LANG)."""
    system = (environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    wishes = (environ.get("CRMSERVICE_LANGUAGE"), configured, *system)
    wished = next((wish for wish in wishes if wish), "en").split("_")[0].split(".")[0]
    _Spoken.translate = staticmethod(in_language(wished))
    # Typer asks gettext for its own words ("Options"), and gettext asks the environment.
    os.environ["LANGUAGE"] = wished
    gettext.bindtextdomain(DOMAIN, str(LOCALE))
    gettext.textdomain(DOMAIN)


def language_of(home: Path) -> str:
    """The ``language`` of the home's crmservice.toml; empty where it says none (its faults are named elsewhere)."""
    try:
        settings = tomllib.loads((home / "crmservice.toml").read_text("utf-8-sig"))
    except (OSError, ValueError):
        return ""
    return str(settings.get("language", ""))


def _(text: str) -> str:
    """The text in the language in use."""
    return _Spoken.translate(text) if text else ""


def told(said: Words | CrmServiceError | str) -> str:
    """What a floor below says, in the language in use: Words, or a fault's; a plain text is shown as it is."""
    words = said.words if isinstance(said, CrmServiceError) else said
    return words.translated(_) if isinstance(words, Words) else words
