"""k-means over document vectors: the sample, the fit, the assignment.

What belongs here: everything between vectors and clusters. What the clusters hold belongs to `statistics`, which of
them are kept to `domains`.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from climb_assets.clusters.cells import ShardBands, number_cells
from climb_assets.config import Clusters
from climb_assets.corpus.side_by_side import apply_splits, read_side_by_side
from climb_assets.corpus.signatures import first_halves
from climb_assets.errors import ComputeError, CorruptArtifact
from climb_assets.executor.capacity import thread_count
from climb_assets.randomness import derived_seed, scramble
from climb_assets.store.artifacts import canonical_json
from climb_assets.store.files import array_shape, take_rows, write_array, write_atomically
from climb_assets.tables import count_rows, iterate_texts, write_table

BLOCK = 1024  # vectors that are multiplied with all centroids at a time
ROWS = 512  # vectors that are taken at a time by what looks at each alone; bounds memory only
ASSIGNMENTS = pa.schema([("id", pa.string()), ("cluster", pa.int32()), ("distance", pa.float32())])


@dataclass(frozen=True)
class ShardVectors:
    """A shard's documents.parquet and, row for row, its vectors.npy."""

    shard: str
    documents: Path
    vectors: Path


def sample_vectors(shards: list[ShardVectors], splits: Path, size: int, seed: int) -> NDArray[np.float32]:
    """Draw the vectors that k-means is fitted on.

    The sample is the train documents whose seeded hash of the id is smallest, in the order of that hash: it depends
    on which documents there are, not on how they are spread over shards or on the order of these. k-means
    gives other centroids for another order of the same rows, so the order is part of the sample.

    Parameters
    ----------
    splits
        ``splits.parquet`` of the corpus manifest.
    size
        Documents that are drawn, if there are as many.

    Returns
    -------
    Unit vectors (at most `size`, dimension).
    """
    keys = np.empty(0, np.uint64)
    places = np.empty((0, 2), np.int64)  # shard, row
    for number, shard in enumerate(shards):
        for rows, hashes in _candidates(shard, splits, seed):
            keys = np.concatenate([keys, hashes])
            places = np.concatenate([places, np.column_stack([np.full(len(rows), number), rows])])
            smallest = np.argsort(keys, kind="stable")[:size]
            keys, places = keys[smallest], places[smallest]
    return _gather(shards, places)


def _candidates(shard: ShardVectors, splits: Path, seed: int) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint64]]]:
    """Yield the rows of a shard's train documents and the seeded hashes of their ids, some at a time."""
    salt = np.uint64(derived_seed(seed, "k-means sample"))
    start = 0
    for table in apply_splits(read_side_by_side(shard.shard, {shard.documents: ["split"]}), shard.shard, splits):
        train = pc.equal(table["split"], "train")
        yield start + np.flatnonzero(train), scramble(first_halves(table["id"].filter(train)) ^ salt)
        start += len(table)


def _gather(shards: list[ShardVectors], places: NDArray[np.int64]) -> NDArray[np.float32]:
    if not len(places):
        raise ComputeError(
            "the corpus has no train document; add raw files or lower corpus.search_eval and report_eval"
        )
    sample = np.empty((len(places), array_shape(shards[0].vectors)[1]), np.float32)
    for number in np.unique(places[:, 0]):
        chosen = np.flatnonzero(places[:, 0] == number)
        sample[chosen] = take_rows(shards[number].vectors, places[chosen, 1])
    normalise(sample)
    return sample


def normalise(vectors: NDArray[np.floating[Any]]) -> None:
    """Bring vectors to length 1, where they lie; half precision leaves them a thousandth off."""
    for start in range(0, len(vectors), ROWS):
        vectors[start : start + ROWS] /= np.linalg.norm(vectors[start : start + ROWS], axis=1, keepdims=True)


def fit_centroids(
    vectors: NDArray[np.float32], settings: Clusters, threads: int | None, out: Path, device: str = "cpu"
) -> dict[str, Any]:
    """Fit k-means with FAISS (paper section 3.1) and write ``centroids.npy`` and ``objective.json``.

    Parameters
    ----------
    vectors
        Unit vectors (documents, dimension); every one is used.
    threads
        Threads of FAISS, one a core if None; they do not change the result.
    device
        ``cuda`` lets FAISS use every GPU that it sees, if it is built for them (faiss-gpu).

    Returns
    -------
    Facts: clusters, sampled documents, dimension, and the final mean squared distance to the centroid.

    Raises
    ------
    ComputeError
        A vector is not finite, or there are fewer documents than clusters.
    """
    import faiss

    documents, dimension = vectors.shape
    if documents < settings.count:
        raise ComputeError(
            f"corpus has {documents} documents but clusters.count is {settings.count}; "
            "lower clusters.count or add documents"
        )
    if not np.isfinite(vectors).all():
        raise ComputeError(
            "the embeddings hold values that are not finite; use encoder.precision: float32 and run `climb up`"
        )
    kmeans = faiss.Kmeans(
        dimension,
        settings.count,
        niter=settings.iterations,
        seed=derived_seed(settings.seed, "k-means"),
        min_points_per_centroid=1,
        max_points_per_centroid=math.ceil(documents / settings.count),  # else FAISS silently takes a sample of its own
        gpu=count_gpus(device),
    )
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads or thread_count())
    try:
        kmeans.train(np.ascontiguousarray(vectors))
    finally:
        faiss.omp_set_num_threads(before)
    assert kmeans.centroids is not None and kmeans.obj is not None  # both are set by train
    objective = [round(float(value) / documents, 6) for value in kmeans.obj]
    write_array(out / "centroids.npy", kmeans.centroids.astype(np.float32))
    write_atomically(out / "objective.json", canonical_json({"mean_squared_distance": objective}).encode())
    facts = {"clusters": settings.count, "sampled": documents, "dimension": dimension}
    return facts | {"mean_squared_distance": objective[-1]}


def count_gpus(device: str) -> int:
    """Return how many GPUs FAISS is to use: all that it sees on ``cuda``, none elsewhere or as faiss-cpu."""
    import faiss

    return int(faiss.get_num_gpus()) if device == "cuda" else 0


def read_centroids(path: Path) -> NDArray[np.float32]:
    """Return the centroids (clusters, dimension) that `fit_centroids` wrote."""
    centroids: NDArray[np.float32] = np.load(path, allow_pickle=False)
    return centroids


def assign_shard(
    documents: Path, vectors: Path, centroids: NDArray[np.float32], out: Path, bands: ShardBands | None = None
) -> dict[str, Any]:
    """Write ``assignments.parquet``: the nearest centroid of each document and the Euclidean distance to it.

    Of centroids that are equally near, the lowest id is taken.

    Parameters
    ----------
    bands
        The bands of the documents where clusters are parted into cells; then ``cluster`` is the number of the cell.

    Raises
    ------
    CorruptArtifact
        The vectors do not belong to the documents.
    """
    rows, shape = count_rows(documents), array_shape(vectors)
    if rows != shape[0] or shape[1] != centroids.shape[1]:
        raise CorruptArtifact(
            f"{vectors} has shape {shape} for {rows} documents and centroids of {centroids.shape[1]}; "
            "delete its folder and run `climb up`"
        )
    cluster, distance = np.empty(rows, np.int32), np.empty(rows, np.float32)
    total = 0.0
    for part, block in _unit_blocks(vectors, shape):
        cluster[part], distance[part] = nearest_centroids(block, centroids)
        total += float(distance[part].sum(dtype=np.float64))
    if bands is not None:
        cluster = number_cells(cluster, bands.band, bands.bands)

    def batches() -> Iterator[pa.RecordBatch]:
        start = 0
        for batch in iterate_texts(documents, BLOCK, ["id"]):
            part = slice(start, start + len(batch))
            columns = [batch["id"], pa.array(cluster[part]), pa.array(distance[part])]
            yield pa.RecordBatch.from_arrays(columns, schema=ASSIGNMENTS)
            start += len(batch)

    write_table(out / "assignments.parquet", batches(), ASSIGNMENTS)
    return {"documents": rows, "mean_distance": round(total / rows, 6) if rows else None}


def _unit_blocks(vectors: Path, shape: tuple[int, ...]) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Yield the vectors of a file at length 1, `BLOCK` at a time and each in the place of the one before."""
    buffer = np.empty((min(BLOCK, shape[0]), shape[1]), np.float32)
    for start in range(0, shape[0], BLOCK):
        part = slice(start, min(start + BLOCK, shape[0]))
        block = buffer[: part.stop - start]
        for first in range(start, part.stop, ROWS):
            rows = np.arange(first, min(first + ROWS, part.stop))
            block[first - start : first - start + len(rows)] = take_rows(vectors, rows)
        normalise(block)
        yield part, block


def nearest_centroids(
    vectors: NDArray[np.float32], centroids: NDArray[np.float32]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Return id (n) and Euclidean distance (n) of the centroid nearest to each vector (n, dimension)."""
    squared = vectors @ centroids.T
    squared *= -2
    squared += np.square(centroids).sum(axis=1)  # less |x|^2, the same for every centroid
    cluster = squared.argmin(axis=1).astype(np.int32)
    distance = np.empty(len(vectors), np.float32)
    for start in range(0, len(vectors), ROWS):
        part = slice(start, start + ROWS)
        distance[part] = np.linalg.norm(vectors[part] - centroids[cluster[part]], axis=1)
    return cluster, distance


def two_nearest_centroids(
    vectors: NDArray[np.float16], centroids: NDArray[np.float32]
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
    """Return the nearest centroid (n), its distance (n) as assignments have them, and how much farther the next is (n).

    Parameters
    ----------
    vectors
        Embeddings (n, dimension) in blocks of `BLOCK`, as the assignment of a shard takes them: how many rows are
        multiplied at a time may decide the last bit.
    centroids
        (clusters, dimension), two at least.
    """
    block = vectors.astype(np.float32)
    normalise(block)
    cluster, distance = nearest_centroids(block, centroids)
    squared = np.square(centroids).sum(axis=1) - 2 * block @ centroids.T
    squared[np.arange(len(block)), cluster] = np.inf
    second: NDArray[np.float32] = np.linalg.norm(block - centroids[squared.argmin(axis=1)], axis=1)
    return cluster, distance, np.maximum(second - distance, np.float32(0))
