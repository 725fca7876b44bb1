"""Objectives: what a mixture is good for, as one number.

What belongs here: the arithmetic from task losses to an objective. Tasks are measured in `climb_assets.proxy`.
"""

from collections.abc import Mapping
from typing import TypeVar

from climb_assets.errors import ComputeError
from climb_assets.search.simplex import FloatArray

Loss = TypeVar("Loss", float, FloatArray)


def objective_loss(task_losses: Mapping[str, Loss], weights: Mapping[str, float]) -> Loss:
    """Return the weighted mean of task losses, in bits per byte; lower is better.

    Parameters
    ----------
    task_losses
        One number, or one array (n,), for each task; tasks without a weight are ignored.
    weights
        The objective: a positive weight for each of its tasks, on any scale.

    Raises
    ------
    ComputeError
        A task of the objective has no loss.
    """
    absent = sorted(set(weights) - set(task_losses))
    if absent:
        raise ComputeError(
            f"the objective needs losses of {', '.join(absent)} that were not measured; evaluate them first"
        )
    total = sum(weights.values())
    task, *others = sorted(weights)  # a fixed order of summation, whatever the configuration's
    loss = task_losses[task] * (weights[task] / total)
    for task in others:
        loss = loss + task_losses[task] * (weights[task] / total)
    return loss
