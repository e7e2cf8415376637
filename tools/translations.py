#!/usr/bin/env python3
"""Keep the command line's catalogues in step with its words: translations.py [--check].

English is what the code says (``_("…")`` and ``ngettext("…", "…", n)`` under src/crmservice/cli, the texts of faults,
the help of commands and options, the sentences of the trail), so it needs no catalogue. Each other language has locale/LANG/LC_MESSAGES/crmservice.po, which translators edit, and the .mo compiled
from it beside it, which is in git so that the wheel needs no build step. Without ``--check`` new words are added (with
no translation yet), unused ones dropped, and the .mo compiled; with it, each word without a translation is a fault.
"""

from __future__ import annotations

import io
import sys
from datetime import UTC, datetime
from pathlib import Path

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ROOT / "src" / "crmservice" / "cli"
SERVICE = ROOT / "src" / "crmservice" / "service"
LOCALE = ROOT / "src" / "crmservice" / "locale"
LANGUAGES = ("cs",)
NO_DATE = datetime(2026, 1, 1, tzinfo=UTC)  # the history of a catalogue is git's
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2), "BadConfiguration": None}


def main() -> int:
    """Bring the catalogues up to date, or say what is missing."""
    words = all_words()
    if "--check" not in sys.argv[1:]:
        for language in LANGUAGES:
            renew(language, words)
        return 0
    faults = [fault for language in LANGUAGES for fault in faults_of(language, words)]
    print(*faults, sep="\n", end="\n" if faults else "")
    return 1 if faults else 0


def all_words() -> Catalog:
    """What the command line says: the marked texts of its files, its tables of words, and every command's help."""
    from crmservice.cli.command import TYPER_WORDS
    from crmservice.cli.sentences import SENTENCES

    found = words_of(SOURCES)
    for text in [*(word.id for word in words_of(SERVICE) if word.id), *TYPER_WORDS, *SENTENCES.values(), *help_texts()]:
        found.add(text)
    return found


def help_texts() -> list[str]:
    """The help of the command line, of each command and of each of its options."""
    from typer.main import get_command

    from crmservice.cli.app import COMMANDS, app
    from crmservice.cli.command import loaded

    commands = [get_command(app), *(loaded(name, place) for name, (place, _line) in COMMANDS.items())]
    options = [getattr(option, "help", None) for command in commands for option in command.params]
    found = [*(line for _place, line in COMMANDS.values()), *(command.help for command in commands), *options]
    return [text for text in found if text]


def words_of(folder: Path) -> Catalog:
    """Every translatable text of the Python files below a folder."""
    found = Catalog()
    for _file, _line, text, _comments, context in extract_from_dir(folder, [("**.py", "python")], keywords=KEYWORDS):
        found.add(text, context=context)
    return found


def faults_of(language: str, words: Catalog) -> list[str]:
    """A sentence for each word that is not translated, each translation nobody uses, and a stale .mo."""
    catalogue = read(language)
    faults = [f"{language}: not translated: {word.id!r}" for word in words if word.id and not _done(catalogue, word)]
    faults += [f"{language}: nobody says: {word.id!r}" for word in catalogue if word.id and _key(word) not in words]
    mo = path(language, "mo")
    if not mo.exists() or mo.read_bytes() != compiled(catalogue):
        faults.append(f"{language}: {mo.name} is not the compiled {language}.po: run `make translations`")
    return faults


def renew(language: str, words: Catalog) -> None:
    """Write .po and .mo anew: translations are kept, new words wait for one, unused ones go."""
    catalogue = read(language)
    catalogue.update(words, no_fuzzy_matching=True, keep_user_comments=True, update_creation_date=False)
    catalogue.obsolete.clear()
    po = path(language, "po")
    po.parent.mkdir(parents=True, exist_ok=True)
    with po.open("wb") as file:
        write_po(file, catalogue, sort_output=True, no_location=True, omit_header=False, width=120)
    path(language, "mo").write_bytes(compiled(read(language)))


def read(language: str) -> Catalog:
    """The catalogue as it is on disk; empty if there is none yet."""
    po = path(language, "po")
    if not po.exists():
        return Catalog(
            locale=language,
            project="crmservice",
            version="1",
            header_comment="# The command line's words. After an edit: make translations",
            last_translator="CRMService contributors",
            language_team=language,
            creation_date=NO_DATE,
            revision_date=NO_DATE,
            fuzzy=False,
        )
    with po.open("rb") as file:
        return read_po(file, locale=language)


def path(language: str, suffix: str) -> Path:
    """Where a language's catalogue is."""
    return LOCALE / language / "LC_MESSAGES" / f"crmservice.{suffix}"


def compiled(catalogue: Catalog) -> bytes:
    """The catalogue as GNU gettext's binary form."""
    out = io.BytesIO()
    write_mo(out, catalogue)
    return out.getvalue()


def _key(word: Message) -> str:
    return word.id if isinstance(word.id, str) else word.id[0]


def _done(catalogue: Catalog, word: Message) -> bool:
    translated = catalogue.get(_key(word), word.context)
    if translated is None or translated.fuzzy:
        return False
    texts = [translated.string] if isinstance(translated.string, str) else list(translated.string or ())
    return bool(texts) and all(texts)


if __name__ == "__main__":
    sys.exit(main())
