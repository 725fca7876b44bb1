"""The map of clusters: a small picture, whatever there is to draw."""

import io

import numpy as np
import pyarrow as pa
import pytest
from matplotlib import colormaps
from matplotlib.image import imread

from climb_assets.clusters.figures import cluster_map


@pytest.mark.parametrize("domains", [2, 25])
def test_the_map_is_a_small_png(domains: int) -> None:
    centroids = np.random.default_rng(0).normal(size=(300, 16)).astype(np.float32)
    of_cluster = [None if cluster % 7 == 0 else cluster % domains for cluster in range(300)]
    names = pa.table({"domain": range(domains), "name": [f"some three terms {i}" for i in range(domains)]})
    png = cluster_map(centroids, pa.table({"cluster": range(300), "domain": of_cluster}), names)
    assert png.startswith(b"\x89PNG")
    assert len(png) < 60_000


def test_a_band_is_seen_below_the_one_that_lies_on_it() -> None:
    clusters = pa.table({"cluster": range(4), "domain": [0, 1, 0, 1]})
    whole = pa.table({"domain": [0, 1], "name": ["poor", "good"]})
    parted = whole.append_column("band", pa.array([0, 1]))
    centroids = np.repeat(np.eye(2, 3, dtype=np.float32), 2, axis=0)
    first = np.array(colormaps["tab20"](0)[:3])

    def pixels(domains: pa.Table) -> int:
        drawn = imread(io.BytesIO(cluster_map(centroids, clusters, domains)))[..., :3]
        left = drawn[:, : drawn.shape[1] // 2]  # without the legend
        return int((np.abs(left - first).max(axis=2) < 0.05).sum())

    assert pixels(whole) == 0 < pixels(parted)


def test_the_same_clusters_give_the_same_picture() -> None:
    clusters = pa.table({"cluster": [0, 1, 2], "domain": [0, 1, None]})
    names = pa.table({"domain": [0, 1], "name": ["one", "two"]})
    centroids = np.eye(3, dtype=np.float32)
    assert cluster_map(centroids, clusters, names) == cluster_map(centroids, clusters, names)
