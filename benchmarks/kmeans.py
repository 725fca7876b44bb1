"""Seconds of a k-means fit: FAISS as the product calls it, scikit-learn and SuperKMeans, by the number of clusters.

All fit the same vectors, every one of them, in as many iterations from one random start each, on all cores; nothing
samples, stops early or works in a hierarchy. In each round all take turns, and medians are compared. `distance` is the
mean squared distance to the nearest centroid over that of FAISS; the last columns say whether a second fit, and one on
one thread, gave the same bytes.

`bfloat16` is Lloyd's algorithm in PyTorch: products in bfloat16 name the nearest centroids of a vector, which are then
compared in float32. Neither it nor SuperKMeans (pip install superkmeans) is part of the product, see docs/results.md.

    climb demo-corpus --whole && climb up --to embeddings
    python benchmarks/kmeans.py --lake data_lake/demo [--clusters 100 1000 10000] [--json]
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tabulate import tabulate

from climb_assets.clusters.kmeans import fit_centroids, nearest_centroids, read_centroids
from climb_assets.config import Clusters
from climb_assets.environment import resolve_precision
from climb_assets.executor.capacity import thread_count
from climb_assets.store.local import LocalStore

NAME = "k-means fit against scikit-learn"
BLOCK = 4096
COMPARED = 4  # centroids a vector that are compared in float32

Floats = NDArray[np.float32]
Fit = Callable[[Floats, int, int, int], Floats]  # vectors, clusters, iterations, threads


def read_vectors(lake: Path, most: int) -> Floats:
    """Return unit vectors of a lake's embeddings, evenly of all shards if there are more than `most`."""
    store = LocalStore(lake)
    files = [store.get("embeddings", shard).file("vectors.npy") for shard in store.partitions("embeddings")]
    vectors = np.concatenate([np.load(path, allow_pickle=False) for path in files]).astype(np.float32)
    vectors = vectors[:: -(-len(vectors) // most)]
    unit: Floats = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def fit_faiss(vectors: Floats, clusters: int, iterations: int, threads: int) -> Floats:
    """Return the centroids of the product's own fit."""
    with tempfile.TemporaryDirectory() as folder:
        fit_centroids(vectors, Clusters(count=clusters, iterations=iterations), threads, Path(folder))
        return read_centroids(Path(folder) / "centroids.npy")


def fit_sklearn(vectors: Floats, clusters: int, iterations: int, threads: int) -> Floats:
    """Return the centroids of scikit-learn's Lloyd."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    peer = KMeans(clusters, init="random", n_init=1, max_iter=iterations, tol=0, random_state=0)
    with threadpool_limits(threads):
        peer.fit(vectors)
    return np.asarray(peer.cluster_centers_, np.float32)


def fit_superkmeans(vectors: Floats, clusters: int, iterations: int, threads: int) -> Floats:
    """Return the centroids of SuperKMeans, with all that it leaves out by default put in."""
    from superkmeans import SuperKMeans

    peer = SuperKMeans(
        clusters,
        vectors.shape[1],
        hierarchical=False,
        iters=iterations,
        sampling_fraction=1.0,
        max_points_per_cluster=len(vectors),
        early_termination=False,
        n_threads=threads,
    )
    return np.asarray(peer.train(np.ascontiguousarray(vectors)), np.float32)


def fit_bfloat16(vectors: Floats, clusters: int, iterations: int, threads: int) -> Floats:
    """Return the centroids of Lloyd's algorithm with products in bfloat16; an empty cluster keeps its centroid."""
    import torch

    torch.set_num_threads(threads)
    whole = torch.from_numpy(np.ascontiguousarray(vectors))
    rounded = whole.bfloat16()
    order = np.random.default_rng(0).permutation(len(vectors))[:clusters]
    centroids = whole[torch.from_numpy(order)].clone()
    for _ in range(iterations):
        halves, transposed = centroids.square().sum(dim=1) / 2, centroids.bfloat16().T.contiguous()
        labels = torch.empty(len(whole), dtype=torch.int64)
        for start in range(0, len(whole), BLOCK):
            block = slice(start, start + BLOCK)
            nearness = rounded[block] @ transposed - halves.bfloat16()
            likely = nearness.topk(min(COMPARED, clusters), dim=1, sorted=False).indices
            exact = torch.einsum("nd,nkd->nk", whole[block], centroids[likely]) - halves[likely]
            labels[block] = likely.gather(1, exact.argmax(dim=1, keepdim=True)).squeeze(1)
        sums = torch.zeros_like(centroids).index_add_(0, labels, whole)
        counts = torch.bincount(labels, minlength=clusters).unsqueeze(1)
        centroids = torch.where(counts > 0, sums / counts.clamp(min=1), centroids)
    return centroids.numpy()


def load_fits() -> dict[str, Fit]:
    """Return what this machine has, FAISS and scikit-learn first."""
    fits: dict[str, Fit] = {"faiss": fit_faiss, "scikit-learn": fit_sklearn}
    try:
        import superkmeans  # noqa: F401

        fits["superkmeans"] = fit_superkmeans
    except ImportError:
        print("superkmeans is not installed")
    if resolve_precision("auto", "cpu") == "bfloat16":
        fits["bfloat16"] = fit_bfloat16
    return fits


def mean_distance(vectors: Floats, centroids: Floats) -> float:
    """Return the mean squared distance to the nearest centroid."""
    blocks = [vectors[start : start + BLOCK] for start in range(0, len(vectors), BLOCK)]
    total = sum(float(np.square(nearest_centroids(block, centroids)[1], dtype=np.float64).sum()) for block in blocks)
    return total / len(vectors)


def compare(vectors: Floats, clusters: int, iterations: int, repeats: int) -> list[dict[str, Any]]:
    """Return a row for each implementation."""
    fits, threads = load_fits(), thread_count()
    seconds: dict[str, list[float]] = {name: [] for name in fits}
    found: dict[str, list[Floats]] = {name: [] for name in fits}
    for _ in range(repeats):
        for name, fit in fits.items():
            started = time.perf_counter()
            found[name].append(fit(vectors, clusters, iterations, threads))
            seconds[name].append(time.perf_counter() - started)
    for name, fit in fits.items():
        found[name].append(fit(vectors, clusters, iterations, 1))
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    distances = {name: mean_distance(vectors, centroids[0]) for name, centroids in found.items()}
    return [
        {
            "clusters": clusters,
            "fit": name,
            "seconds": round(medians[name], 2),
            "ratio": round(medians["scikit-learn"] / medians[name], 2),
            "distance": round(distances[name] / distances["faiss"], 4),
            "same again": all(np.array_equal(found[name][0], other) for other in found[name][1:repeats]),
            "same on one thread": np.array_equal(found[name][0], found[name][-1]),
        }
        for name in fits
    ]


def main() -> None:
    """Parse the command line and print a table or one object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--lake", type=Path, default=Path(__file__).parents[1] / "data_lake" / "demo")
    parser.add_argument("--most", type=int, default=1_000_000, help="vectors")
    parser.add_argument("--clusters", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--iterations", type=int, default=10)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    vectors = read_vectors(arguments.lake, arguments.most)
    for fit in load_fits().values():  # loads the libraries
        fit(vectors[:2000], 10, 2, 1)
    rows = [
        row for count in arguments.clusters for row in compare(vectors, count, arguments.iterations, arguments.repeats)
    ]
    if arguments.json:
        ours, peer = ([row["seconds"] for row in rows if row["fit"] == name][-1] for name in ("faiss", "scikit-learn"))
        what = {"name": NAME, "ours": ours, "peer": peer, "ratio": round(peer / ours, 3), "unit": "s"}
        print(json.dumps(what | {"details": {"vectors": list(vectors.shape), "rows": rows}}))
    else:
        print(f"{len(vectors)} vectors of {vectors.shape[1]} dimensions, {arguments.iterations} iterations")
        print(tabulate(rows, headers="keys"))


if __name__ == "__main__":
    main()
