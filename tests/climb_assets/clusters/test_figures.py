"""The map of clusters: a small drawing, whatever there is to draw."""

import xml.etree.ElementTree as ET

import numpy as np
import pyarrow as pa
import pytest

from climb_assets.clusters.figures import cluster_map
from climb_assets.pictures.svg import stand_alone

CIRCLE = "{http://www.w3.org/2000/svg}circle"


@pytest.mark.parametrize("domains", [2, 25])
def test_the_map_has_a_mark_for_each_cluster_and_a_number_for_each_domain(domains: int) -> None:
    centroids = np.random.default_rng(0).normal(size=(300, 16)).astype(np.float32)
    of_cluster = [None if cluster % 7 == 0 else cluster % domains for cluster in range(300)]
    names = pa.table({"domain": range(domains), "name": [f"some <three> terms {i}" for i in range(domains)]})
    drawing = cluster_map(centroids, pa.table({"cluster": range(300), "domain": of_cluster}), names)
    assert len(stand_alone(drawing)) < 60_000
    found = ET.fromstring(drawing)
    kept = [circle for circle in found.iter(CIRCLE) if "edge" in circle.attrib["class"]]
    assert len(kept) == sum(domain is not None for domain in of_cluster)
    texts = ["".join(text.itertext()) for text in found.iter("{http://www.w3.org/2000/svg}text")]
    assert {str(domain) for domain in range(domains)} <= set(texts)


def test_a_band_is_seen_below_the_one_that_lies_on_it() -> None:
    clusters = pa.table({"cluster": range(4), "domain": [0, 1, 0, 1]})
    names = pa.table({"domain": [0, 1], "name": ["poor", "good"], "band": [0, 1]})
    centroids = np.repeat(np.eye(2, 3, dtype=np.float32), 2, axis=0)
    circles = list(ET.fromstring(cluster_map(centroids, clusters, names)).iter(CIRCLE))
    marks = [(one.attrib["class"], float(one.attrib["r"])) for one in circles if "edge" in one.attrib["class"]]
    assert [kind for kind, _ in marks] == ["f-c0 edge"] * 2 + ["f-c1 edge"] * 2  # the lower band is drawn first
    assert marks[0][1] > marks[2][1]


def test_the_same_clusters_give_the_same_picture() -> None:
    clusters = pa.table({"cluster": [0, 1, 2], "domain": [0, 1, None]})
    names = pa.table({"domain": [0, 1], "name": ["one", "two"]})
    centroids = np.eye(3, dtype=np.float32)
    assert cluster_map(centroids, clusters, names) == cluster_map(centroids, clusters, names)
