"""Rows of two histories together, and several runs of one mixture as one row."""

import numpy as np
import pytest

from climb_assets.search.history import AS_SURE, History
from climb_assets.search.trust import OWN

TASKS = ("arc", "piqa")


def evidence(weights: list[list[float]], losses: list[float], doubt: list[float] | None = None) -> History:
    """Return runs whose losses on both tasks are equal."""
    by_task = {task: np.array(losses) for task in TASKS}
    return History.of_evidence("theirs", np.array(weights), by_task, None if doubt is None else np.array(doubt))


def test_a_mixture_that_both_have_is_that_of_the_first() -> None:
    first = evidence([[1.0, 0.0], [0.5, 0.5]], [1.0, 2.0])
    own = History.of_own(
        (first.keys[1], "new"),
        3,
        np.array([[0.5, 0.5], [0.0, 1.0]]),
        {task: np.array([8.0, 9.0]) for task in TASKS},
        np.array([False, True]),
    )
    both = first.followed_by(own)
    assert both.keys == (*first.keys, "new")
    assert both.losses["arc"].tolist() == [1.0, 2.0, 9.0]
    assert both.sources == ("theirs", "theirs", OWN)
    assert both.iteration.tolist() == [0, 0, 3] and both.diverged.tolist() == [False, False, True]
    assert both.followed_by(own).keys == both.keys
    nothing = History.empty(2, TASKS)
    assert nothing.followed_by(first).keys == first.followed_by(nothing).keys == first.keys


def test_runs_of_one_mixture_are_one_row_by_those_that_are_surest() -> None:
    alike, other = [0.25, 0.75], [0.75, 0.25]
    found = evidence([alike, other, alike, alike], [1.0, 5.0, 3.0, 100.0], [0.1, 0.0, 0.1 + AS_SURE / 2, 0.5])
    assert found.weights.tolist() == [alike, other]
    assert found.losses["piqa"].tolist() == [2.0, 5.0]
    assert found.doubt.tolist() == pytest.approx([0.1 + AS_SURE / 2, 0.0])
