"""Tables of a shard are read as one, however their rows are parted; rows of other documents are refused."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from climb_assets.corpus import side_by_side
from climb_assets.corpus.documents import SPLITS
from climb_assets.corpus.side_by_side import apply_splits, read_side_by_side, train_mask
from climb_assets.corpus.splits import OVERRIDES
from climb_assets.errors import CorruptArtifact
from climb_assets.tables import write_rows, write_table


def write(path: Path, rows: int, group: int, **columns: list[object]) -> Path:
    """Write a table of so many documents in row groups of a size."""
    ids = [f"{row:032x}" for row in range(rows)]
    pq.write_table(pa.table({"id": pa.array(ids, pa.string()), **columns}), path, row_group_size=group)
    return path


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(0, 40), st.integers(1, 12), st.integers(1, 12), st.integers(1, 50))
def test_every_row_comes_once_in_its_order(tmp_path: Path, rows: int, group: int, other: int, at_once: int) -> None:
    documents = write(tmp_path / "documents.parquet", rows, group, bytes=list(range(rows)))
    tokens = write(tmp_path / "tokens.parquet", rows, other, tokens=[2 * row for row in range(rows)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(side_by_side, "ROWS", at_once)
        tables = list(read_side_by_side("s", {documents: ["bytes"], tokens: ["tokens"]}))
    assert all(at_once <= len(table) < at_once + max(group, other) for table in tables[:-1])
    found = [row for table in tables for row in table.to_pylist()]
    assert found == [{"id": f"{row:032x}", "bytes": row, "tokens": 2 * row} for row in range(rows)]


@pytest.mark.parametrize("damage", ["one too few", "one too many", "none", "turned round", "another"])
def test_tables_of_other_documents_are_refused_and_named(tmp_path: Path, damage: str) -> None:
    documents, tokens = write(tmp_path / "documents.parquet", 10, 4), tmp_path / "tokens.parquet"
    whole = pq.read_table(write(tokens, 11, 3))
    ids = ["f" * 32, *whole["id"].to_pylist()[1:10]]
    damaged = {
        "one too few": whole[:9],
        "one too many": whole,
        "none": whole[:0],
        "turned round": whole[:10][::-1],
        "another": pa.table({"id": ids}),
    }
    pq.write_table(damaged[damage], tokens)
    with pytest.raises(CorruptArtifact, match=f"tables of shard s are not of the same documents.*{tokens} and run"):
        list(read_side_by_side("s", {documents: [], tokens: []}))


def test_the_split_of_the_corpus_stands_over_their_own(tmp_path: Path) -> None:
    documents = write(tmp_path / "documents.parquet", 4, 2, split=["train", "train", "search_eval", "report_eval"])
    changed = [("s", 1, "duplicate"), ("s", 2, "train"), ("t", 0, "duplicate")]
    rows = [{"shard": shard, "id": f"{row:032x}", "split": split} for shard, row, split in changed]
    write_rows(tmp_path / "splits.parquet", rows, OVERRIDES)
    tables = apply_splits(read_side_by_side("s", {documents: ["split"]}), "s", tmp_path / "splits.parquet")
    found = [split for table in tables for split in table["split"].to_pylist()]
    assert found == ["train", "duplicate", "train", "report_eval"]


def test_the_mask_of_train_documents_reads_the_overrides_of_its_shard(tmp_path: Path) -> None:
    documents = {"id": ["a", "b", "c", "d"], "split": ["train", "train", "search_eval", "report_eval"]}
    write_table(tmp_path / "documents.parquet", pa.table(documents))
    overrides = [("s", "b", "duplicate"), ("s", "c", "train"), ("other", "a", "duplicate")]
    rows = [dict(zip(OVERRIDES.names, row, strict=True)) for row in overrides]
    write_rows(tmp_path / "splits.parquet", rows, OVERRIDES)
    masks = [
        train_mask(shard, tmp_path / "documents.parquet", tmp_path / "splits.parquet").tolist() for shard in ("s", "t")
    ]
    assert masks == [[True, False, True, False], [True, True, False, False]]
    assert set(documents["split"]) == set(SPLITS)
