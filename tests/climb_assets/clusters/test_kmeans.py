"""k-means: a sample that only depends on the documents, a fit that repeats, exact assignments."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from climb_assets.clusters.kmeans import (
    ShardVectors,
    assign_shard,
    count_gpus,
    fit_centroids,
    nearest_centroids,
    read_centroids,
    sample_vectors,
)
from climb_assets.config import Clusters
from climb_assets.errors import ComputeError, CorruptArtifact
from climb_assets.tables import read_table, write_table


def merged(shards: list[ShardVectors], splits: Path, folder: Path) -> ShardVectors:
    """Put the distinct documents of all shards into one, backwards."""
    folder.mkdir()
    tables = [read_table(shard.documents) for shard in shards]
    vectors = np.concatenate([np.load(shard.vectors) for shard in shards])
    table = pa.concat_tables(tables)
    repeated = {(len(tables[0]) + tables[1]["id"].to_pylist().index(i)) for i in read_table(splits)["id"].to_pylist()}
    rows = np.array([row for row in reversed(range(len(table))) if row not in repeated])
    write_table(folder / "documents.parquet", table.take(rows))
    np.save(folder / "vectors.npy", vectors[rows])
    return ShardVectors("whole", folder / "documents.parquet", folder / "vectors.npy")


@pytest.mark.parametrize("size", [20, 1000])
def test_the_sample_is_independent_of_shards_and_their_order(corpus, size: int, tmp_path: Path) -> None:
    sample = sample_vectors(corpus.vectors, corpus.splits, size, seed=1)
    turned = sample_vectors(corpus.vectors[::-1], corpus.splits, size, seed=1)
    whole = merged(corpus.vectors, corpus.splits, tmp_path / "whole")
    assert sample.tobytes() == turned.tobytes()
    assert sample.tobytes() == sample_vectors([whole], corpus.splits, size, seed=1).tobytes()
    assert len(sample) == min(size, 119)  # 150 documents, 30 held out, one a duplicate


def test_another_seed_draws_another_sample(corpus) -> None:
    first, second = (sample_vectors(corpus.vectors, corpus.splits, 20, seed) for seed in (1, 2))
    assert not np.array_equal(first, second)


def test_the_sample_grows_by_whole_documents(corpus) -> None:
    small, large = (sample_vectors(corpus.vectors, corpus.splits, size, seed=1) for size in (10, 30))
    assert np.array_equal(small, large[:10])


def test_the_fit_repeats_and_finds_the_groups(corpus, tmp_path: Path) -> None:
    sample = sample_vectors(corpus.vectors, corpus.splits, 1000, seed=1)
    settings = Clusters(count=3, iterations=20)
    for name, threads in (("one", 1), ("two", 2)):
        (tmp_path / name).mkdir()
        facts = fit_centroids(sample, settings, threads, tmp_path / name)
    for file in ("centroids.npy", "objective.json"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()
    assert facts["sampled"] == 119
    assert np.sort(read_centroids(tmp_path / "one" / "centroids.npy").argmax(axis=1)).tolist() == [0, 1, 2]


def test_every_sampled_vector_counts(tmp_path: Path) -> None:
    """FAISS by itself drops what is beyond 256 vectors per centroid."""
    vectors = np.random.default_rng(0).normal(size=(1200, 4)).astype(np.float32)
    fit_centroids(vectors, Clusters(count=2, iterations=50), 1, tmp_path)
    centroids = read_centroids(tmp_path / "centroids.npy")
    nearest, _ = nearest_centroids(vectors, centroids)
    means = np.stack([vectors[nearest == cluster].mean(axis=0) for cluster in (0, 1)])
    np.testing.assert_allclose(centroids, means, atol=0.02)


def test_fewer_documents_than_clusters_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ComputeError, match=r"has 5 documents but clusters.count is 6; lower clusters.count"):
        fit_centroids(np.eye(5, dtype=np.float32), Clusters(count=6), 1, tmp_path)


def test_vectors_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    vectors = np.eye(5, dtype=np.float32)
    vectors[2, 2] = np.nan
    with pytest.raises(ComputeError, match="not finite"):
        fit_centroids(vectors, Clusters(count=2), 1, tmp_path)


def test_documents_are_assigned_to_their_group(corpus) -> None:
    for shard, tables in zip(corpus.vectors, corpus.tables, strict=True):
        assigned = read_table(tables.assignments).to_pydict()
        assert assigned["id"] == read_table(shard.documents, ["id"])["id"].to_pylist()
        assert assigned["cluster"] == [corpus.group_of[i] for i in assigned["id"]]


def test_assignments_are_the_same_bytes_again(corpus, tmp_path: Path) -> None:
    shard = corpus.vectors[0]
    assign_shard(shard.documents, shard.vectors, corpus.centroids, tmp_path)
    assert (tmp_path / "assignments.parquet").read_bytes() == corpus.tables[0].assignments.read_bytes()


def test_a_large_shard_is_assigned_as_its_documents_are_one_by_one(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    count, group = 8192 + 700, 300  # more than one block, and row groups that fit no block
    ids, vectors = [f"{row:032x}" for row in range(count)], random.normal(size=(count, 6)).astype(np.float16)
    pq.write_table(pa.table({"id": ids}), tmp_path / "documents.parquet", row_group_size=group)
    np.save(tmp_path / "vectors.npy", vectors)
    centroids = random.normal(size=(5, 6)).astype(np.float32)
    facts = assign_shard(tmp_path / "documents.parquet", tmp_path / "vectors.npy", centroids, tmp_path)
    assigned = read_table(tmp_path / "assignments.parquet")
    unit = vectors.astype(np.float64) / np.linalg.norm(vectors.astype(np.float64), axis=1, keepdims=True)
    distances = np.linalg.norm(unit[:, None] - centroids[None], axis=2)
    assert assigned["id"].to_pylist() == ids
    assert np.array_equal(assigned["cluster"], distances.argmin(axis=1))
    np.testing.assert_allclose(assigned["distance"], distances.min(axis=1), rtol=1e-5)
    assert facts == {"documents": count, "mean_distance": pytest.approx(distances.min(axis=1).mean(), abs=1e-5)}


def test_vectors_of_other_documents_are_refused(corpus, tmp_path: Path) -> None:
    wrong = replace(corpus.vectors[0], vectors=corpus.vectors[1].vectors)
    with pytest.raises(CorruptArtifact, match="90 documents"):
        assign_shard(wrong.documents, wrong.vectors, corpus.centroids, tmp_path)


grid = st.integers(-4, 4).map(lambda number: np.float32(number / 4))  # squares are exact, so ties are true ties


@given(vectors=arrays(np.float32, (5, 3), elements=grid), centroids=arrays(np.float32, (6, 3), elements=grid))
def test_the_nearest_centroid_is_exact_and_ties_go_to_the_lowest(vectors: np.ndarray, centroids: np.ndarray) -> None:
    cluster, distance = nearest_centroids(vectors, centroids)
    squared = np.square(vectors[:, None].astype(np.float64) - centroids[None]).sum(axis=2)
    assert cluster.tolist() == squared.argmin(axis=1).tolist()
    np.testing.assert_allclose(distance, np.sqrt(squared.min(axis=1)), rtol=1e-5)


def test_a_shard_without_documents_is_assigned_and_sampled(corpus, tmp_path: Path) -> None:
    write_table(tmp_path / "documents.parquet", read_table(corpus.vectors[0].documents).slice(0, 0))
    np.save(tmp_path / "vectors.npy", np.zeros((0, 8), np.float16))
    empty = ShardVectors("none", tmp_path / "documents.parquet", tmp_path / "vectors.npy")
    assert assign_shard(empty.documents, empty.vectors, corpus.centroids, tmp_path)["documents"] == 0
    sample = sample_vectors([empty, *corpus.vectors], corpus.splits, 20, seed=1)
    assert np.array_equal(sample, sample_vectors(corpus.vectors, corpus.splits, 20, seed=1))


def test_gpus_are_used_only_where_faiss_sees_them(tmp_path: Path) -> None:
    faiss = pytest.importorskip("faiss")
    assert count_gpus("cpu") == 0
    assert count_gpus("cuda") == faiss.get_num_gpus()
    if faiss.get_num_gpus():
        return
    vectors = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    for device in ("cpu", "cuda"):  # the latter with faiss-cpu, or on a machine that lost its GPU
        (tmp_path / device).mkdir()
        fit_centroids(vectors, Clusters(count=4), 1, tmp_path / device, device)
    assert (tmp_path / "cpu/centroids.npy").read_bytes() == (tmp_path / "cuda/centroids.npy").read_bytes()
