"""Seconds per iteration of our k-means fit against scikit-learn's: same vectors and clusters, one random start each.

Per iteration, because either may converge before its last one. Inertia says that both find equally good clusters.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from climb_assets.clusters.kmeans import fit_centroids, nearest_centroids, read_centroids
from climb_assets.config import Clusters
from climb_assets.randomness import generator

NAME = "k-means fit against scikit-learn"


def draw_vectors(documents: int, dimension: int, topics: int) -> NDArray[np.float32]:
    """Return unit vectors around random topics that overlap, as those of sentence embeddings do."""
    random = generator(0, "benchmark k-means")
    centres = 0.15 * random.normal(size=(topics, dimension))
    vectors = centres[random.integers(topics, size=documents)] + random.normal(size=(documents, dimension))
    unit: NDArray[np.float32] = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def fit_ours(vectors: NDArray[np.float32], settings: Clusters) -> tuple[NDArray[np.float32], int]:
    """Return the centroids of `fit_centroids` and the number of iterations."""
    with tempfile.TemporaryDirectory() as folder:
        fit_centroids(vectors, settings, None, Path(folder))
        objective = json.loads((Path(folder) / "objective.json").read_text(encoding="utf-8"))
        return read_centroids(Path(folder) / "centroids.npy"), len(objective["mean_squared_distance"])


def fit_peer(vectors: NDArray[np.float32], settings: Clusters) -> tuple[NDArray[np.float32], int]:
    """Return the centroids of scikit-learn and the number of iterations."""
    from sklearn.cluster import KMeans

    peer = KMeans(settings.count, init="random", n_init=1, max_iter=settings.iterations, tol=0, random_state=0)
    peer.fit(vectors)
    return np.asarray(peer.cluster_centers_, np.float32), int(peer.n_iter_)


def run(documents: int, dimension: int, clusters: int, repeats: int) -> dict[str, object]:
    """Measure; the two take turns, and medians are compared."""
    fits = {"ours": fit_ours, "peer": fit_peer}
    settings = Clusters(count=clusters)
    vectors = draw_vectors(documents, dimension, topics=clusters // 2)
    for fit in fits.values():  # loads the libraries
        fit(vectors[: 4 * clusters], settings)
    times: dict[str, list[float]] = {name: [] for name in fits}
    iterations, inertia = {}, {}
    for _ in range(repeats):
        for name, fit in fits.items():
            started = time.perf_counter()
            centroids, iterations[name] = fit(vectors, settings)
            times[name].append(round(time.perf_counter() - started, 3))
            inertia[name] = float(np.square(nearest_centroids(vectors, centroids)[1]).sum())
    ours, peer = (statistics.median(times[name]) / iterations[name] for name in ("ours", "peer"))
    return {
        "name": NAME,
        "ours": round(ours, 4),
        "peer": round(peer, 4),
        "ratio": round(peer / ours, 3),
        "unit": "s/iteration",
        "details": {
            "documents": documents,
            "dimension": dimension,
            "clusters": clusters,
            "iterations": iterations,
            "inertia_ratio": round(inertia["ours"] / inertia["peer"], 4),
            "seconds": times,
        },
    }


def main() -> None:
    """Parse the command line and print one object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--documents", type=int, default=40_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--clusters", type=int, default=1000, help="default: the paper's")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    found = run(arguments.documents, arguments.dimension, arguments.clusters, arguments.repeats)
    if arguments.json:
        print(json.dumps(found))
    else:
        print(f"{NAME}: {found['ours']} / {found['peer']} {found['unit']} = {found['ratio']}")


if __name__ == "__main__":
    main()
