"""What is chosen is wanted, apart, and the same whatever the order of the pool."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from climb_assets import config_search
from climb_assets.search.acquisition import acquire, expected_improvement
from climb_assets.search.prediction import Prediction
from climb_assets.simplex.mixtures import mixture_key

KINDS = ["greedy", "published", "expected_improvement", "lower_bound"]
POOL = np.random.default_rng(0).dirichlet(np.ones(5), 500)


def predicted(pool, deviation=0.1):
    return Prediction(pool[:, 0] ** 2, np.full(len(pool), deviation))


def rng():
    return np.random.default_rng(1)


def rule(kind, **values):
    return config_search.Acquisition(kind=kind, **values)


def distances(mixtures):
    apart = np.abs(mixtures[:, None] - mixtures[None]).sum(axis=2) / 2
    return apart[np.triu_indices(len(mixtures), 1)]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(KINDS), st.integers(1, 20), st.integers(0, 5), st.sampled_from([0.0, 0.02, 0.9]))
def test_as_many_as_asked_for_and_no_mixture_twice(kind, count, seed, separation):
    pool = np.random.default_rng(seed).dirichlet(np.full(4, 0.5), 20)
    chosen = acquire(pool, predicted(pool), 0.1, count, rule(kind, separation=separation), rng())
    assert len(set(chosen.tolist())) == count


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("constant", [False, True])
def test_the_choice_does_not_depend_on_the_order_of_the_pool(kind, constant):
    shuffled = POOL[np.random.default_rng(3).permutation(len(POOL))]

    def names(pool):
        prediction = Prediction(np.ones(len(pool)), np.ones(len(pool))) if constant else predicted(pool)
        chosen = acquire(pool, prediction, 0.1, 8, rule(kind, top=50), rng())
        return [mixture_key(pool[index]) for index in chosen]

    assert names(POOL) == names(shuffled)


def test_greedy_takes_the_least_mean_first():
    chosen = acquire(POOL, predicted(POOL), 0.1, 10, rule("greedy", separation=0.0), rng())
    np.testing.assert_array_equal(chosen, np.argsort(POOL[:, 0])[:10])


@pytest.mark.parametrize("kind", ["greedy", "expected_improvement", "lower_bound"])
def test_no_two_are_near_identical(kind):
    copies = np.repeat(POOL[:50], 10, axis=0) * (1 + np.random.default_rng(4).uniform(-0.01, 0.01, (500, 5)))
    copies /= copies.sum(axis=1, keepdims=True)
    chosen = acquire(copies, predicted(copies), 0.1, 20, rule(kind, separation=0.02), rng())
    assert distances(copies[chosen]).min() >= 0.02


def test_separation_gives_way_only_as_far_as_it_must():
    line = np.linspace(0, 1, 5)
    pool = np.stack([line, 1 - line], axis=1)
    chosen = acquire(pool, predicted(pool), 0.1, 3, rule("greedy", separation=0.6), rng())
    assert pool[chosen, 0].tolist() == [0.0, 0.75, 0.25]
    assert len(acquire(pool, predicted(pool), 0.1, 5, rule("greedy", separation=0.6), rng())) == 5


def test_what_others_have_taken_is_kept_clear_of():
    first = POOL[acquire(POOL, predicted(POOL), 0.1, 5, rule("greedy"), rng())]
    free = POOL[~(POOL[:, None] == first).all(axis=2).any(axis=1)]
    second = free[acquire(free, predicted(free), 0.1, 5, rule("greedy", separation=0.1), rng(), apart_from=first)]
    assert (np.abs(second[:, None] - first[None]).sum(axis=2) / 2).min() >= 0.1


def test_the_published_rule_draws_from_the_head_alone():
    head = set(np.argsort(POOL[:, 0])[:30].tolist())
    same = rng()
    draws = [acquire(POOL, predicted(POOL), 0.1, 4, rule("published", top=30), same) for _ in range(40)]
    assert set(np.concatenate(draws).tolist()) == head


def test_the_published_head_holds_at_least_the_square_of_what_is_drawn():
    head = np.argsort(POOL[:, 0])[:36]
    same = rng()
    draws = [acquire(POOL, predicted(POOL), 0.1, 6, rule("published", top=1), same) for _ in range(60)]
    assert set(np.concatenate(draws).tolist()) == set(head.tolist())


@pytest.mark.parametrize("kind", ["expected_improvement", "lower_bound"])
def test_uncertainty_is_worth_a_look(kind):
    deviation = np.full(len(POOL), 0.01)
    doubtful = int(np.argsort(POOL[:, 0])[5])
    deviation[doubtful] = 1.0
    prediction = Prediction(POOL[:, 0] ** 2, deviation)
    best = float(prediction.mean.min())
    assert acquire(POOL, prediction, best, 1, rule(kind), rng())[0] == doubtful
    assert acquire(POOL, prediction, best, 1, rule("greedy"), rng())[0] == np.argmin(POOL[:, 0])


def test_a_batch_does_not_spend_itself_on_one_doubt():
    near = POOL[:1] + np.random.default_rng(5).uniform(-0.01, 0.01, (30, 5)) * POOL[:1]
    pool = np.concatenate([near / near.sum(axis=1, keepdims=True), POOL[1:100]])
    deviation = np.where(np.arange(len(pool)) < 30, 1.0, 0.5)
    prediction = Prediction(np.zeros(len(pool)), deviation)
    chosen = acquire(pool, prediction, 0.0, 5, rule("lower_bound", separation=0.0), rng())
    assert (chosen < 30).sum() == 1


def test_expected_improvement_equals_its_definition():
    draws = np.random.default_rng(6).normal(1.0, 0.5, 400_000)
    found = expected_improvement(np.array([1.0, 1.0, 3.0]), np.array([0.5, 0.0, 0.0]), 1.2)
    np.testing.assert_allclose(found, [np.maximum(1.2 - draws, 0).mean(), 0.2, 0.0], atol=2e-3)


def test_where_nothing_can_improve_the_nearest_miss_is_taken():
    prediction = Prediction(POOL[:, 0] + 100, np.full(len(POOL), 1e-3))
    chosen = acquire(POOL, prediction, 0.0, 1, rule("expected_improvement"), rng())
    assert chosen[0] == np.argmin(POOL[:, 0])
