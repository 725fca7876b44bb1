"""What counts as a word, and that runs stay within their text."""

import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from climb_assets.corpus.words import hash_runs, hash_words


def words_of(text: str) -> list[int]:
    """The hashes of one text's words."""
    return hash_words([text])[0].tolist()


def test_case_and_punctuation_are_no_part_of_words() -> None:
    assert words_of("Hello, World! It's…") == words_of("hello world — it s")
    assert words_of("“Café”, naïve") == words_of("café naïve")
    assert words_of("cafe") != words_of("café")


def test_scripts_without_spaces_have_a_word_for_each_character() -> None:
    assert len(words_of("日本語 ab")) == 4
    assert words_of("日本語。") == words_of("日 本 語")


def test_no_words_and_no_texts() -> None:
    assert hash_words(["", "...", "a\0b"])[1].tolist() == [0, 0, 2]
    assert hash_words([""])[1].tolist() == [0]


def test_hashes_are_those_of_every_machine() -> None:
    assert words_of("the end") == [14994934360077122177, 15305740325617535842]


@given(st.lists(st.text(st.sampled_from("aB7 .,\n"), max_size=30), min_size=1, max_size=6))
def test_words_are_those_of_a_plain_reading(texts: list[str]) -> None:
    hashes, counts = hash_words(texts)
    plain = [re.findall("[a-z0-9]+", text.lower()) for text in texts]
    assert counts.tolist() == [len(words) for words in plain]
    flat = [word for words in plain for word in words]
    assert len(set(zip(flat, hashes.tolist(), strict=True))) == len(set(flat)) == len(set(hashes.tolist()))


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=8), min_size=1, max_size=5))
def test_runs_lie_within_one_text_and_equal_ones_are_equal(texts: list[list[str]]) -> None:
    words, counts = hash_words([" ".join(text) for text in texts])
    for length, (runs, numbers) in zip((1, 2, 4), hash_runs(words, counts, (1, 2, 4)), strict=True):
        plain = [tuple(text[start : start + length]) for text in texts for start in range(len(text) - length + 1)]
        assert numbers.tolist() == [max(len(text) - length + 1, 0) for text in texts]
        assert len(set(zip(plain, runs.tolist(), strict=True))) == len(set(plain)) == len(np.unique(runs))
