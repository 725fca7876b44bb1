"""Totals count each document once, whatever the number of shards that have it."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from climb_assets.config import Corpus
from climb_assets.corpus import side_by_side
from climb_assets.corpus.contamination import MATCHES
from climb_assets.corpus.documents import document_id
from climb_assets.corpus.ingest import ACCOUNTS, REPEATS
from climb_assets.corpus.manifest import DUPLICATES, SHARDS, VERSIONS, ShardParts, build_manifest
from climb_assets.corpus.near_duplicates import PAIRS
from climb_assets.corpus.tokens import TOKENS
from climb_assets.errors import CorpusError, CorruptArtifact
from climb_assets.tables import read_table, write_rows, write_table

SHORT_DOCUMENTS = pa.schema(
    [(name, pa.int64() if name == "bytes" else pa.string()) for name in ("id", "bytes", "source", "article", "split")]
)


def shard(folder: Path, name: str, texts: list[str], tokens_of: list[str] | None = None) -> ShardParts:
    """The tables of one shard; a text of n characters has n bytes and n + 1 tokens."""
    out = folder / name
    out.mkdir(exist_ok=True)
    fixed = {"source": "web", "article": None, "split": "train"}
    documents = [{"id": document_id(text), "bytes": len(text), **fixed} for text in texts]
    spans = [
        {"id": document_id(t), "start": 0, "tokens": len(t) + 1} for t in (texts if tokens_of is None else tokens_of)
    ]
    account = {"file": name, "read": len(texts) + 6, "kept": len(texts)}
    account |= {"filtered_short": 1, "filtered_duplicate": 2, "quarantined": 3, "dropped_labels": 4}
    write_rows(out / "documents.parquet", documents, SHORT_DOCUMENTS)
    write_rows(out / "tokens.parquet", spans, TOKENS)
    write_rows(out / "accounts.parquet", [account], ACCOUNTS)
    write_rows(out / "repeats.parquet", [], REPEATS)
    write_rows(out / "contamination.parquet", [], MATCHES)
    names = ("documents", "repeats", "contamination", "tokens", "accounts")
    paths = {table: out / f"{table}.parquet" for table in names}
    versions = {version: f"{name}-{version}" for version in VERSIONS}
    return ShardParts(name, **paths, versions=versions, reasons={"no_text": 3})


def build(shards: list[ShardParts], out: Path) -> dict[str, Any]:
    """The manifest of shards without near-duplicates."""
    write_rows(out / "pairs.parquet", [], PAIRS)
    return build_manifest(shards, out / "pairs.parquet", Corpus(), out)


def test_a_document_counts_in_the_first_shard_that_has_it(tmp_path: Path) -> None:
    shards = [shard(tmp_path, "b", ["aa", "bbb", "c"]), shard(tmp_path, "a", ["aa"]), shard(tmp_path, "c", ["c", "aa"])]
    facts = build(shards, tmp_path)
    table, duplicates = read_table(tmp_path / "shards.parquet"), read_table(tmp_path / "duplicates.parquet")
    assert (table.schema, duplicates.schema) == (SHARDS, DUPLICATES)
    a, b, c = table.to_pylist()
    assert (a["shard"], a["documents"], a["duplicates"], a["tokens"], a["bytes"]) == ("a", 1, 0, 3, 2)
    assert (b["shard"], b["documents"], b["duplicates"], b["tokens"], b["bytes"]) == ("b", 2, 1, 6, 4)
    assert (c["shard"], c["documents"], c["duplicates"], c["tokens"], c["bytes"]) == ("c", 0, 2, 0, 0)
    assert (b["read"], b["filtered"], b["quarantined"], b["quality_version"]) == (9, 3, 3, "b-quality_version")
    found = {(row["shard"], row["id"], row["first_shard"]) for row in duplicates.to_pylist()}
    assert found == {
        ("b", document_id("aa"), "a"),
        ("c", document_id("aa"), "a"),
        ("c", document_id("c"), "b"),
    }
    totals = {"documents": 3, "duplicates": 3, "tokens": 9, "bytes": 6, "read": 24, "filtered": 9, "quarantined": 9}
    totals["dropped_labels"] = 12
    splits = facts.pop("splits")
    assert facts == {"shards": 3, **totals}
    assert splits["by_split"]["train"] == 3
    counted = read_table(tmp_path / "sources.parquet").to_pylist()
    assert counted == [{"source": "web", "split": "train", "documents": 3}]
    left_out = read_table(tmp_path / "splits.parquet").to_pylist()
    assert {(row["shard"], row["id"], row["split"]) for row in left_out} == {(*row[:2], "duplicate") for row in found}


@given(st.lists(st.sets(st.sampled_from("abcdefgh"), max_size=6), min_size=1, max_size=4).filter(any))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_totals_are_those_of_the_union(tmp_path: Path, contents: list[set[str]]) -> None:
    shards = [shard(tmp_path, f"s{number}", sorted(texts)) for number, texts in enumerate(contents)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(side_by_side, "ROWS", 2)  # so a shard is more than one table
        facts = build(shards, tmp_path)
    assert facts["documents"] == facts["bytes"] == len(set().union(*contents))
    assert facts["documents"] + facts["duplicates"] + facts["filtered"] + facts["quarantined"] == facts["read"]
    before = [(tmp_path / f"{name}.parquet").read_bytes() for name in ("shards", "duplicates", "splits", "families")]
    build(shards[::-1], tmp_path)
    assert before == [
        (tmp_path / f"{name}.parquet").read_bytes() for name in ("shards", "duplicates", "splits", "families")
    ]


@pytest.mark.parametrize("tokens_of", [["a"], ["b", "a"], ["a", "b", "c"]])
def test_tokens_of_other_documents_are_refused(tmp_path: Path, tokens_of: list[str]) -> None:
    with pytest.raises(CorruptArtifact, match="shard s are not of the same documents"):
        build([shard(tmp_path, "s", ["a", "b"], tokens_of)], tmp_path)


def test_ids_with_the_same_first_half_are_of_two_documents(tmp_path: Path) -> None:
    shards = [shard(tmp_path, "a", ["x", "yy"]), shard(tmp_path, "b", ["zzz", "yy"])]
    for parts, end in zip(shards, "12", strict=True):
        for path in (parts.documents, parts.tokens):
            table = read_table(path)
            ids = ["0" * 31 + end, *table["id"].to_pylist()[1:]]
            write_table(path, table.set_column(0, "id", pa.array(ids)))
    facts = build(shards, tmp_path)
    assert (facts["documents"], facts["duplicates"], facts["bytes"], facts["tokens"]) == (3, 1, 6, 9)
    [duplicate] = read_table(tmp_path / "duplicates.parquet").to_pylist()
    assert duplicate == {"shard": "b", "id": document_id("yy"), "first_shard": "a"}


def test_a_corpus_without_documents_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"3 of 4 records are no_text.*corpus\.text_column.*FROM quarantine"):
        build([shard(tmp_path, "s", [])], tmp_path)
