"""The tokenizer is deterministic, loses nothing, and takes no orders from documents."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from climb_assets import config
from climb_assets.corpus.documents import assign_split
from climb_assets.corpus.frozen_tokenizer import END, end_token, load_tokenizer
from climb_assets.corpus.tokenizer import import_tokenizer, train_tokenizer
from climb_assets.errors import ComputeError, ConfigError, CorpusError

CORPUS = config.Corpus(min_characters=20)
SETTINGS = config.Tokenizer(vocabulary=512, training_bytes=10_000)


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    raw = tmp_path_factory.mktemp("raw")
    for shard, word in (("a.jsonl", "apple"), ("b.jsonl", "banana")):
        texts = [f"{word} number {number} grows on a tree and is eaten with joy" for number in range(300)]
        (raw / shard).write_text("\n".join(json.dumps({"text": text}) for text in texts))
    return raw


@pytest.fixture(scope="module")
def trained(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("tokenizer")
    facts = train_tokenizer(raw, ["a.jsonl", "b.jsonl"], SETTINGS, CORPUS, out)
    assert facts["vocabulary"] <= 512
    assert 9_000 < facts["bytes"] < 11_000
    return out / "tokenizer.json"


def test_the_same_corpus_gives_the_same_tokenizer(raw: Path, trained: Path, tmp_path: Path) -> None:
    train_tokenizer(raw, ["b.jsonl", "a.jsonl"], SETTINGS, CORPUS, tmp_path)
    assert (tmp_path / "tokenizer.json").read_bytes() == trained.read_bytes()


@given(st.text() | st.sampled_from([END, f"a{END}b", f" {END}{END}\n", "<|endoftext"]))
def test_text_is_only_text(trained: Path, text: str) -> None:
    tokenizer = load_tokenizer(trained)
    (encoding,) = tokenizer.encode_batch_fast([text], add_special_tokens=False)
    assert end_token(tokenizer) not in encoding.ids
    assert tokenizer.decode(encoding.ids) == text


def test_held_out_documents_teach_it_nothing(tmp_path: Path) -> None:
    names = [f"article {number}" for number in range(400)]
    held_out = [name for name in names if assign_split(name, CORPUS) != "train"]
    rows = [{"text": ("xylophone " if name in held_out else "ordinary ") * 9 + name, "article": name} for name in names]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    facts = train_tokenizer(tmp_path, ["a.jsonl"], config.Tokenizer(vocabulary=512), CORPUS, tmp_path)
    assert facts["documents"] == len(names) - len(held_out)
    tokenizer = load_tokenizer(tmp_path / "tokenizer.json")
    assert len(tokenizer.encode(" ordinary").ids) == 1 < len(tokenizer.encode(" xylophone").ids)


def test_a_corpus_without_train_documents(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "short"}\n{')
    with pytest.raises(CorpusError, match="train"):
        train_tokenizer(tmp_path, ["a.jsonl"], SETTINGS, CORPUS, tmp_path)


def small_tokenizer(path: Path, *words: str, special: bool = False) -> config.Tokenizer:
    """A tokenizers file of letters and these words."""
    letters = {letter: number for number, letter in enumerate("abc<|>endoftx/s")}
    tokenizer = Tokenizer(models.BPE(vocab=letters, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    (tokenizer.add_special_tokens if special else tokenizer.add_tokens)(list(words))
    tokenizer.enable_truncation(2)
    tokenizer.enable_padding(length=9)
    tokenizer.save(str(path))
    return config.Tokenizer(path=path)


@pytest.mark.parametrize(("words", "end"), [((), END), ((END,), END), (("</s>",), "</s>"), (("</s>", END), END)])
@pytest.mark.parametrize("special", [True, False])
def test_an_imported_tokenizer_has_one_end_token_that_text_cannot_forge(
    tmp_path: Path, words: tuple[str, ...], end: str, special: bool
) -> None:
    import_tokenizer(small_tokenizer(tmp_path / "given.json", *words, special=special), tmp_path)
    tokenizer = load_tokenizer(tmp_path / "tokenizer.json")
    assert end_token(tokenizer) == tokenizer.token_to_id(end)
    ids = tokenizer.encode(f"abc{end}cab", add_special_tokens=False).ids
    assert end_token(tokenizer) not in ids
    assert len(ids) == 6 + len(end)


@pytest.mark.parametrize(
    "content",
    [b"\xff\xfe\x00garbage", b"[" * 20_000, b'{"version": "1.0", "model": {"type": "Unigram", "vocab": []}}', b""],
)
def test_garbage_is_refused_in_one_sentence_and_ends_no_process(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "garbage.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"garbage\.json is no tokenizers file.*give a tokenizer\.json"):
        import_tokenizer(config.Tokenizer(path=path), tmp_path)


def test_a_tokenizer_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{}")
    for path in (tmp_path / "bad.json", tmp_path / "absent.json"):
        with pytest.raises(ConfigError, match=path.name):
            import_tokenizer(config.Tokenizer(path=path), tmp_path)
    with pytest.raises(ConfigError, match="both empty"):
        import_tokenizer(config.Tokenizer(), tmp_path)
    small_tokenizer(tmp_path / "endless.json")
    with pytest.raises(ComputeError, match="end tokens"):
        end_token(load_tokenizer(tmp_path / "endless.json"))
