"""Languages: rules that know English judge English, and what a word is depends on the script."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from climb_assets.clusters.function_words import ENGLISH, LATIN_LETTERS
from climb_assets.clusters.languages import Writing, recognise, split_words
from tests.climb_assets.clusters.samples import CODE, JUNK, PROSE


def writing_of(text: str) -> Writing:
    """Return what the rules take a text for."""
    return recognise(text.lower(), split_words(text.lower()))


@pytest.mark.parametrize("language", PROSE)
def test_prose_is_english_or_it_is_not(language: str) -> None:
    assert writing_of(PROSE[language]) is (Writing.ENGLISH if language == "English" else Writing.OTHER)


def test_code_is_no_prose() -> None:
    assert writing_of(CODE) is Writing.CODE


@pytest.mark.parametrize("junk", ["table", "keywords", "menu"])
def test_junk_in_latin_letters_is_left_to_the_rules_for_english(junk: str) -> None:
    assert writing_of(JUNK[junk]) is Writing.ENGLISH


def test_foreign_names_and_quotations_do_not_make_english_another_language() -> None:
    names = "Émile Durkheim, Simone Weil and Élisée Reclus were read by José Ortega y Gasset in Zürich and in La Paz; "
    assert writing_of(PROSE["English"] + 3 * names) is Writing.ENGLISH


def test_words_are_whole_where_marks_belong_to_letters() -> None:
    assert split_words("हिन्दी में लिखा है") == ["हिन्दी", "में", "लिखा", "है"]
    assert split_words("don't stop, l\u2019esprit") == ["don't", "stop", "l\u2019esprit"]


def test_scripts_without_spaces_have_pieces_of_about_a_word() -> None:
    assert split_words("東京都はtokyo") == ["東京", "都は", "tokyo"]
    assert all(len(piece) <= 4 for piece in split_words(PROSE["Thai"]))
    for language in ("Japanese", "Thai"):
        assert 0.8 < len(split_words(PROSE[language])) / len(split_words(PROSE["English"])) < 1.6


def test_no_list_of_another_language_has_a_word_that_english_needs() -> None:
    assert all(ENGLISH.isdisjoint(words) for words in LATIN_LETTERS.values())


@given(st.text(max_size=300))
def test_no_letter_is_lost_between_words(text: str) -> None:
    assert [letter for letter in "".join(split_words(text)) if letter.isalpha()] == [
        letter for letter in text if letter.isalpha()
    ]
    assert isinstance(writing_of(text), Writing)
