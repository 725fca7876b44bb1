"""Balanced domains: bounds hold or are refused, no cluster is split, order changes nothing, advice has been tried."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from climb_assets.clusters.balancing import SLACK, Bounds, balance_clusters, explain_unbalanced
from climb_assets.config_balance import Balance
from climb_assets.config_file import load_config
from climb_assets.errors import ComputeError
from climb_assets.graph.materializer import Materializer
from climb_assets.tables import read_table

ADVICE = re.compile(r"largest_share to (\S+) and clusters\.balance\.smallest_share to (\S+), which was tried$")


def draw_centroids(clusters: int, seed: int) -> NDArray[np.float32]:
    """Return points around a few topics."""
    random = np.random.default_rng(seed)
    topics = random.normal(size=(max(2, clusters // 4), 5))
    return (topics[random.integers(len(topics), size=clusters)] + 0.3 * random.normal(size=(clusters, 5))).astype("f4")


@st.composite
def demands(draw: st.DrawFn) -> tuple[NDArray[np.float32], NDArray[np.int64], Bounds]:
    """Draw clusters, and bounds that a whole can be parted within though these clusters perhaps cannot."""
    tokens = draw(st.lists(st.integers(1, 60), min_size=4, max_size=18))
    domains = draw(st.integers(2, len(tokens)))
    least, most = draw(st.floats(0, 1)) / domains, draw(st.floats(1, domains)) / domains
    return draw_centroids(len(tokens), draw(st.integers(0, 99))), np.array(tokens), Bounds(domains, least, most)


def shares_of(labels: NDArray[np.int64], tokens: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.bincount(labels, tokens) / tokens.sum()


def together(labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which clusters are of one domain (n, n): the domains without their labels."""
    return labels[:, None] == labels


@settings(max_examples=30, deadline=None)
@given(demand=demands(), random=st.randoms(use_true_random=False))
def test_bounds_hold_or_are_refused_and_the_order_of_clusters_changes_nothing(demand, random) -> None:
    centroids, tokens, bounds = demand
    labels = balance_clusters(centroids, tokens, bounds)
    order = np.array(random.sample(range(len(tokens)), len(tokens)))
    again = balance_clusters(centroids[order], tokens[order], bounds)
    if labels is None:
        assert again is None
        return
    assert set(labels.tolist()) == set(range(bounds.domains)) and len(labels) == len(tokens)
    shares = shares_of(labels, tokens)
    assert shares.max() <= bounds.most + SLACK and shares.min() >= bounds.least - SLACK
    assert again is not None and np.array_equal(together(again), together(labels[order]))


def parts(tokens: list[int], domains: int) -> list[list[int]]:
    """Return what the domains hold, for every way to share out clusters."""
    if not tokens:
        return [[0] * domains]
    return [
        [held + tokens[0] * (place == domain) for place, held in enumerate(rest)]
        for rest in parts(tokens[1:], domains)
        for domain in range(domains)
    ]


@settings(max_examples=30, deadline=None)
@given(
    tokens=st.lists(st.integers(1, 20), min_size=3, max_size=7),
    domains=st.integers(2, 3),
    least=st.floats(0.05, 1),
    most=st.floats(1, 2),
)
def test_what_is_refused_cannot_be_kept(tokens: list[int], domains: int, least: float, most: float) -> None:
    bounds, whole = Bounds(domains, least / domains, most / domains), sum(tokens)
    found = balance_clusters(draw_centroids(len(tokens), 0), np.array(tokens), bounds)
    inside = [
        way
        for way in parts(tokens, domains)
        if min(way) >= (bounds.least + 2 * SLACK) * whole and max(way) <= (bounds.most - 2 * SLACK) * whole
    ]
    assert found is not None or not inside


@settings(max_examples=15, deadline=None)
@given(demand=demands())
def test_what_is_advised_can_be_kept(demand) -> None:
    centroids, tokens, bounds = demand
    if balance_clusters(centroids, tokens, bounds) is None:
        largest, smallest = map(float, ADVICE.search(explain_unbalanced(centroids, tokens, bounds)).groups())
        advised = Balance(domains=bounds.domains, largest_share=largest, smallest_share=smallest)
        assert balance_clusters(centroids, tokens, Bounds.of(advised, int(tokens.sum()), 0)) is not None


def test_where_ward_keeps_the_bounds_nothing_changes() -> None:
    centroids = np.array([[0, 0], [0.1, 0], [5, 0], [9, 0]], np.float32)
    labels = balance_clusters(centroids, np.array([4, 3, 2, 1]), Bounds(3, 0.1, 0.7))
    assert np.array_equal(together(labels), together(np.array([0, 0, 1, 2])))


def test_a_large_domain_is_parted_and_an_outlier_is_none() -> None:
    crowd = [[0, 0], [0.1, 0], [4, 0], [4.1, 0]]
    centroids = np.array([*crowd, [0, 50]], np.float32)  # Ward's two domains are the crowd and the outlier
    labels = balance_clusters(centroids, np.array([24, 24, 25, 25, 2]), Bounds(2, 0.3, 0.6))
    assert np.array_equal(together(labels)[:4, :4], together(np.array([0, 0, 1, 1])))


def test_a_cluster_that_is_too_large_by_itself_is_named() -> None:
    told = explain_unbalanced(draw_centroids(6, 0), np.array([50, 10, 10, 10, 10, 10]), Bounds(3, 0.2, 0.4))
    assert told.startswith(
        "one cluster alone holds 0.5 of the tokens and none is split, so raise clusters.count or set"
    )
    assert ADVICE.search(told).groups() == ("0.5", "0.2")


def test_too_few_clusters_are_named() -> None:
    told = explain_unbalanced(draw_centroids(4, 0), np.ones(4, np.int64), Bounds(5, 0, 1))
    assert told.startswith("clusters.balance.domains is 5 and 4 clusters are kept; lower it")


def test_a_budget_beyond_the_corpus_is_named() -> None:
    tokens = np.full(6, 100)
    bounds = Bounds.of(Balance(domains=3, largest_share=0.5), 600, needed=1200)
    assert balance_clusters(draw_centroids(6, 0), tokens, bounds) is None
    told = explain_unbalanced(draw_centroids(6, 0), tokens, bounds)
    assert told.startswith("mixture.tokens / mixture.max_epochs is 2 times the tokens of all clusters")


def test_the_budget_says_how_small_a_domain_may_be() -> None:
    found = Bounds.of(Balance(domains=4, largest_share=0.5), 1000, needed=200)
    assert found == Bounds(4, 0.05, 0.5)
    assert Bounds.of(Balance(domains=4, largest_share=0.5, smallest_share=0.1), 1000, needed=200).least == 0.1


def test_the_domains_of_a_lake_keep_its_bounds_and_its_budget(lake: Path, tmp_path: Path) -> None:
    shutil.copytree(lake / "data_lake", tmp_path / "data_lake")
    settings = yaml.safe_load((lake / "climb.yaml").read_text())

    def make(tokens: int) -> list[int]:
        clusters = {**settings["clusters"], "domains": None, "balance": {"domains": 2, "largest_share": 0.6}}
        changed = settings | {"clusters": clusters, "mixture": {"tokens": tokens}}
        (tmp_path / "climb.yaml").write_text(yaml.safe_dump(changed))
        climb = Materializer(load_config(tmp_path / "climb.yaml"))
        climb.make("domains")
        supply = climb.make("domain_supply").artifact.file("supply.parquet")
        return read_table(supply)["tokens"].to_pylist()

    held = make(12_000)  # four epochs at most, so each of two domains needs 1,500
    assert len(held) == 2 and min(held) >= 1500 and max(held) <= 0.6 * sum(held)
    with pytest.raises(ComputeError, match=r"^mixture\.tokens / mixture\.max_epochs is \S+ times the tokens"):
        make(10_000_000)
