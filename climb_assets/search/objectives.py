"""Objectives: what a mixture is good for, as one number, what it must not lose, and what several objectives leave open.

What belongs here: the arithmetic on task losses. Tasks are measured in `climb_assets.training`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from climb_assets.errors import ComputeError
from climb_assets.simplex.mixtures import FloatArray

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
    _require(task_losses, weights, "the objective")
    total = sum(weights.values())
    task, *others = sorted(weights)  # a fixed order of summation, whatever the configuration's
    loss = task_losses[task] * (weights[task] / total)
    for task in others:
        loss = loss + task_losses[task] * (weights[task] / total)
    return loss


@dataclass(frozen=True)
class NoRegression:
    """What a mixture may lose on single tasks, whatever it gains on its objective.

    Parameters
    ----------
    allowed
        For each guarded task the bits per byte that may be lost; without tasks nothing is guarded.
    reference
        For each guarded task the loss of the mixture that is compared with; other tasks are ignored.
    mixture
        The weights (K,) of that mixture, which keeps every floor; empty where it is not to be had.
    """

    allowed: Mapping[str, float]
    reference: Mapping[str, float]
    mixture: tuple[float, ...] = ()

    def excess(self, task_losses: Mapping[str, npt.ArrayLike]) -> FloatArray:
        """Return how far mixtures break the floor: bits per byte on their worst guarded task, 0 where all hold.

        The losses are taken as they are, noise included; NaN stays NaN.

        Parameters
        ----------
        task_losses
            One number, or one array (n,), for each task.

        Raises
        ------
        ComputeError
            A guarded task has no loss, here or in the reference.
        """
        _require(task_losses, self.allowed, "the no-regression floor")
        _require(self.reference, self.allowed, "the no-regression floor")
        excess: FloatArray = np.zeros(np.shape(next(iter(task_losses.values()))))
        for task, allowed in self.allowed.items():
            excess = np.maximum(excess, np.asarray(task_losses[task]) - self.reference[task] - allowed)
        return excess


def pareto_front(losses: FloatArray) -> npt.NDArray[np.int64]:
    """Return the rows that no other row dominates, in their order.

    A row dominates another if it is nowhere larger and somewhere smaller; equal rows stay together. A row with a NaN
    (a proxy that diverged) neither dominates nor stays.

    Parameters
    ----------
    losses
        Of each mixture on each objective or task (n, m); lower is better.
    """
    rows = np.flatnonzero(np.isfinite(losses).all(axis=1))
    kept = losses[rows]
    dominated = [bool(((kept <= row).all(axis=1) & (kept < row).any(axis=1)).any()) for row in kept]
    return rows[~np.array(dominated, dtype=np.bool_)]


def _require(task_losses: Mapping[str, object], tasks: Mapping[str, float], purpose: str) -> None:
    absent = sorted(set(tasks) - set(task_losses))
    if absent:
        raise ComputeError(f"{purpose} needs losses of {', '.join(absent)} that were not measured; evaluate them first")
