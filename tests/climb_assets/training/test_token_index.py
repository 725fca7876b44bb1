from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from climb_assets.errors import ComputeError, MissingArtifact
from climb_assets.tables import read_table, write_rows
from climb_assets.training.token_index import ShardSpans, build_training_index, load_training_index

DOCUMENTS = pa.schema([("id", pa.string()), ("split", pa.string()), ("source", pa.string()), ("bytes", pa.int64())])
TOKENS = pa.schema([("id", pa.string()), ("start", pa.int64()), ("tokens", pa.int64())])
ASSIGNMENTS = pa.schema([("id", pa.string()), ("cluster", pa.int32()), ("distance", pa.float32())])
SPLITS = pa.schema([("shard", pa.string()), ("id", pa.string()), ("split", pa.string())])
DOMAINS = pa.schema([("domain", pa.int32()), ("name", pa.string())])
CLUSTERS = pa.schema([("cluster", pa.int32()), ("domain", pa.int32())])


def write_shard(folder: Path, shard: str, documents: list[tuple[str, str, str, int]]) -> ShardSpans:
    """Write a shard of (digit of the id, split, source, cluster) documents with 10 tokens each."""
    documents = [(32 * digit, *facts) for digit, *facts in documents]
    paths = [folder / f"{shard}_{name}.parquet" for name in ("documents", "tokens", "assignments")]
    write_rows(paths[0], [{"id": i, "split": s, "source": o, "bytes": 50} for i, s, o, _ in documents], DOCUMENTS)
    write_rows(paths[1], [{"id": d[0], "start": 10 * n, "tokens": 10} for n, d in enumerate(documents)], TOKENS)
    write_rows(paths[2], [{"id": d[0], "cluster": d[3], "distance": 0.0} for d in documents], ASSIGNMENTS)
    np.save(folder / f"{shard}.npy", np.arange(10 * len(documents), dtype=np.uint16))
    return ShardSpans(shard, *paths, tokens_version="1")


def build(folder: Path, domains: list[int | None]) -> dict[str, int]:
    shards = [
        write_shard(folder, "a", [("d", "train", "x", 0), ("b", "train", "x", 1), ("c", "search_eval", "a", 2)]),
        write_shard(folder, "b'; DROP", [("b", "train", "y", 1), ("a", "train", "y", 0), ("e", "train", "y", 2)]),
    ]
    write_rows(folder / "splits.parquet", [{"shard": "b'; DROP", "id": 32 * "b", "split": "duplicate"}], SPLITS)
    return index(shards, folder / "splits.parquet", domains, folder)


def index(shards: list[ShardSpans], splits: Path, domains: list[int | None], folder: Path) -> dict[str, int]:
    """Build the index where the clusters are of these domains."""
    write_rows(folder / "clusters.parquet", [{"cluster": k, "domain": d} for k, d in enumerate(domains)], CLUSTERS)
    named = [{"domain": d, "name": f"domain {d}"} for d in sorted({d for d in domains if d is not None})]
    write_rows(folder / "domains.parquet", named, DOMAINS)
    return build_training_index(shards, splits, folder / "domains.parquet", folder / "clusters.parquet", folder)


def test_train_documents_become_spans_and_held_out_ones_do_not(tmp_path: Path) -> None:
    facts = build(tmp_path, [1, 0, None])
    opened = load_training_index(tmp_path, {"a": tmp_path / "a.npy", "b'; DROP": tmp_path / "b'; DROP.npy"})
    assert opened.spans.tolist() == [[0, 0, 10, 10], [1, 1, 10, 10], [1, 0, 0, 10]]  # by domain, then id: b | a, d
    assert opened.supply.tolist() == [10, 20]
    assert read_table(tmp_path / "supply.parquet").to_pylist() == [
        {"domain": 0, "name": "domain 0", "tokens": 10, "prior": pytest.approx(1 / 3)},
        {"domain": 1, "name": "domain 1", "tokens": 20, "prior": pytest.approx(2 / 3)},
    ]
    assert opened.documents(1).tolist() == [[1, 1, 10, 10], [1, 0, 0, 10]]
    assert facts == {"documents": 3, "tokens": 30, "domains": 2, "evaluation_documents": 1}
    (held_out,) = opened.evaluation.to_pylist()
    assert (held_out["id"], held_out["source"], held_out["split"]) == (32 * "c", "a", "search_eval")
    assert opened.text(held_out["shard"], held_out["start"], held_out["length"]).tolist() == list(range(20, 30))


def test_splits_of_the_manifest_stand_over_those_of_the_shards(tmp_path: Path) -> None:
    documents = [("a", "train"), ("b", "train"), ("c", "search_eval"), ("d", "train"), ("e", "report_eval")]
    shard = write_shard(tmp_path, "a", [(name, split, "x", 0) for name, split in documents])
    overrides = {"b": "search_eval", "c": "train", "d": "contaminated"}
    rows = [{"shard": "a", "id": 32 * name, "split": split} for name, split in overrides.items()]
    write_rows(tmp_path / "splits.parquet", [*rows, {"shard": "other", "id": 32 * "a", "split": "duplicate"}], SPLITS)
    index([shard], tmp_path / "splits.parquet", [0], tmp_path)
    opened = load_training_index(tmp_path, {"a": tmp_path / "a.npy"})
    assert opened.spans[:, 2].tolist() == [0, 20]  # a and c
    assert [(row["id"], row["split"]) for row in opened.evaluation.to_pylist()] == [
        (32 * "e", "report_eval"),
        (32 * "b", "search_eval"),
    ]


def test_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    written = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        build(tmp_path / name, [1, 0, None])
        files = ("spans.npy", "shards.json", "evaluation.parquet", "supply.parquet")
        written.append([(tmp_path / name / file).read_bytes() for file in files])
    assert written[0] == written[1]


def test_a_domain_without_training_text_is_named(tmp_path: Path) -> None:
    write_rows(tmp_path / "none.parquet", [], SPLITS)
    shard = write_shard(tmp_path, "a", [("a", "train", "x", 0), ("b", "report_eval", "x", 1)])
    with pytest.raises(ComputeError, match="domain 1 has no training text"):
        index([shard], tmp_path / "none.parquet", [0, 1], tmp_path)


def test_a_shard_without_tokens_is_named(tmp_path: Path) -> None:
    build(tmp_path, [1, 0, None])
    with pytest.raises(MissingArtifact, match="DROP"):
        load_training_index(tmp_path, {"a": tmp_path / "a.npy"})
