"""The noise between seeds: how far the losses of equal mixtures lie apart, measured on repeats.

What belongs here: the figures and their table. Which candidates are trained again is the search's business.

Models of one repeat share their seed, whatever their mixtures. What the seed does to all of them moves no difference,
so there are two figures: the noise of a model by itself, and the paired one, which a comparison within a repeat has.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pyarrow as pa

from climb_assets.search.objectives import objective_loss
from climb_assets.simplex.mixtures import FloatArray
from climb_assets.tables import read_table, write_rows

Kind = Literal["task", "objective"]
Losses = Mapping[tuple[str, int], Mapping[str, float]]  # (mixture, repeat): loss of each task, bits per byte

NOISE = pa.schema(
    [
        pa.field("measure", pa.string(), nullable=False),
        pa.field("kind", pa.string(), nullable=False),
        pa.field("noise", pa.float64(), nullable=False),
        pa.field("degrees", pa.float64(), nullable=False),
        ("spread", pa.float64()),
        ("ratio", pa.float64()),
        ("paired", pa.float64()),
        pa.field("paired_degrees", pa.int32(), nullable=False),
    ]
)


class SeedNoise(NamedTuple):
    """Standard deviation between seeds of one mixture, bits per byte, and the degrees of freedom it rests on."""

    deviation: float
    degrees: float


class TableNoise(NamedTuple):
    """The noise in losses of mixtures by repeat.

    Parameters
    ----------
    total
        Of one model about its mixture: what a mean is uncertain by.
    paired
        Of one model after what its repeat does to all mixtures is taken out: what a difference is uncertain by. None
        where no two mixtures share two repeats.
    """

    total: SeedNoise
    paired: SeedNoise | None


@dataclass(frozen=True)
class Noise:
    """One measure's noise; losses in bits per byte.

    Parameters
    ----------
    measure, kind
        The task or the objective.
    noise, degrees
        Standard deviation between models of one mixture that differ by their seed, pooled over the mixtures, and its
        degrees of freedom.
    spread
        Standard deviation between the mixtures, one model each and all of one repeat, noise included; None with fewer
        than two.
    ratio
        spread / `within_repeat`. About 1 says that mixtures differ no more than seeds do. None where a part of it is
        not known.
    paired, paired_degrees
        `noise` and `degrees` after what a seed does to all mixtures is taken out; None and 0 where that is not known.
    """

    measure: str
    kind: Kind
    noise: float
    degrees: float
    spread: float | None
    ratio: float | None
    paired: float | None = None
    paired_degrees: int = 0

    @property
    def table(self) -> TableNoise:
        """Both figures with their degrees of freedom."""
        paired = None if self.paired is None else SeedNoise(self.paired, self.paired_degrees)
        return TableNoise(SeedNoise(self.noise, self.degrees), paired)

    @property
    def within_repeat(self) -> SeedNoise:
        """Noise of a model among the models of its repeat; where that is not known its whole noise, which is wider."""
        return self.table.paired or self.table.total


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
    found = []
    tasks = sorted(next(iter(losses.values()), {}))
    for kind, measure, weights in named_measures(tasks, objectives):
        loss = {model: objective_loss(by_task, weights) for model, by_task in losses.items()}
        noise = two_way_noise(loss)
        if noise is None:
            return []
        total, paired = noise
        firsts = [own for (_, repeat), own in loss.items() if repeat == 0]
        spread = float(np.std(firsts, ddof=1)) if len(firsts) > 1 else None
        own = (paired or total).deviation
        ratio = spread / own if spread and own else None
        pair = (paired.deviation, int(paired.degrees)) if paired else (None, 0)
        found.append(Noise(measure, kind, *total, spread, ratio, *pair))
    return found


def two_way_noise(losses: Mapping[tuple[str, int], float]) -> TableNoise | None:
    """Return the noise in losses by mixture and repeat, some of which may be missing; None without a second model.

    The model is loss = mixture + repeat + error. The paired noise is that of the error: the residuals of least squares.
    The total is pooled within mixtures. What repeats do to all mixtures correlates these variances, by the squared
    correlation r^2 of two models of one repeat, so A mixtures give 1 + (A - 1) r^2 times fewer degrees of freedom than
    independent ones; for a full table that is Satterthwaite's rule for the sum of two mean squares.
    """
    repeats: dict[str, list[int]] = {}
    for mixture, repeat in sorted(losses):
        repeats.setdefault(mixture, []).append(repeat)
    models = [(mixture, repeat) for mixture, known in repeats.items() if len(known) > 1 for repeat in known]
    if not models:
        return None
    loss = np.array([losses[model] for model in models])
    of_mixture, of_repeat = (_indicators([model[place] for model in models]) for place in (0, 1))
    free = len(models) - of_mixture.shape[1]
    left = loss - of_mixture @ np.linalg.lstsq(of_mixture, loss)[0]
    variance = float(left @ left) / free
    both = np.hstack([of_mixture, of_repeat])
    fitted, _, rank, _ = np.linalg.lstsq(both, loss)
    freer = len(models) - int(rank)
    if not freer:
        return TableNoise(SeedNoise(float(np.sqrt(variance)), free), None)
    own = float(((loss - both @ fitted) ** 2).sum()) / freer
    correlation = 1 - own / variance if variance else 0.0
    degrees = free / (1 + (of_mixture.shape[1] - 1) * correlation**2)
    return TableNoise(SeedNoise(float(np.sqrt(variance)), degrees), SeedNoise(float(np.sqrt(own)), freer))


def _indicators(names: Sequence[str | int]) -> FloatArray:
    """Return for each entry a row that is 1 in the column of its name, one column a name."""
    columns = sorted(set(names))
    return np.array([[float(name == column) for column in columns] for name in names])


def write_noise(path: Path, noise: Sequence[Noise]) -> None:
    """Write the table, one row for each measure; without rows where noise was not measured."""
    write_rows(path, [asdict(row) for row in noise], NOISE)


def read_noise(path: Path) -> list[Noise]:
    """Read what `write_noise` wrote."""
    return [Noise(**row) for row in read_table(path).to_pylist()]


def noise_of_objectives(path: Path) -> dict[str, Noise]:
    """Read the rows of the objectives, by name; empty where noise was not measured."""
    return {row.measure: row for row in read_noise(path) if row.kind == "objective"}
