"""Text becomes the ids that `tokenizers` gives, by whichever library; a difference is no other corpus but an error."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from climb_assets.corpus.frozen_tokenizer import END, load_tokenizer
from climb_assets.corpus.text_encoding import CHECKED, CheckedEncoder, Encode, is_plain, load_quick, load_text_encoder
from climb_assets.errors import ComputeError

SENTENCES = [f"It is {number} o'clock, they'll say; naïve cafés serve 漢字 and кофе.\n\n" for number in range(50)]


def train(path: Path, vocabulary: int = 400) -> Tokenizer:
    """Train the kind of tokenizer that the product trains."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=[END], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    tokenizer.save(str(path))
    return tokenizer


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained tokenizer."""
    file = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    train(file)
    return file


def by_tokenizers(path: Path) -> Encode:
    """The encoder that decides."""
    tokenizer = load_tokenizer(path)
    return lambda texts: [tokenizer.encode(text, add_special_tokens=False).ids for text in texts]


PIECES = st.sampled_from([END, "<|", "|>", " ", "  ", "\n", "\t", "'ll", "1234", "naïve", "漢字", "é", "\0", "…"])
ANY_TEXT = st.lists(st.one_of(PIECES, st.text(st.characters(exclude_categories=["Cs"]))), max_size=8).map("".join)


@given(st.lists(ANY_TEXT, max_size=20))
@settings(max_examples=200, deadline=None)
def test_the_quick_encoder_gives_the_same_ids_for_any_text(path: Path, texts: list[str]) -> None:
    pytest.importorskip("gigatoken")
    quick = load_quick(load_tokenizer(path))
    assert [list(ids) for ids in quick(texts)] == by_tokenizers(path)(texts)


def test_the_name_of_a_special_token_is_text(path: Path) -> None:
    [ids] = load_text_encoder(path)([END])
    assert len(ids) > 1 and load_tokenizer(path).decode(list(ids)) == END


def test_encoders_that_differ_are_an_error(tmp_path: Path, path: Path) -> None:
    train(tmp_path / "other.json", vocabulary=300)
    encode = CheckedEncoder(by_tokenizers(tmp_path / "other.json"), by_tokenizers(path))
    with pytest.raises(ComputeError, match="encode a text differently"):
        encode(SENTENCES)
    same = CheckedEncoder(by_tokenizers(path), by_tokenizers(path))
    assert len(same(SENTENCES[: CHECKED + 1])) == len(SENTENCES[: CHECKED + 1]) and same([]) == []


def test_only_plain_byte_level_bpe_is_encoded_quickly(path: Path) -> None:
    tokenizer = load_tokenizer(path)
    assert is_plain(tokenizer)
    tokenizer.normalizer = normalizers.Lowercase()
    assert not is_plain(tokenizer)
    named = load_tokenizer(path)
    named.add_tokens(["<mask>"])
    words = Tokenizer(models.WordLevel({"a": 0}, unk_token="a"))
    assert not is_plain(named) and not is_plain(words)
