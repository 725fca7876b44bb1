"""The sampling of items: how far a loss would move if a task had other items.

What belongs here: the losses of single items, and what they say of the means that are compared. The noise between seeds
is `climb_assets.search.noise`; what both say of a mixture is `climb_assets.search.confidence`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from climb_assets.errors import ComputeError
from climb_assets.simplex.mixtures import FloatArray
from climb_assets.tables import read_table, write_rows

ITEMS = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False),
        pa.field("repeat", pa.int32(), nullable=False),
        pa.field("task", pa.string(), nullable=False),
        pa.field("bits", pa.list_(pa.float64()), nullable=False),
        pa.field("bytes", pa.list_(pa.int64()), nullable=False),
    ]
)


class ItemLosses(NamedTuple):
    """One model on the items of one task: bits (I,) and bytes (I,) of each gold continuation."""

    bits: FloatArray
    sizes: npt.NDArray[np.int64]


TaskItems = Mapping[str, ItemLosses]  # of each task


@dataclass(frozen=True)
class ItemNoise:
    """What the choice of items adds to the mean losses of mixtures, beyond what is in the noise between seeds.

    Parameters
    ----------
    covariance
        Of the mean losses (A, A), squared bits per byte.
    degrees
        Degrees of freedom that it rests on.
    """

    covariance: FloatArray
    degrees: float

    @property
    def of_differences(self) -> FloatArray:
        """Variance that items add to the difference of each pair of means (A, A); an estimate below 0 is 0."""
        own = np.diag(self.covariance)
        variance: FloatArray = np.maximum(own[:, None] + own[None, :] - 2 * self.covariance, 0.0)
        return variance


def no_item_noise(mixtures: int) -> ItemNoise:
    """Return the noise of items where losses are what they are, whichever the items: none."""
    return ItemNoise(np.zeros((mixtures, mixtures)), np.inf)


def measure_item_noise(items: Sequence[Sequence[TaskItems]], weights: Mapping[str, float]) -> ItemNoise:
    """Return what the sampling of items does to the objective of mixtures that were all measured on the same ones.

    Seeds and items are crossed and both random. A difference of two mixtures then varies by seeds, by items, and by
    what a seed does to an item; its mean over S seeds and I items has the variance
    (MS_seeds + MS_items - MS_cross) / (S I) (Henderson's method for the two-way random model; Owen 2007, section 2).
    The first part is the variance between seeds, which already holds the cross term; here are the other two. With one
    seed the cross term is not known and counts twice, which errs on the wide side.

    A loss is a ratio, all bits over all bytes, and is made linear in each item (Cochran 1977, section 6.3). An
    objective is a weighted mean of tasks, whose items are drawn independently of each other. A task of which nobody
    tells the single items adds nothing.

    Parameters
    ----------
    items
        Of each mixture (A) and each seed (S) the items of each task.
    weights
        The objective: weights of its tasks.

    Raises
    ------
    ComputeError
        A task has one item, or mixtures were measured on different ones.
    """
    total, degrees = sum(weights.values()), np.inf
    covariance = np.zeros((len(items), len(items)))
    for task, weight in sorted(weights.items()):
        sizes = items[0][0][task].sizes
        if any(not np.array_equal(by_task[task].sizes, sizes) for row in items for by_task in row):
            raise ComputeError(f"models were measured on different items of {task}; evaluate them again")
        if not len(sizes):
            continue
        if len(sizes) < 2:
            raise ComputeError(f"task {task} has one item, so what others would say is not known; give it more")
        bits = np.array([[by_task[task].bits for by_task in row] for row in items])
        covariance += (weight / total) ** 2 * _covariance_of_means(_linear(bits, sizes))
        degrees = min(degrees, len(sizes) - 1)
    return ItemNoise(covariance, float(degrees))


def _linear(bits: FloatArray, sizes: npt.NDArray[np.int64]) -> FloatArray:
    """Return numbers (A, S, I) whose mean over the items is the loss, and varies as it does with the items."""
    loss = bits.sum(axis=-1, keepdims=True) / sizes.sum()
    linear: FloatArray = loss + (bits - loss * sizes) / sizes.mean()
    return linear


def _covariance_of_means(values: FloatArray) -> FloatArray:
    """Return the covariance (A, A) of the means of values (A, S, I) by items, less the cross term."""
    mixtures, seeds, items = values.shape
    of_item = values.mean(axis=1) - values.mean(axis=(1, 2))[:, None]
    between: FloatArray = of_item @ of_item.T / ((items - 1) * items)
    if seeds == 1:
        return between
    left = values - values.mean(axis=2, keepdims=True) - of_item[:, None, :]
    left = left.reshape(mixtures, -1)
    crossed: FloatArray = left @ left.T / ((seeds - 1) * (items - 1) * seeds * items)
    return between - crossed


def write_items(path: Path, items: Mapping[tuple[str, int], TaskItems]) -> None:
    """Write the items of each model, by mixture and repeat, one row for each task."""
    rows = [
        {"key": key, "repeat": repeat, "task": task, "bits": losses.bits.tolist(), "bytes": losses.sizes.tolist()}
        for (key, repeat), tasks in sorted(items.items())
        for task, losses in sorted(tasks.items())
    ]
    write_rows(path, rows, ITEMS)


def read_items(path: Path) -> dict[tuple[str, int], dict[str, ItemLosses]]:
    """Read what `write_items` wrote."""
    items: dict[tuple[str, int], dict[str, ItemLosses]] = {}
    for row in read_table(path).to_pylist():
        losses = ItemLosses(np.array(row["bits"]), np.array(row["bytes"], dtype=np.int64))
        items.setdefault((row["key"], row["repeat"]), {})[row["task"]] = losses
    return items
