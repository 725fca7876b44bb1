"""Tokens lie where the table says, end with the end token, and decode to the documents."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

from climb_assets.corpus.documents import DOCUMENTS, document_id
from climb_assets.corpus.frozen_tokenizer import END, end_token, load_tokenizer
from climb_assets.corpus.tokens import TOKENS, tokenize_shard
from climb_assets.tables import read_table, write_rows

TEXTS = ["one document", f"a {END} inside", "ünï©ode\n\nlines", "x", "the last"]


def write_documents(path: Path, texts: list[str]) -> Path:
    names = {"file": "a.jsonl", "article": "a", "split": "train"}
    rows = [
        {"id": document_id(text), "text": text, "record": row, "bytes": len(text.encode()), **names}
        for row, text in enumerate(texts, start=1)
    ]
    write_rows(path, rows, DOCUMENTS)
    return path


@pytest.fixture
def tokenizer(tmp_path: Path) -> Path:
    """One token a byte."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={letter: number for number, letter in enumerate(alphabet)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([END])
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path / "tokenizer.json"


@pytest.mark.parametrize("part", [1, 2, 100])
def test_spans_decode_to_their_documents(tmp_path: Path, tokenizer: Path, part: int) -> None:
    source = write_documents(tmp_path / "source.parquet", TEXTS)
    facts = tokenize_shard(source, tokenizer, tmp_path, part)
    tokens = np.load(tmp_path / "tokens.npy", mmap_mode="r")
    table = read_table(tmp_path / "documents.parquet")
    end = end_token(load_tokenizer(tokenizer))
    assert (tokens.dtype, tokens.ndim, table.schema) == (np.uint16, 1, TOKENS)
    for row, text in zip(table.to_pylist(), TEXTS, strict=True):
        ids = tokens[row["start"] : row["start"] + row["tokens"]].tolist()
        assert ids[-1] == end and ids.count(end) == 1
        assert load_tokenizer(tokenizer).decode(ids[:-1]) == text
        assert row["id"] == document_id(text)
    size = sum(len(text.encode()) for text in TEXTS)
    assert facts == {"tokens": size + len(TEXTS), "documents": len(TEXTS), "bytes": size}
    assert len(tokens) == facts["tokens"] == sum(table["tokens"].to_pylist())


def test_parts_do_not_show_in_the_files(tmp_path: Path, tokenizer: Path) -> None:
    source = write_documents(tmp_path / "source.parquet", TEXTS)
    contents = []
    for part in (1, 100):
        out = tmp_path / str(part)
        out.mkdir()
        tokenize_shard(source, tokenizer, out, part)
        contents.append(((out / "tokens.npy").read_bytes(), read_table(out / "documents.parquet")))
        assert {path.name for path in out.iterdir()} == {"tokens.npy", "documents.parquet"}
    assert contents[0] == contents[1]


def test_a_shard_without_documents_has_no_tokens(tmp_path: Path, tokenizer: Path) -> None:
    source = write_documents(tmp_path / "source.parquet", [])
    assert tokenize_shard(source, tokenizer, tmp_path, 10) == {"tokens": 0, "documents": 0, "bytes": 0}
    assert np.load(tmp_path / "tokens.npy").shape == (0,)
    assert read_table(tmp_path / "documents.parquet") == pa.Table.from_pylist([], schema=TOKENS)


def test_a_large_vocabulary_takes_four_bytes(tmp_path: Path, tokenizer: Path) -> None:
    large = Tokenizer.from_file(str(tokenizer))
    large.add_tokens([f"word{number}" for number in range(2**16)])
    large.save(str(tmp_path / "large.json"))
    source = write_documents(tmp_path / "source.parquet", ["word65535"])
    tokenize_shard(source, tmp_path / "large.json", tmp_path, 10)
    tokens = np.load(tmp_path / "tokens.npy")
    assert tokens.dtype == np.uint32
    assert load_tokenizer(tmp_path / "large.json").id_to_token(int(tokens[0])) == "word65535"
