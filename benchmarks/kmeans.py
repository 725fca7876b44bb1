"""Seconds of our k-means fit against scikit-learn: same vectors, clusters and iterations, one random start each."""

import argparse
import json
import statistics
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from climb_assets.clusters.kmeans import fit_centroids, nearest_centroids, read_centroids
from climb_assets.config import Clusters
from climb_assets.randomness import generator

NAME = "k-means fit against scikit-learn"


def draw_vectors(documents: int, dimension: int, topics: int) -> NDArray[np.float32]:
    """Return unit vectors around random topics, about as blurred as sentence embeddings are."""
    random = generator(0, "benchmark k-means")
    centres = 0.15 * random.normal(size=(topics, dimension))
    vectors = centres[random.integers(topics, size=documents)] + random.normal(size=(documents, dimension))
    unit: NDArray[np.float32] = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return unit


def fit_ours(vectors: NDArray[np.float32], settings: Clusters) -> NDArray[np.float32]:
    """Return the centroids of `fit_centroids`."""
    with tempfile.TemporaryDirectory() as folder:
        fit_centroids(vectors, settings, None, Path(folder))
        return read_centroids(Path(folder) / "centroids.npy")


def fit_peer(vectors: NDArray[np.float32], settings: Clusters) -> NDArray[np.float32]:
    """Return the centroids of scikit-learn; without a tolerance, so that it does the same iterations."""
    from sklearn.cluster import KMeans

    peer = KMeans(
        settings.count, init="random", n_init=1, max_iter=settings.iterations, tol=0, random_state=settings.seed
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(peer.fit(vectors).cluster_centers_, np.float32)


def run(documents: int, dimension: int, clusters: int, repeats: int) -> dict[str, object]:
    """Measure; the two take turns."""
    vectors = draw_vectors(documents, dimension, topics=clusters // 2)
    settings = Clusters(count=clusters)
    times: dict[str, list[float]] = {"ours": [], "peer": []}
    inertia: dict[str, float] = {}
    for _ in range(repeats):
        for name, fit in (("ours", fit_ours), ("peer", fit_peer)):
            started = time.perf_counter()
            centroids = fit(vectors, settings)
            times[name].append(time.perf_counter() - started)
            inertia[name] = float(np.square(nearest_centroids(vectors, centroids)[1]).sum())
    ours, peer = (statistics.median(times[name]) for name in ("ours", "peer"))
    return {
        "name": NAME,
        "ours": round(ours, 3),
        "peer": round(peer, 3),
        "ratio": round(peer / ours, 3),
        "unit": "s",
        "details": {
            "documents": documents,
            "dimension": dimension,
            "clusters": clusters,
            "iterations": settings.iterations,
            "inertia_ratio": round(inertia["ours"] / inertia["peer"], 4),
            "seconds": {name: [round(value, 3) for value in values] for name, values in times.items()},
        },
    }


def main() -> None:
    """Parse the command line and print one object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--dimension", type=int, default=384)
    parser.add_argument("--clusters", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    found = run(arguments.documents, arguments.dimension, arguments.clusters, arguments.repeats)
    if arguments.json:
        print(json.dumps(found))
    else:
        print(f"{NAME}: {found['ours']} / {found['peer']} {found['unit']} = {found['ratio']}")


if __name__ == "__main__":
    main()
