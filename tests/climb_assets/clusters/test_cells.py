"""Cells: every document is in one of them, by its cluster and by its score alone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from climb_assets.clusters.cells import (
    ShardBands,
    bands_of,
    bounds_of,
    centroids_of_cells,
    name_band,
    number_cells,
    read_bands,
)
from climb_assets.clusters.kmeans import assign_shard
from climb_assets.config_cells import Cells
from climb_assets.errors import ConfigError, CorruptArtifact
from climb_assets.tables import read_table, write_table

SCORES = st.lists(st.floats(-1, 5, width=32) | st.just(float("nan")), max_size=40)
THRESHOLDS = st.lists(st.integers(0, 500), min_size=1, max_size=6, unique=True).map(
    lambda hundredths: tuple(sorted(number / 100 for number in hundredths))
)


def bands(scores: list[float], *thresholds: float) -> list[int]:
    """Return the bands of scores."""
    cells = Cells(dimension="quality", thresholds=thresholds)
    return bands_of(np.array(scores, np.float32), cells).tolist()


def test_a_score_that_is_a_threshold_reaches_it() -> None:
    assert bands([1.99, 2.0, 2.01, 3.49, 3.5, 5.0, 0.0, -1.0], 2.0, 3.5) == [0, 1, 1, 1, 2, 2, 0, 0]
    assert bands([2.1, 4.3], 2.1, 4.3) == [1, 2]  # of which float32 has neither


def test_what_nobody_could_judge_counts_as_met() -> None:
    assert bands([float("nan"), 0.0], 2.0, 3.5) == [2, 0]


@given(scores=SCORES, thresholds=THRESHOLDS)
def test_a_band_is_where_the_scores_bounds_say(scores: list[float], thresholds: tuple[float, ...]) -> None:
    cells = Cells(dimension="quality", thresholds=thresholds)
    for score, band in zip(scores, bands(scores, *thresholds), strict=True):
        least, below = bounds_of(band, cells)
        assert 0 <= band < cells.bands
        if np.isnan(score):
            assert below is None
        else:
            assert least is None or score >= np.float32(least)
            assert below is None or score < np.float32(below)


@given(scores=SCORES, thresholds=THRESHOLDS, data=st.data())
def test_cells_part_clusters_and_nothing_else(
    scores: list[float], thresholds: tuple[float, ...], data: st.DataObject
) -> None:
    cells = Cells(dimension="quality", thresholds=thresholds)
    drawn = data.draw(st.lists(st.integers(0, 30), min_size=len(scores), max_size=len(scores)))
    cluster, band = np.array(drawn, np.int32), bands_of(np.array(scores, np.float32), cells)
    number = number_cells(cluster, band, cells.bands)
    assert number.dtype == np.int32
    np.testing.assert_array_equal(number // cells.bands, cluster)
    np.testing.assert_array_equal(number % cells.bands, band)


def test_the_centroid_of_a_cell_is_its_clusters() -> None:
    centroids = np.array([[1.0, 2.0], [3.0, 4.0]], np.float32)
    cluster = np.arange(6) // 3
    np.testing.assert_array_equal(centroids_of_cells(centroids, 3), centroids[cluster])
    np.testing.assert_array_equal(centroids_of_cells(centroids, 1), centroids)


def test_bands_are_named_by_their_bounds() -> None:
    cells = Cells(dimension="educational_value", thresholds=(2, 3.5))
    names = [name_band(band, cells) for band in range(3)]
    assert names == ["educational value below 2", "educational value 2 to 3.5", "educational value 3.5 or more"]


@given(thresholds=THRESHOLDS)
def test_names_of_bands_are_distinct_and_plain(thresholds: tuple[float, ...]) -> None:
    cells = Cells(dimension="quality", thresholds=thresholds)
    names = [name_band(band, cells) for band in range(cells.bands)]
    assert len(set(names)) == cells.bands
    assert not set("".join(names)) & set(",:\"'#[]{}\n")  # marks of CSV and YAML


@pytest.fixture
def scores(corpus, tmp_path: Path) -> Path:
    """Return scores of the first shard: 0, 1, 2, ... in turn, every tenth unknown."""
    ids = read_table(corpus.vectors[0].documents, ["id"])["id"]
    values = [None if row % 10 == 9 else row % 6 for row in range(len(ids))]
    write_table(tmp_path / "scores.parquet", pa.table({"id": ids, "quality": pa.array(values, pa.float32())}))
    return tmp_path / "scores.parquet"


def test_assignments_have_the_cells_and_the_distances_of_their_clusters(corpus, scores: Path, tmp_path: Path) -> None:
    shard, cells = corpus.vectors[0], Cells(dimension="quality", thresholds=(2, 4))
    found = read_bands(shard.documents, scores, cells)
    assert_of = {None: 2, 0: 0, 1: 0, 2: 1, 3: 1, 4: 2, 5: 2}
    assert found.band.tolist() == [assert_of[score] for score in read_table(scores)["quality"].to_pylist()]
    assign_shard(shard.documents, shard.vectors, corpus.centroids, tmp_path, found)
    parted, whole = read_table(tmp_path / "assignments.parquet"), read_table(corpus.tables[0].assignments)
    assert parted.schema == whole.schema
    assert parted.select(["id", "distance"]).equals(whole.select(["id", "distance"]))
    np.testing.assert_array_equal(parted["cluster"].to_numpy(), 3 * whole["cluster"].to_numpy() + found.band)


def test_one_band_is_no_parting(corpus, tmp_path: Path) -> None:
    shard = corpus.vectors[0]
    documents = len(read_table(shard.documents, ["id"]))
    assign_shard(
        shard.documents, shard.vectors, corpus.centroids, tmp_path, ShardBands(np.zeros(documents, np.int32), 1)
    )
    assert (tmp_path / "assignments.parquet").read_bytes() == corpus.tables[0].assignments.read_bytes()


def test_scores_of_other_documents_are_refused(corpus, scores: Path) -> None:
    other = replace(corpus.vectors[0], documents=corpus.vectors[1].documents)
    with pytest.raises(CorruptArtifact, match=r"scores\.parquet is not of the documents of its shard; delete"):
        read_bands(other.documents, scores, Cells(dimension="quality", thresholds=(2,)))


def test_a_dimension_that_is_not_scored_is_named(corpus, scores: Path) -> None:
    with pytest.raises(ConfigError, match=r"clusters\.cells\.dimension names 'beauty', .*known: quality"):
        read_bands(corpus.vectors[0].documents, scores, Cells(dimension="beauty", thresholds=(2,)))
