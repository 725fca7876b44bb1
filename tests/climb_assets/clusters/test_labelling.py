"""A stream of texts is embedded and compared as a shard of the lake is, whatever stands between its documents."""

import hashlib
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from climb_assets.clusters import labelling
from climb_assets.clusters.kmeans import nearest_centroids, two_nearest_centroids
from climb_assets.clusters.labelling import Labelling, Method
from climb_assets.corpus.documents import document_id
from climb_assets.embeddings.parts import cut_parts
from climb_assets.errors import ComputeError

DIMENSION, SHORTEST = 6, 4
CENTROIDS = np.random.default_rng(0).normal(size=(5, DIMENSION)).astype(np.float32)
TEXTS = st.lists(st.integers(0, 60).map(lambda number: "x" * (number % 9) + str(number)), max_size=120)


def encode(texts: Sequence[str]) -> NDArray[np.float16]:
    """Return vectors that depend on all texts that are embedded together, far more than those of an encoder do."""
    seed = int.from_bytes(hashlib.sha256("\n".join(texts).encode()).digest()[:8], "big")
    vectors = np.random.default_rng(seed).normal(size=(len(texts), DIMENSION))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)


def label(texts: Sequence[str], most: int = 7) -> list[tuple[int, labelling.Label]]:
    return list(Labelling(enumerate(texts), Method(encode, CENTROIDS, most, SHORTEST)))


def of_a_shard(texts: Sequence[str], most: int, block: int) -> dict[str, tuple[int, float]]:
    """Return cluster and distance by id as the lake finds them: filter, embed in parts, assign in blocks."""
    documents = {document_id(text): text for text in texts if len(text) >= SHORTEST}
    vectors = [encode(part) for _, part in cut_parts(documents.items(), most)]
    joined = np.concatenate(vectors).astype(np.float32) if vectors else np.empty((0, DIMENSION), np.float32)
    joined /= np.linalg.norm(joined, axis=1, keepdims=True)
    found: list[tuple[int, float]] = []
    for start in range(0, len(joined), block):
        clusters, distances = nearest_centroids(joined[start : start + block], CENTROIDS)
        found += zip(clusters.tolist(), distances.tolist(), strict=True)
    return dict(zip(documents, found, strict=True))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=TEXTS, most=st.integers(1, 12), block=st.integers(1, 40))
def test_documents_have_the_labels_of_a_shard(
    monkeypatch: pytest.MonkeyPatch, texts: list[str], most: int, block: int
) -> None:
    monkeypatch.setattr(labelling, "BLOCK", block)
    expected = of_a_shard(texts, most, block)
    for key, found in label(texts, most):
        assert found.id == document_id(texts[key])
        if len(texts[key]) >= SHORTEST:
            assert (found.cluster, found.distance) == expected[found.id]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=TEXTS, most=st.integers(1, 12), remembered=st.integers(1, 30), waiting=st.integers(1, 30))
def test_every_text_comes_out_once_and_in_order_however_little_is_held(
    monkeypatch: pytest.MonkeyPatch, texts: list[str], most: int, remembered: int, waiting: int
) -> None:
    monkeypatch.setattr(labelling, "REMEMBERED", remembered)
    monkeypatch.setattr(labelling, "MOST_WAITING", waiting)
    found = label(texts, most)
    assert [key for key, _ in found] == list(range(len(texts)))
    assert all(0 <= one.cluster < len(CENTROIDS) and one.distance > 0 for _, one in found)


def test_texts_are_read_as_they_are_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labelling, "BLOCK", 10)
    read: list[int] = []

    def texts():
        for number in range(1000):
            read.append(number)
            yield number, f"text number {number}"

    found = iter(Labelling(texts(), Method(encode, CENTROIDS, 7, SHORTEST)))
    next(found)
    assert len(read) < 40


def test_a_file_of_repeats_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labelling, "MOST_WAITING", 50)
    read = 0

    def texts():
        nonlocal read
        for number in range(1000):
            read += 1
            yield number, "the same text"

    next(iter(Labelling(texts(), Method(encode, CENTROIDS, 7, SHORTEST))))
    assert read == 50


def test_a_vector_that_is_none_is_refused() -> None:
    method = Method(lambda texts: np.full((len(texts), DIMENSION), np.nan, np.float16), CENTROIDS, 7, SHORTEST)
    with pytest.raises(ComputeError, match="no usable vector for the text that begins with 'river'"):
        list(Labelling([(0, "river")], method))


def test_the_margin_is_how_much_farther_the_second_centroid_is() -> None:
    vectors = encode([str(number) for number in range(50)])
    clusters, distances, margins = two_nearest_centroids(vectors, CENTROIDS)
    unit = vectors.astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    all_distances = np.sort(np.linalg.norm(unit[:, None] - CENTROIDS[None], axis=2), axis=1)
    np.testing.assert_allclose(distances, all_distances[:, 0], rtol=1e-5)
    np.testing.assert_allclose(margins, all_distances[:, 1] - all_distances[:, 0], atol=1e-5)
    assert (clusters == np.linalg.norm(unit[:, None] - CENTROIDS[None], axis=2).argmin(axis=1)).all()
