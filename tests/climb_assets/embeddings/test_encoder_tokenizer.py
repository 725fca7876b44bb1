"""Tokens of a text's beginning: those that the model's own tokenizer gives, found without reading the rest."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from climb_assets.config_encoder import Encoder as EncoderSettings
from climb_assets.embeddings.encoder_tokenizer import EncoderTokenizer, cut_words

LIMIT = 8
words = st.sampled_from(["river", "lake", "proof", "oven", "unknown", "x" * 120, "été", "湖", "a-b", "...", "bread"])
spaces = st.sampled_from([" ", "\n", "\t", "  ", " " * 90, "\u00a0", ""])
texts = st.lists(st.tuples(words, spaces), max_size=60).map(lambda pairs: "".join(map("".join, pairs)))


@pytest.fixture(scope="session")
def tokenizer(settings: EncoderSettings) -> PreTrainedTokenizerFast:
    return AutoTokenizer.from_pretrained(settings.model)


@given(st.lists(texts, min_size=1, max_size=5))
def test_tokens_are_those_of_the_whole_text(tokenizer, several: list[str]) -> None:
    expected = tokenizer(several, truncation=True, max_length=LIMIT)["input_ids"]
    assert [encoding.ids for encoding in EncoderTokenizer(tokenizer, LIMIT).tokenise(several)] == expected


def test_a_text_that_begins_with_few_tokens_is_read_to_its_end(tokenizer) -> None:
    text = "river" + " " * 200 + "lake " * 30
    (encoding,) = EncoderTokenizer(tokenizer, LIMIT).tokenise([text])
    assert len(encoding.ids) == LIMIT


@pytest.mark.parametrize("side", ["left", "right"])
def test_arrays_are_those_of_the_models_own_tokenizer(settings: EncoderSettings, side: str) -> None:
    tokenizer = AutoTokenizer.from_pretrained(settings.model, padding_side=side)
    several = ["river", "lake water fish " * 10, ""]
    expected = tokenizer(several, truncation=True, max_length=LIMIT, padding=True, return_tensors="np")
    tokenizer = EncoderTokenizer(tokenizer, LIMIT)
    found = tokenizer.pad(tokenizer.tokenise(several))
    assert found.keys() == expected.keys()
    for name, array in found.items():
        np.testing.assert_array_equal(array, expected[name])


def test_the_models_tokenizer_is_left_as_it_was(tokenizer) -> None:
    EncoderTokenizer(tokenizer, LIMIT).tokenise(["river lake water fish boat bread flour oven"])
    assert len(tokenizer("river lake water fish boat bread flour oven")["input_ids"]) == 10


@given(texts, st.integers(1, 50))
def test_words_that_are_cut_off_are_whole(text: str, characters: int) -> None:
    begun = cut_words(text, characters)
    assert text.startswith(begun)
    assert begun == text or (len(begun) <= characters and text[len(begun)].isspace())
