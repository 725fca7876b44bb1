"""Every document comes once with the number of its shard, the split of the corpus and the domain of its cluster."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from climb_assets.clusters.domain_documents import read_domain_documents
from climb_assets.clusters.shards import ShardTables
from climb_assets.corpus import side_by_side
from climb_assets.corpus.splits import OVERRIDES
from climb_assets.errors import CorruptArtifact
from climb_assets.tables import write_rows, write_table


def write_shard(folder: Path, shard: str, clusters: list[int]) -> ShardTables:
    """Write a shard of train documents in these clusters; the nth has n tokens, and the letter of the shard its id."""
    ids = [shard + f"{number:031x}" for number in range(len(clusters))]
    columns: dict[str, dict[str, list[Any]]] = {
        "documents": {"split": ["train"] * len(ids), "source": [f"source {shard}"] * len(ids)},
        "tokens": {"tokens": list(range(len(ids)))},
        "assignments": {"cluster": clusters},
    }
    for name, values in columns.items():
        write_table(folder / f"{shard}_{name}.parquet", pa.table({"id": pa.array(ids, pa.string()), **values}))
    return ShardTables(shard, **{name: folder / f"{shard}_{name}.parquet" for name in columns})


def write_changes(folder: Path) -> tuple[Path, Path]:
    """Write a split that the corpus has changed, and the domains of three clusters, the second of which is pruned."""
    write_rows(folder / "splits.parquet", [{"shard": "b", "id": "b" + f"{1:031x}", "split": "duplicate"}], OVERRIDES)
    write_table(folder / "clusters.parquet", pa.table({"cluster": [0, 1, 2], "domain": pa.array([1, None, 0])}))
    return folder / "splits.parquet", folder / "clusters.parquet"


def test_documents_of_all_shards_have_their_split_and_their_domain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(side_by_side, "ROWS", 2)
    shards = [write_shard(tmp_path, "a", [2, 1, 0]), write_shard(tmp_path, "c", []), write_shard(tmp_path, "b", [0, 2])]
    tables = list(read_domain_documents(shards, *write_changes(tmp_path), ["source"], ["tokens"]))
    assert [len(table) for table in tables] == [2, 1, 2]
    rows = [row for table in tables for row in table.to_pylist()]
    assert [(row["shard"], row["id"][0], row["tokens"], row["split"], row["domain"]) for row in rows] == [
        (0, "a", 0, "train", 0),
        (0, "a", 1, "train", None),
        (0, "a", 2, "train", 1),
        (2, "b", 0, "train", 1),
        (2, "b", 1, "duplicate", 0),
    ]
    assert {row["source"] for row in rows} == {"source a", "source b"}


def test_clusters_of_other_documents_are_refused(tmp_path: Path) -> None:
    one, other = write_shard(tmp_path, "a", [0]), write_shard(tmp_path, "b", [0])
    mixed = ShardTables("a", one.documents, one.tokens, other.assignments)
    with pytest.raises(CorruptArtifact, match="shard a are not of the same documents"):
        list(read_domain_documents([mixed], *write_changes(tmp_path)))
