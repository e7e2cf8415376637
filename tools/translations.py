#!/usr/bin/env python3
"""Keep the command line's catalogues in step with its words: translations.py [--check].

English is what the code says (``_("…")`` and ``ngettext("…", "…", n)`` under src/crmservice/cli, ``Words`` and faults
everywhere, the help of commands and options, the sentences of the trail), so it needs no catalogue.
Each other language has locale/LANG/LC_MESSAGES/crmservice.po, which translators edit, and the .mo compiled from it
beside it, which is in git so that the wheel needs no build step. Without ``--check`` new words are added (with no
translation yet), unused ones dropped, and the .mo compiled; with it, each word without a translation is a fault, and so
is each sentence that is no literal.

``Words("…")`` and ``SomeFault("…", fact=…)`` say their first argument; a fault without one says its docstring. A fault is
CrmServiceError or derives from it; one with a constructor of its own says what it hands to ``super().__init__``.
"""

from __future__ import annotations

import ast
import io
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from string import Formatter
from typing import NamedTuple

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "crmservice"
LOCALE = PACKAGE / "locale"
LANGUAGES = ("cs",)
NO_DATE = datetime(2026, 1, 1, tzinfo=UTC)  # the history of a catalogue is git's
KEYWORDS = {"_": None, "gettext": None, "ngettext": (1, 2)}
BASE = "CrmServiceError"
PLUMBING = {"words.py", "errors.py"}  # they pass on what others say


def main() -> int:
    """Bring the catalogues up to date, or say what is missing."""
    words = all_words()
    if "--check" not in sys.argv[1:]:
        for language in LANGUAGES:
            renew(language, words)
        return 0
    faults = [f"{said.place}: no literal" for said in said_in(PACKAGE) if said.template is None]
    faults += [fault for language in LANGUAGES for fault in faults_of(language, words)]
    print(*faults, sep="\n", end="\n" if faults else "")
    return 1 if faults else 0


def all_words() -> Catalog:
    """What the command line says: the marked texts of its files, its tables of words, and every command's help."""
    from crmservice.cli.command import TYPER_WORDS
    from crmservice.cli.library_words import LIBRARY_WORDS
    from crmservice.cli.sentences import FACTS, SENTENCES
    from crmservice.cli.usage import TYPER_FAULTS

    found = words_of(PACKAGE / "cli")
    templates = [said.template for said in said_in(PACKAGE) if said.template is not None]
    for text in [
        *templates,
        *TYPER_WORDS,
        *LIBRARY_WORDS,
        *TYPER_FAULTS.values(),
        *SENTENCES.values(),
        *FACTS.values(),
        *help_texts(),
    ]:
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
    faults += [f"{language}: other facts: {word.id!r}" for word in words if word.id and not _fits(catalogue, word)]
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
    return translated is not None and not translated.fuzzy and all(_texts(translated.string))


def _fits(catalogue: Catalog, word: Message) -> bool:
    """Whether the translation asks for no fact that the template has not: it could not be filled."""
    translated = catalogue.get(_key(word), word.context)
    known = {name for text in _texts(word.id) for name in fields(text)}
    return translated is None or all(fields(text) <= known for text in _texts(translated.string))


def _texts(string: str | Sequence[str] | None) -> list[str]:
    """The text, or that of each number."""
    return [string] if isinstance(string, str) else list(string or [""])


class Said(NamedTuple):
    """A sentence of the code, or None where it is no literal. ``place``: file and line."""

    place: str
    template: str | None


def said_in(folder: Path) -> Iterator[Said]:
    """Every sentence of the Python files below a folder; a template without a letter needs no translation."""
    trees = {file.relative_to(folder).as_posix(): ast.parse(file.read_text("utf-8")) for file in folder.rglob("*.py")}
    speakers = _faults([node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)])
    for name, tree in sorted(trees.items()):
        if name not in PLUMBING:
            found = (Said(f"{name}:{line}", template) for line, template in _said(tree, speakers))
            yield from (said for said in found if said.template is None or _has_letters(said.template))


def fields(template: str) -> set[str]:
    """The names of the facts that fill a template; none for a text whose braces are its own."""
    return {name for _text, name in _parts(template) if name}


def _has_letters(template: str) -> bool:
    return any(map(str.isalpha, "".join(text for text, _name in _parts(template))))


def _parts(template: str) -> list[tuple[str, str | None]]:
    """Each piece of text with the fact behind it."""
    try:
        return [(text, name) for text, name, _spec, _how in Formatter().parse(template)]
    except ValueError:
        return [(template, None)]


def _faults(classes: list[ast.ClassDef]) -> dict[str, ast.ClassDef | None]:
    """What is called with a template: Words, and the faults by name."""
    faults: dict[str, ast.ClassDef | None] = {"Words": None, BASE: None}
    while new := [one for one in classes if one.name not in faults and faults.keys() & set(map(_name, one.bases))]:
        faults |= {one.name: one for one in new}
    return faults


def _said(tree: ast.Module, faults: dict[str, ast.ClassDef | None]) -> Iterator[tuple[int, str | None]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Name | ast.Attribute) and _name(node.exc) in faults:
            yield node.lineno, _docstring(faults[_name(node.exc)])
        elif isinstance(node, ast.Call) and _name(node.func) in faults:
            fault = faults[_name(node.func)]
            if _constructor(fault) is None:
                yield node.lineno, _template(node, _docstring(fault))
        elif isinstance(node, ast.ClassDef) and node.name in faults and (made := _constructor(node)) is not None:
            calls = [call for call in ast.walk(made) if isinstance(call, ast.Call) and _name(call.func) == "__init__"]
            yield from ((call.lineno, _template(call, _docstring(node))) for call in calls)


def _template(call: ast.Call, otherwise: str | None) -> str | None:
    if not call.args:
        return otherwise
    first = call.args[0]
    return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else None


def _constructor(fault: ast.ClassDef | None) -> ast.FunctionDef | None:
    body = fault.body if fault is not None else []
    return next((one for one in body if isinstance(one, ast.FunctionDef) and one.name == "__init__"), None)


def _docstring(fault: ast.ClassDef | None) -> str | None:
    return ast.get_docstring(fault, clean=False) if fault is not None else None


def _name(node: ast.expr) -> str:
    """The last part of a dotted name; empty for anything else."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


if __name__ == "__main__":
    sys.exit(main())
