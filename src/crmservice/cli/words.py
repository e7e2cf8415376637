"""Words for people, in the language asked for. Codes and log words are never translated (SPEC chapter 1)."""

from __future__ import annotations

import gettext
from collections.abc import Mapping
from pathlib import Path

_LOCALE = Path(__file__).parent.parent / "locale"


class _Spoken:
    """The catalogue in use."""

    catalogue: gettext.NullTranslations = gettext.NullTranslations()


def use_language(environ: Mapping[str, str], configured: str = "") -> None:
    """Take the language of the configuration, of CRMSERVICE_LANGUAGE, else of the system (LC_ALL, LANG)."""
    names = ("CRMSERVICE_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
    wished = configured or next((environ[name] for name in names if environ.get(name)), "en")
    _Spoken.catalogue = gettext.translation("crmservice", _LOCALE, [wished.split("_")[0].split(".")[0]], fallback=True)


def _(text: str) -> str:
    """The text in the language in use."""
    return _Spoken.catalogue.gettext(text)
