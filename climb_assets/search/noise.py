"""The noise between seeds: how far the losses of equal mixtures lie apart, measured on repeats.

What belongs here: the figure and its table. Which candidates are trained again is the search's business.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa

from climb_assets.search.objectives import objective_loss
from climb_assets.tables import read_table, write_rows

Kind = Literal["task", "objective"]
Losses = Mapping[tuple[str, int], Mapping[str, float]]  # (mixture, repeat): loss of each task, bits per byte

NOISE = pa.schema(
    [
        pa.field("measure", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("noise", pa.float64(), nullable=False),
        pa.field("degrees", pa.int32(), nullable=False),
        ("spread", pa.float64()),
        ("ratio", pa.float64()),
    ]
)


@dataclass(frozen=True)
class Noise:
    """One measure's noise; losses in bits per byte.

    Parameters
    ----------
    measure, kind
        The task or the objective.
    noise
        Standard deviation between models of one mixture that differ by their seed, pooled over the mixtures.
    degrees
        Degrees of freedom that it rests on.
    spread
        Standard deviation between the mixtures, one model each, noise included; None with fewer than two.
    ratio
        spread / noise. About 1 says that mixtures differ no more than seeds do. None where a part of it is not known.
    """

    measure: str
    kind: Kind
    noise: float
    degrees: int
    spread: float | None
    ratio: float | None


def losses_of(results: pa.Table) -> dict[tuple[str, int], dict[str, float]]:
    """Return the losses of every model that did not diverge, from a table of results: key, repeat, task, loss."""
    losses: dict[tuple[str, int], dict[str, float]] = {}
    for row in results.to_pylist():
        if not row["diverged"]:
            losses.setdefault((row["key"], row["repeat"]), {})[row["task"]] = row["loss"]
    return losses


def named_measures(
    tasks: Sequence[str], objectives: Mapping[str, Mapping[str, float]]
) -> list[tuple[Kind, str, Mapping[str, float]]]:
    """Return every task and every objective: its kind, its name, its tasks with their weights."""
    single: list[tuple[Kind, str, Mapping[str, float]]] = [("task", task, {task: 1.0}) for task in sorted(tasks)]
    return single + [("objective", name, objectives[name]) for name in sorted(objectives)]


def measure_noise(losses: Losses, objectives: Mapping[str, Mapping[str, float]]) -> list[Noise]:
    """Return the noise of each task and each objective; nothing where no mixture has two models.

    Parameters
    ----------
    losses
        Of each model, by mixture and repeat; repeat 0 is the model that the search counts.
    objectives
        For each objective the weights of its tasks.
    """
    models: dict[str, list[int]] = {}
    for key, repeat in sorted(losses):
        models.setdefault(key, []).append(repeat)
    degrees = sum(len(repeats) - 1 for repeats in models.values())
    if degrees == 0:
        return []
    tasks = sorted(next(iter(losses.values())))
    found = []
    for kind, measure, weights in named_measures(tasks, objectives):
        loss = {model: objective_loss(by_task, weights) for model, by_task in losses.items()}
        groups = [np.array([loss[key, repeat] for repeat in repeats]) for key, repeats in models.items()]
        noise = float(np.sqrt(sum(((group - group.mean()) ** 2).sum() for group in groups) / degrees))
        firsts = [loss[key, 0] for key, repeats in models.items() if 0 in repeats]
        spread = float(np.std(firsts, ddof=1)) if len(firsts) > 1 else None
        found.append(Noise(measure, kind, noise, degrees, spread, spread / noise if spread and noise else None))
    return found


def write_noise(path: Path, noise: Sequence[Noise]) -> None:
    """Write the table, one row for each measure; without rows where noise was not measured."""
    write_rows(path, [asdict(row) for row in noise], NOISE)


def read_noise(path: Path) -> list[Noise]:
    """Read what `write_noise` wrote."""
    return [Noise(**row) for row in read_table(path).to_pylist()]


def noise_of_objectives(path: Path) -> dict[str, Noise]:
    """Read the rows of the objectives, by name; empty where noise was not measured."""
    return {row.measure: row for row in read_noise(path) if row.kind == "objective"}
