"""Stability: domains that are there in any sample are found again, those of noise are not."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from climb_assets.clusters.kmeans import fit_centroids, read_centroids
from climb_assets.clusters.stability import Corpus, Fit, label_documents, measure_stability
from climb_assets.config import Clusters
from climb_assets.errors import ComputeError


def draw_corpus(spread: float) -> Corpus:
    """Return 400 documents around four topics, as far apart as their spread allows; one topic is poor."""
    random = np.random.default_rng(0)
    topic = np.repeat(np.arange(4), 100)
    vectors = np.eye(4, 16)[topic] + spread * random.normal(size=(400, 16))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = np.where(topic == 3, 1.0, 4.0).astype(np.float32)
    return Corpus(vectors.astype(np.float32), random.integers(50, 90, size=400), {"quality": scores})


SETTINGS = Clusters(count=8, prune={"quality": 2.0}, merge_distance=None, domains=3)


@pytest.fixture
def fit(tmp_path: Path) -> Fit:
    """Return the fit of eight clusters."""

    def fit_eight(vectors: np.ndarray) -> np.ndarray:
        fit_centroids(vectors, SETTINGS, 1, tmp_path)
        return read_centroids(tmp_path / "centroids.npy")

    return fit_eight


def test_topics_are_found_again_and_noise_is_not(fit: Fit) -> None:
    clear = measure_stability(draw_corpus(0.05), SETTINGS, fit, resamples=3)
    noise = measure_stability(draw_corpus(3.0), SETTINGS.model_copy(update={"prune": {}}), fit, resamples=3)
    assert clear.refused == noise.refused == 0
    assert min(clear.indices) > 0.99
    assert max(noise.indices) < 0.5


def test_the_same_question_has_the_same_answer(fit: Fit) -> None:
    corpus = draw_corpus(0.5)
    first = measure_stability(corpus, SETTINGS, fit, resamples=2)
    assert measure_stability(corpus, SETTINGS, fit, resamples=2) == first


def test_documents_of_pruned_clusters_have_no_domain(fit: Fit) -> None:
    labels = label_documents(draw_corpus(0.05), SETTINGS, fit)
    assert (labels[300:] == -1).all() and (labels[:300] >= 0).all()


def test_documents_of_two_bands_share_no_domain(fit: Fit) -> None:
    corpus = draw_corpus(0.05)
    good = np.arange(400) % 2 == 0
    corpus = dataclasses.replace(corpus, scores={"quality": np.where(good, 4.0, 1.0).astype(np.float32)})
    cells = {"cells": {"dimension": "quality", "thresholds": [2.0]}, "prune": {}}
    labels = label_documents(corpus, Clusters.model_validate(SETTINGS.model_dump() | cells), fit)
    assert len(set(labels[good])) == len(set(labels[~good])) == 3 and not set(labels[good]) & set(labels[~good])
    whole = label_documents(corpus, SETTINGS.model_copy(update={"prune": {}}), fit)
    assert len(set(zip(labels, whole, strict=True))) == 6  # each is a part of one


def test_a_dimension_that_judges_too_few_prunes_nothing(fit: Fit) -> None:
    corpus = draw_corpus(0.05)
    silent = np.where(np.arange(400) % 3, np.nan, corpus.scores["quality"]).astype(np.float32)
    corpus = dataclasses.replace(corpus, scores={"quality": silent})
    assert (label_documents(corpus, SETTINGS, fit) >= 0).all()


def test_resamples_without_domains_are_counted(fit: Fit) -> None:
    corpus = draw_corpus(0.05).take(np.arange(300))
    tight = {"domains": 3, "largest_share": 0.345, "smallest_share": 0.32}
    found = measure_stability(corpus, bounded(tight), fit, resamples=10)
    assert 0 < found.refused < 10 and len(found.indices) + found.refused == 10
    with pytest.raises(ComputeError, match=r"clusters\.balance\.domains is 9 and 8 clusters are kept"):
        measure_stability(corpus, bounded({"domains": 9, "largest_share": 0.5}), fit, resamples=1)


def bounded(balance: dict[str, float]) -> Clusters:
    """Return settings of eight clusters and balanced domains."""
    return Clusters(count=8, prune={}, merge_distance=None, balance=balance)
