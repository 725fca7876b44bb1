"""Mixtures keep their identity and stay on the simplex."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from climb_assets.errors import ComputeError
from climb_assets.simplex.mixtures import (
    affinity,
    check_simplex,
    content_numbers,
    floor_and_round,
    is_among,
    mixture_key,
    normalise,
    project,
)

positive = arrays(np.float64, st.integers(2, 12), elements=st.floats(1e-3, 1e3))
floors = st.sampled_from([0.0, 1e-4, 2e-4, 3e-4, 0.01, 0.03, 0.068])


@given(positive, floors)
def test_rounding_stays_on_the_simplex_and_near_the_wanted_weights(raw, floor):
    weights = normalise(raw)
    rounded = floor_and_round(weights, floor)
    check_simplex(rounded, len(weights))
    assert ((rounded == 0) | (rounded >= floor * (1 - 1e-9))).all()
    kept = normalise(np.where(weights < floor, 0, weights))
    step = max(floor * 1.1, 1e-6)
    assert np.abs(rounded - kept).max() <= step


@given(positive, floors)
def test_rounding_twice_changes_nothing(raw, floor):
    once = floor_and_round(raw, floor)
    assert mixture_key(floor_and_round(once, floor)) == mixture_key(once)


@given(positive)
def test_a_batch_is_rounded_row_by_row(raw):
    batch = np.stack([raw, raw[::-1]])
    np.testing.assert_array_equal(floor_and_round(batch, 2e-4)[0], floor_and_round(raw, 2e-4))


def test_rounded_weights_are_whole_steps_that_sum_to_one_exactly():
    counts = np.rint(floor_and_round([1, 1, 1], 2e-4) * 5000)
    assert counts.tolist() == [1667, 1667, 1666]


def test_what_rounding_would_lift_above_a_ceiling_stays_below_it():
    ceiling = np.array([0.33335, 1.0, 1.0])  # the nearest step of 2e-4 is .3334
    assert floor_and_round([1, 1, 1], 2e-4)[0] > ceiling[0]
    assert floor_and_round([1, 1, 1], 2e-4, ceiling=ceiling).tolist() == [0.3332, 0.3334, 0.3334]
    assert floor_and_round([1, 1, 0], 2e-4, floor=[0, 0, 1e-4])[2] == 2e-4


def test_limits_that_leave_one_mixture_give_that_one():
    only = np.array([0.2, 0.3, 0.5])
    batch = np.random.default_rng(0).dirichlet(np.ones(3), 50)
    for floor, ceiling in ((only, np.ones(3)), (np.zeros(3), only), (only, only)):
        np.testing.assert_allclose(project(batch, floor, ceiling), np.tile(only, (50, 1)), atol=1e-12)
        np.testing.assert_allclose(floor_and_round(batch, 1e-3, floor, ceiling), np.tile(only, (50, 1)), atol=1e-12)


def test_limits_between_two_steps_of_the_grid_are_refused():
    with pytest.raises(ComputeError, match="min_weight"):
        floor_and_round([0.5, 0.5], 0.01, [0.251, 0], [0.259, 1])


def test_the_key_ignores_noise_below_six_decimals_and_sees_order():
    assert mixture_key([0.25, 0.75]) == mixture_key([0.25 + 1e-9, 0.75 - 1e-9]) == mixture_key(np.array([0.25, 0.75]))
    assert mixture_key([0.25, 0.75]) != mixture_key([0.75, 0.25])
    assert mixture_key([0.0, 1.0]) == mixture_key([-0.0, 1.0])
    assert len(mixture_key([1.0])) == 16


def test_is_among_finds_equal_mixtures_only():
    tried = np.array([[0.5, 0.5], [1.0, 0.0]])
    found = is_among(np.array([[0.5, 0.5], [0.4, 0.6], [1.0 - 1e-12, 1e-12]]), tried)
    assert found.tolist() == [True, False, True]


def test_content_numbers_go_with_the_mixture_and_not_with_its_place():
    mixtures = np.random.default_rng(1).dirichlet(np.ones(6), 1000).round(6)
    numbers = content_numbers(mixtures)
    assert len(set(numbers.tolist())) == 1000
    np.testing.assert_array_equal(content_numbers(mixtures[::-1] + 1e-9), numbers[::-1])


def test_affinity_is_one_for_the_same_mixture_and_none_where_nothing_is_shared():
    roots = np.sqrt([[0.5, 0.5, 0], [0, 0, 1.0], [0.25, 0.25, 0.5]])
    np.testing.assert_allclose(affinity(roots, roots[0]), [1, 0, np.sqrt(0.5)])


@pytest.mark.parametrize("weights", [[0.5, 0.4], [1.2, -0.2], [np.nan, 1.0], [0.2, 0.3, 0.5]])
def test_what_is_no_mixture_is_refused(weights):
    with pytest.raises(ComputeError):
        check_simplex(weights, 2)


def test_weights_that_are_all_too_small_are_refused():
    with pytest.raises(ComputeError, match="min_weight"):
        floor_and_round(np.full(20, 0.05), 0.09)
