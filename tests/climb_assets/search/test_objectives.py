"""An objective is a weighted mean, whatever the weights' scale."""

import numpy as np
import pytest

from climb_assets.errors import ComputeError
from climb_assets.search.objectives import objective_loss


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
