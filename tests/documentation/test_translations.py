"""Every word of the command line is there in Czech, and the check sees when one is not."""

from __future__ import annotations

import gettext
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog

from tools import translations


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Catalog:
    """The words of a small command line, with no catalogue yet."""
    (tmp_path / "cli").mkdir()
    code = 'print(_("{n} boxes checked"))\nprint(ngettext("one mail", "{n} mails", 3))\nprint("not for people")\n'
    (tmp_path / "cli" / "words.py").write_text(code, encoding="utf-8")
    monkeypatch.setattr(translations, "LOCALE", tmp_path / "locale")
    return translations.words_of(tmp_path / "cli")


def translate() -> None:
    """Give each word a Czech text, as a translator would in the file."""
    po = translations.path("cs", "po")
    text = po.read_text(encoding="utf-8")
    text = text.replace(
        'msgid "{n} boxes checked"\nmsgstr ""', 'msgid "{n} boxes checked"\nmsgstr "Zkontrolováno: {n}"'
    )
    for form, czech in enumerate(("jeden mail", "{n} maily", "{n} mailů")):
        text = text.replace(f'msgstr[{form}] ""', f'msgstr[{form}] "{czech}"')
    po.write_text(text, encoding="utf-8")


def test_the_catalogues_are_in_step_with_the_words() -> None:
    said = translations.all_words()
    assert [fault for language in translations.LANGUAGES for fault in translations.faults_of(language, said)] == []


def test_words_are_what_the_code_marks(words: Catalog) -> None:
    assert {word.id for word in words if word.id} == {"{n} boxes checked", ("one mail", "{n} mails")}


def test_a_word_without_a_translation_is_a_fault(words: Catalog) -> None:
    translations.renew("cs", words)
    assert translations.faults_of("cs", words) == [
        "cs: not translated: '{n} boxes checked'",
        "cs: not translated: ('one mail', '{n} mails')",
    ]


def test_a_translation_that_was_not_compiled_is_a_fault(words: Catalog) -> None:
    translations.renew("cs", words)
    translate()
    assert translations.faults_of("cs", words) == [
        "cs: crmservice.mo is not the compiled cs.po: run `make translations`"
    ]


def test_a_renewed_catalogue_keeps_translations_and_speaks_them(words: Catalog) -> None:
    translations.renew("cs", words)
    translate()
    translations.renew("cs", words)
    assert translations.faults_of("cs", words) == []
    czech = gettext.translation("crmservice", translations.LOCALE, ["cs"])
    assert czech.gettext("{n} boxes checked") == "Zkontrolováno: {n}"
    assert [czech.ngettext("one mail", "{n} mails", n) for n in (1, 2, 5)] == ["jeden mail", "{n} maily", "{n} mailů"]


def test_renewing_twice_changes_nothing(words: Catalog) -> None:
    translations.renew("cs", words)
    before = translations.path("cs", "po").read_bytes()
    translations.renew("cs", words)
    assert translations.path("cs", "po").read_bytes() == before


def test_a_translation_nobody_uses_is_a_fault_until_it_is_dropped(words: Catalog) -> None:
    translations.renew("cs", words)
    translate()
    translations.renew("cs", words)
    fewer = Catalog()
    fewer.add("{n} boxes checked")
    assert "cs: nobody says: ('one mail', '{n} mails')" in translations.faults_of("cs", fewer)
    translations.renew("cs", fewer)
    assert translations.faults_of("cs", fewer) == []
