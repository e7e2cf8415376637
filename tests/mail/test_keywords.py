from __future__ import annotations

from dataclasses import fields

import pytest

from crmservice.mail.keywords import DEFAULT, with_own
from crmservice.mail.text import fold


@pytest.mark.parametrize("name", [field.name for field in fields(DEFAULT)])
def test_every_keyword_has_spellings_and_none_is_empty(name: str) -> None:
    spellings = getattr(DEFAULT, name)
    assert spellings
    assert all(fold(spelling) for spelling in spellings)


def test_no_prefix_means_both_a_reply_and_a_forward() -> None:
    assert not {fold(word) for word in DEFAULT.reply} & {fold(word) for word in DEFAULT.forward}


def test_no_marker_word_means_two_kinds() -> None:
    words = [fold(word) for word in (*DEFAULT.contract, *DEFAULT.order, *DEFAULT.task)]
    assert len(words) == len(set(words))


def test_own_spellings_are_added_to_the_known_ones() -> None:
    words = with_own({"contract": ("akce",)})
    assert words.contract == (*DEFAULT.contract, "akce")
    assert words.order == DEFAULT.order


def test_a_name_that_is_no_keyword_is_named_in_the_error() -> None:
    with pytest.raises(KeyError, match="contracts"):
        with_own({"contracts": ("akce",)})
