"""An objective is a weighted mean; a floor is kept or broken by so much; a front holds what nothing beats."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from climb_assets.errors import ComputeError
from climb_assets.search.objectives import NoRegression, objective_loss, pareto_front


def test_weights_are_normalised_and_other_tasks_ignored():
    losses = {"a": 1.0, "b": 2.0, "unused": 99.0}
    assert objective_loss(losses, {"a": 1, "b": 3}) == pytest.approx(1.75)
    assert objective_loss(losses, {"b": 30, "a": 10}) == objective_loss(losses, {"a": 1, "b": 3})


def test_arrays_are_combined_row_by_row():
    losses = {"a": np.array([1.0, 3.0]), "b": np.array([2.0, 5.0])}
    np.testing.assert_allclose(objective_loss(losses, {"a": 1, "b": 1}), [1.5, 4.0])


def test_a_task_that_was_not_measured_is_named():
    with pytest.raises(ComputeError, match="piqa"):
        objective_loss({"a": 1.0}, {"a": 1, "piqa": 1})


def test_a_floor_is_broken_by_what_the_worst_task_loses_beyond_what_is_allowed():
    guard = NoRegression({"a": 0.1, "b": 0.0}, {"a": 1.0, "b": 2.0, "c": 0.0})
    losses = {"a": np.array([1.05, 1.3, 0.5]), "b": np.array([1.9, 2.1, 2.5]), "c": np.array([9.0, 9.0, 9.0])}
    np.testing.assert_allclose(guard.excess(losses), [0.0, 0.2, 0.5])


def test_without_guarded_tasks_every_floor_holds():
    np.testing.assert_array_equal(NoRegression({}, {}).excess({"a": np.array([9.0, 1.0])}), [0.0, 0.0])


@pytest.mark.parametrize(("measured", "reference"), [({"b": 1.0}, {"a": 1.0}), ({"a": 1.0}, {"b": 1.0})])
def test_a_guarded_task_without_a_loss_is_named(measured, reference):
    with pytest.raises(ComputeError, match=r"no-regression.* a "):
        NoRegression({"a": 0.0}, reference).excess(measured)


def test_the_front_has_the_trade_offs_and_their_equals():
    losses = np.array([[1, 3], [2, 2], [3, 1], [3, 3], [2, 2], [np.nan, 0], [1, 4]])
    assert pareto_front(losses).tolist() == [0, 1, 2, 4]


@given(arrays(np.float64, st.tuples(st.integers(1, 12), st.integers(1, 3)), elements=st.integers(0, 4)))
def test_something_on_the_front_is_as_good_as_any_mixture_and_nothing_on_it_is_beaten(losses):
    front = losses[pareto_front(losses)]
    assert all((front <= row).all(axis=1).any() for row in losses)
    assert not any(((losses <= row).all(axis=1) & (losses < row).any(axis=1)).any() for row in front)
