"""Stability: domains that are there in any sample are found again, those of noise are not."""

import dataclasses

import numpy as np
import pytest

from climb_assets.clusters.stability import Corpus, label_documents, measure_stability
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


def test_topics_are_found_again_and_noise_is_not() -> None:
    clear = measure_stability(draw_corpus(0.05), SETTINGS, resamples=3, threads=1)
    noise = measure_stability(draw_corpus(3.0), SETTINGS.model_copy(update={"prune": {}}), resamples=3, threads=1)
    assert clear.refused == noise.refused == 0
    assert min(clear.indices) > 0.99
    assert max(noise.indices) < 0.5


def test_the_same_question_has_the_same_answer() -> None:
    corpus = draw_corpus(0.5)
    assert measure_stability(corpus, SETTINGS, resamples=2, threads=1) == measure_stability(
        corpus, SETTINGS, resamples=2, threads=1
    )


def test_documents_of_pruned_clusters_have_no_domain() -> None:
    labels = label_documents(draw_corpus(0.05), SETTINGS, threads=1)
    assert (labels[300:] == -1).all() and (labels[:300] >= 0).all()


def test_a_dimension_that_judges_too_few_prunes_nothing() -> None:
    corpus = draw_corpus(0.05)
    silent = np.where(np.arange(400) % 3, np.nan, corpus.scores["quality"]).astype(np.float32)
    assert (label_documents(dataclasses.replace(corpus, scores={"quality": silent}), SETTINGS, threads=1) >= 0).all()


def test_resamples_without_domains_are_counted() -> None:
    corpus = draw_corpus(0.05).take(np.arange(300))
    three = {"domains": 3, "largest_share": 0.37, "smallest_share": 0.32}
    tight = Clusters(count=3, prune={}, merge_distance=None, balance=three)
    found = measure_stability(corpus, tight, resamples=10, threads=1)
    assert found.refused > 0 and len(found.indices) + found.refused == 10
    impossible = Clusters(count=3, prune={}, merge_distance=None, balance={"domains": 5, "largest_share": 0.5})
    with pytest.raises(ComputeError, match=r"clusters\.balance\.domains is 5 and 3 clusters are kept"):
        measure_stability(corpus, impossible, resamples=1, threads=1)
