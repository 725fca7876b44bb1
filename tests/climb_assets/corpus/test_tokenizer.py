"""The tokenizer is deterministic, loses nothing, and takes no orders from documents."""

import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from climb_assets import config
from climb_assets.corpus.documents import assign_split
from climb_assets.corpus.frozen_tokenizer import END, end_token, load_tokenizer
from climb_assets.corpus.raw_folder import RawFolder
from climb_assets.corpus.tokenizer import import_tokenizer, train_tokenizer
from climb_assets.errors import ComputeError, ConfigError, CorpusError, TransientError
from tests.climb_assets.corpus.ordinary_user import as_ordinary_user

CORPUS = config.Corpus(min_characters=20)
SETTINGS = config.Tokenizer(vocabulary=512, training_bytes=10_000)


def folder_of(raw: Path) -> RawFolder:
    """Return a folder as the place of raw files."""
    return RawFolder(CORPUS.model_copy(update={"raw": raw}))


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
    facts = train_tokenizer(folder_of(raw), ["a.jsonl", "b.jsonl"], SETTINGS, CORPUS, out)
    assert facts["vocabulary"] <= 512
    assert 9_000 < facts["bytes"] < 11_000
    return out / "tokenizer.json"


def test_the_same_corpus_gives_the_same_tokenizer(raw: Path, trained: Path, tmp_path: Path) -> None:
    train_tokenizer(folder_of(raw), ["b.jsonl", "a.jsonl"], SETTINGS, CORPUS, tmp_path)
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
    facts = train_tokenizer(folder_of(tmp_path), ["a.jsonl"], config.Tokenizer(vocabulary=512), CORPUS, tmp_path)
    assert facts["documents"] == len(names) - len(held_out)
    tokenizer = load_tokenizer(tmp_path / "tokenizer.json")
    assert len(tokenizer.encode(" ordinary").ids) == 1 < len(tokenizer.encode(" xylophone").ids)


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ('{"body": "a text under another name"}', "corpus.text_column"),
        ('{"text": "short"}', "corpus.min_characters"),
        ("[1]", "one JSON object a line"),
    ],
)
def test_a_corpus_without_train_documents_says_why_and_what_to_do(tmp_path: Path, line: str, advice: str) -> None:
    (tmp_path / "a.jsonl").write_text(f"{line}\n" * 3 + "{")
    with pytest.raises(CorpusError, match="no train document") as error:
        train_tokenizer(folder_of(tmp_path), ["a.jsonl"], SETTINGS, CORPUS, tmp_path)
    assert "3 of 4 records" in str(error.value) and advice in str(error.value)
    assert "climb up --to corpus_shards" in str(error.value) and "FROM quarantine" in str(error.value)


@pytest.mark.parametrize(("files", "characters"), [(4000, 500), (1, 10**6), (30, 50_000)])
def test_the_budget_is_of_all_files_together(tmp_path: Path, files: int, characters: int) -> None:
    for shard in ("a", "b"):
        (tmp_path / shard).mkdir()
        for number in range(files // 2 or 1):
            text = f"{shard} {number} ".ljust(characters, "é")
            (tmp_path / shard / f"{number}.jsonl").write_text(json.dumps({"text": text, "article": str(number)}))
    facts = train_tokenizer(folder_of(tmp_path), ["a", "b"], SETTINGS, CORPUS, tmp_path)
    assert 0.5 * SETTINGS.training_bytes < facts["bytes"] <= SETTINGS.training_bytes


def test_names_that_are_not_utf8_and_what_is_no_file_are_passed_over(raw: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    content = (raw / "a.jsonl").read_bytes()
    for name in (b"good.jsonl", b"\xff.jsonl", b"\xfe.parquet", b"cut.jsonl.gz"):
        (tmp_path / "a" / os.fsdecode(name)).write_bytes(content)
    (tmp_path / "a" / "loop.jsonl").symlink_to("loop.jsonl")
    facts = train_tokenizer(folder_of(tmp_path), ["a"], SETTINGS, CORPUS, tmp_path)
    assert facts["documents"] > 0


def test_a_file_that_may_not_be_read_is_not_left_out_in_silence(raw: Path, tmp_path: Path) -> None:
    shutil.copytree(raw, tmp_path / "raw")
    (tmp_path / "raw" / "b.jsonl").chmod(0)

    def train() -> None:
        with pytest.raises(TransientError, match=r"b\.jsonl .*Permission denied"):
            train_tokenizer(folder_of(tmp_path / "raw"), ["a.jsonl", "b.jsonl"], SETTINGS, CORPUS, tmp_path)

    as_ordinary_user(train)


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
