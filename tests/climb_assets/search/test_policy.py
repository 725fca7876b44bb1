"""A policy spends its budget on different members of the pool, learns from them, and does the same every time."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from climb_assets.errors import ComputeError
from climb_assets.search.policy import POLICIES, run_search, split_budget

DOMAINS = 5
OBJECTIVE = {"arc": 1.0, "piqa": 3.0}


def problem(rows=120, seed=0):
    """Return a pool and two smooth tasks that disagree on what is best."""
    pool = np.random.default_rng(seed).dirichlet(np.full(DOMAINS, 0.7), rows)
    roots = np.sqrt(pool)
    losses = {"arc": 3 - roots[:, 0] - 0.5 * roots[:, 1], "piqa": 3 - roots[:, 2] - 0.3 * roots[:, 0]}
    return pool, losses, (losses["arc"] + 3 * losses["piqa"]) / 4


def search(name, budget=14, seed=1, rows=120):
    pool, losses, objective = problem(rows)
    done = run_search(
        POLICIES[name], pool, lambda chosen: {k: v[chosen] for k, v in losses.items()}, OBJECTIVE, budget, seed
    )
    return done, pool, objective


@given(ratio=st.lists(st.integers(1, 9), min_size=1, max_size=6), budget=st.integers(1, 500))
def test_a_split_spends_the_budget_exactly(ratio, budget):
    counts = split_budget(tuple(ratio), budget)
    assert sum(counts) == budget and min(counts) > 0 and len(counts) <= len(ratio)


def test_the_published_budget_is_split_as_published():
    assert split_budget(POLICIES["climb"].settings.iterations, 112) == [64, 32, 16]


@pytest.mark.parametrize("name", POLICIES)
def test_the_budget_is_spent_on_different_mixtures(name):
    done, pool, _ = search(name)
    shots = len(split_budget(POLICIES[name].settings.iterations, 14))
    picks = 1 if shots == 1 and POLICIES[name].answers else 0
    assert len(set(done.measured.tolist())) == len(done.measured) == 14 + picks
    assert np.array_equal(done.history.weights, pool[done.measured[:14]])
    assert done.history.iteration.max() == shots


@pytest.mark.parametrize("name", ["default", "climb", "gaussian_process_ei"])
def test_later_iterations_look_where_it_is_better(name):
    done, _, objective = search(name, budget=42)
    measured = objective[done.measured]
    assert measured[24:].mean() < measured[:24].mean() - 0.5 * measured[:24].std()


def test_the_default_finds_what_random_search_misses():
    found = {}
    for name in ("default", "random"):
        done, _, objective = search(name, budget=21, rows=400)
        found[name] = np.sort(objective).searchsorted(objective[done.measured].min())
    assert found["default"] < found["random"]


@settings(deadline=None, max_examples=5)
@given(seed=st.integers(0, 100))
def test_the_same_seed_searches_the_same_way(seed):
    pool, losses, _ = problem()
    first = run_search(POLICIES["climb"], pool, lambda c: {k: v[c] for k, v in losses.items()}, OBJECTIVE, 14, seed)
    again = run_search(POLICIES["climb"], pool, lambda c: {k: v[c] for k, v in losses.items()}, OBJECTIVE, 14, seed)
    assert np.array_equal(first.measured, again.measured)
    assert np.array_equal(first.predict(pool).mean, again.predict(pool).mean)


def test_a_policy_picks_by_its_rule():
    cautious, pool, _ = search("default")
    published, _, _ = search("climb")
    assert published.pick(pool) == np.argmin(published.predict(pool).mean)
    assert cautious.caution == 1 and published.caution == 0
    bold = replace(cautious, caution=0.0)
    assert bold.pick(pool) == np.argmin(bold.predict(pool).mean)


def test_a_policy_without_predictor_predicts_nothing():
    assert search("random")[0].predictors == {}


def test_a_pool_smaller_than_the_budget_is_refused():
    with pytest.raises(ComputeError, match="20 different ones are left"):
        search("random", budget=30, rows=20)
