"""Cluster statistics: only what counts is counted, and the file repeats byte for byte."""

from pathlib import Path

import pyarrow as pa
import pytest

from climb_assets.clusters.statistics import compute_statistics, top_sources
from climb_assets.errors import ComputeError, CorruptArtifact
from climb_assets.tables import read_table, write_table


def test_counts_leave_out_held_out_documents_and_duplicates(corpus, tmp_path: Path) -> None:
    facts = compute_statistics(corpus.tables, corpus.splits, tmp_path)
    expected: dict[int, list[int]] = {group: [0, 0, 0] for group in range(3)}
    repeated = set(read_table(corpus.splits)["id"].to_pylist())
    for shard in corpus.tables:
        for row in read_table(shard.documents).to_pylist():
            if row["split"] == "train" and not (shard.shard == "b" and row["id"] in repeated):
                group = corpus.group_of[row["id"]]
                counts = expected[group]
                expected[group] = [counts[0] + 1, counts[1] + 3 + group, counts[2] + row["bytes"]]
    rows = read_table(tmp_path / "clusters.parquet").to_pylist()
    assert {row["cluster"]: [row["documents"], row["tokens"], row["bytes"]] for row in rows} == expected
    assert facts["documents"] == 119


def test_means_and_sources_are_those_of_the_group(corpus, tmp_path: Path) -> None:
    compute_statistics(corpus.tables, corpus.splits, tmp_path)
    for row in read_table(tmp_path / "clusters.parquet").to_pylist():
        assert row["mean_quality"] == 1.0 + row["cluster"]
        assert row["mean_advertisement"] == 5.0
        assert 0 < row["mean_distance"] < 1
        source = ("waters", "maths", "kitchen")[row["cluster"]]
        assert row["sources"] == [{"source": source, "documents": row["documents"]}]


def test_the_order_of_shards_does_not_change_a_byte(corpus, tmp_path: Path) -> None:
    for name, tables in (("forward", corpus.tables), ("backward", corpus.tables[::-1])):
        (tmp_path / name).mkdir()
        compute_statistics(tables, corpus.splits, tmp_path / name)
    first, second = ((tmp_path / name / "clusters.parquet").read_bytes() for name in ("forward", "backward"))
    assert first == second


def test_sources_are_ranked_by_documents_then_by_name() -> None:
    tally = pa.table({"source": ["b", "a", "c"], "documents": [2, 2, 3]})
    ranked = top_sources(tally, [0, 0, 0])[0]
    assert [entry["source"] for entry in ranked] == ["c", "a", "b"]


def test_a_corpus_that_is_all_held_out_says_what_to_do(corpus, tmp_path: Path) -> None:
    for shard in corpus.tables:
        table = read_table(shard.documents)
        held_out = pa.array(["report_eval"] * table.num_rows)
        write_table(shard.documents, table.set_column(table.column_names.index("split"), "split", held_out))
    with pytest.raises(ComputeError, match="no train document"):
        compute_statistics(corpus.tables, corpus.splits, tmp_path)


@pytest.mark.parametrize("name", ["documents", "tokens", "assignments", "scores"])
@pytest.mark.parametrize("damage", ["turned round", "one too few"])
def test_tables_that_are_not_of_the_same_documents_are_refused(corpus, tmp_path: Path, name: str, damage: str) -> None:
    table = read_table(path := getattr(corpus.tables[1], name))
    write_table(path, table[::-1] if damage == "turned round" else table[:-1])
    with pytest.raises(CorruptArtifact, match=f"of shard {corpus.tables[1].shard} are not of the same documents"):
        compute_statistics(corpus.tables, corpus.splits, tmp_path)


@pytest.mark.parametrize("name", ["side_by_side", "judged", "filename", "mean_distance"])
def test_a_dimension_may_have_the_name_of_what_only_the_count_knows(corpus, tmp_path: Path, name: str) -> None:
    for shard in corpus.tables:
        scores = read_table(shard.scores)
        write_table(shard.scores, scores.rename_columns(["id", name, "advertisement"]))
    compute_statistics(corpus.tables, corpus.splits, tmp_path)
    rows = read_table(tmp_path / "clusters.parquet").to_pylist()
    assert [row[f"mean_{name}"] for row in rows] == [1.0 + row["cluster"] for row in rows]
