"""The confirmation: which mixtures are trained again with fresh seeds before one of them is the answer.

What belongs here: the short list of an objective, and its losses beside those of the baselines. What the losses say is
`climb_assets.search.confidence`; training is `climb_assets.training`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypedDict

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from climb_assets import config_search
from climb_assets.errors import ComputeError
from climb_assets.search.history import History
from climb_assets.search.item_sampling import TaskItems
from climb_assets.search.objectives import NoRegression, objective_loss
from climb_assets.simplex.limits import NONE_LEFT, SLACK, Limits
from climb_assets.simplex.mixtures import FloatArray, mixture_key
from climb_assets.tables import read_table, write_rows

TaskLosses = Callable[[FloatArray], Mapping[str, FloatArray]]  # of mixtures (n, K): for each task the losses (n,)

SHORTLIST = pa.schema(
    [
        pa.field("name", pa.string(), nullable=False),
        pa.field("key", pa.string(), nullable=False),
        pa.field("weights", pa.list_(pa.float64()), nullable=False),
        pa.field("origin", pa.string(), nullable=False),
        pa.field("measured", pa.bool_(), nullable=False),
        pa.field("excess", pa.float64(), nullable=False),
    ]
)


@dataclass(frozen=True)
class Listed:
    """A mixture of the short list.

    Parameters
    ----------
    name
        Its name among the mixtures that are confirmed, such as "measured 1".
    key, weights
        The mixture.
    origin
        Why it is on the list, in words.
    measured
        Whether the search had trained it for this place, rather than predicted it.
    excess
        Bits per byte by which it breaks the no-regression floor of its worst task, as far as the search knows; above 0
        only where every mixture breaks it.
    """

    name: str
    key: str
    weights: tuple[float, ...]
    origin: str
    measured: bool
    excess: float


class Arm(TypedDict):
    """A confirmed mixture: by fresh seed and task its losses, bits per byte, and those of the single items."""

    key: str
    weights: tuple[float, ...]
    origin: str
    losses: dict[int, dict[str, float]]
    items: dict[int, TaskItems]


def fresh_seeds(settings: config_search.Search) -> tuple[int, ...]:
    """Return the repeats that confirm: those after the repeats that the search spends on its anchors."""
    first = settings.repeats + 1
    return tuple(range(first, first + settings.choice.seeds))


def shortlist(
    history: History,
    weights: Mapping[str, float],
    pool: FloatArray,
    scores: FloatArray,
    surcharge: FloatArray,
    predict: TaskLosses,
    limits: Limits,
    today: Limits,
    no_regression: NoRegression,
    settings: config_search.Search,
) -> list[Listed]:
    """Return the mixtures of an objective that are trained again, all different, the measured ones first.

    They are the best measured, the best predicted of the pool, and the average of the best predicted (RegMix; which of
    the two is better depends on the objective, docs/sources.md). None breaks a limit of the search, and none is farther
    than `choice.tolerance` from those of today's supply, so the list stays as it is while the supply hardly changes.
    None breaks a no-regression floor either, by its measured or predicted losses. Where there are floors, the mixture
    that they compare with is listed too, since it keeps them: what loses least on a guarded task may be of no use for
    the objective. Only where the limits forbid it as well, and every other mixture breaks a floor, the one that breaks
    it least stands alone and says so.

    Parameters
    ----------
    history
        Every measured mixture (n, K).
    weights
        The objective: weights of its tasks.
    pool, scores
        The search space (m, K), and what it is ranked by (m,): the predicted objective with its surcharge.
    surcharge
        What settings add to the measured objective of each mixture of the history (n,) before it is ranked; see
        `climb_assets.search.search_state.Knowledge.surcharge`.
    predict
        The predicted task losses; asked only where there is a no-regression floor.
    limits, today
        The limits of the search, and those that follow from what the domains hold today.

    Raises
    ------
    ComputeError
        All proxies diverged, or no mixture keeps the limits.
    """

    def possible(mixtures: FloatArray) -> npt.NDArray[np.bool_]:
        near: npt.NDArray[np.bool_] = today.excess(mixtures) <= settings.choice.tolerance + SLACK
        return limits.kept_by(mixtures) & near

    losses = history.objective(weights)
    usable = np.flatnonzero(np.isfinite(losses) & history.believed)
    if not len(usable):
        raise ComputeError("every proxy diverged, so no mixture can be confirmed; lower proxy.learning_rate")
    usable = usable[possible(history.weights[usable])]
    inside = np.flatnonzero(possible(pool))
    if not len(usable) and not len(inside):
        raise ComputeError(NONE_LEFT)
    measured_excess = no_regression.excess({task: loss[usable] for task, loss in history.losses.items()})
    predicted_excess = _predicted_excess(pool[inside], predict, no_regression)
    measured, predicted = usable[measured_excess == 0], inside[predicted_excess == 0]
    safe = np.array(no_regression.mixture).reshape(-1, pool.shape[1])
    safe = safe[possible(safe)]
    if not len(measured) and not len(predicted) and not len(safe):
        if len(usable):
            return [_least_bad(history.weights[usable], measured_excess, measured=True)]
        return [_least_bad(pool[inside], predicted_excess, measured=False)]
    ranked = measured[np.argsort((losses + surcharge)[measured], kind="stable")][: settings.choice.measured]
    listed = [
        _list(f"measured {rank}", history.weights[row], f"number {rank} of the measured mixtures", measured=True)
        for rank, row in enumerate(ranked.tolist(), start=1)
    ]
    if len(predicted):
        head = _best_first(pool[predicted], scores[predicted], max(settings.choice.average, 1))
        listed.append(_list("predicted", head[0], f"best predicted of {len(predicted)} mixtures", measured=False))
        if settings.choice.average > 1:
            average = limits.round(head.mean(axis=0, keepdims=True), settings.min_weight)
            if possible(average).all() and _predicted_excess(average, predict, no_regression)[0] == 0:
                origin = f"average of the {len(head)} best predicted mixtures"
                listed.append(_list("average", average[0], origin, measured=False))
    for mixture in safe:
        origin = "corpus as it is, which no-regression floors compare with"
        listed.append(_list("corpus", mixture, origin, measured=True))
    distinct: dict[str, Listed] = {}
    for entry in listed:
        distinct.setdefault(entry.key, entry)
    return list(distinct.values())


def _predicted_excess(mixtures: FloatArray, predict: TaskLosses, no_regression: NoRegression) -> FloatArray:
    if not no_regression.allowed or not len(mixtures):
        return np.zeros(len(mixtures))
    return no_regression.excess(predict(mixtures))


def _best_first(pool: FloatArray, scores: FloatArray, count: int) -> FloatArray:
    """Return the mixtures (count, K) of least score, all if there are fewer; of equals the lowest keys come first."""
    count = min(count, len(pool))
    rows = np.flatnonzero(scores <= np.partition(scores, count - 1)[count - 1])
    order = sorted(rows.tolist(), key=lambda row: (scores[row], mixture_key(pool[row])))
    return pool[order[:count]]


def _least_bad(mixtures: FloatArray, excess: FloatArray, measured: bool) -> Listed:
    row, known = int(np.argmin(excess)), "measured" if measured else "predicted"
    origin = (
        f"every mixture breaks a no-regression floor; of the {known} ones this breaks it least, "
        f"by {excess[row]:.4f} bits per byte"
    )
    return _list(f"{known} 1" if measured else known, mixtures[row], origin, measured, float(excess[row]))


def _list(name: str, weights: FloatArray, origin: str, measured: bool, excess: float = 0.0) -> Listed:
    return Listed(name, mixture_key(weights), tuple(weights.tolist()), origin, measured, excess)


def gather_arms(
    listed: Sequence[Listed],
    baselines: Mapping[str, Sequence[float]],
    losses: Mapping[tuple[str, int], Mapping[str, float]],
    items: Mapping[tuple[str, int], TaskItems],
    seeds: Sequence[int],
) -> dict[str, Arm]:
    """Return the losses of the short list and of the baselines, by name.

    Parameters
    ----------
    baselines
        Weights (K,) of each.
    losses
        Task losses of each trained model, by mixture and repeat; a model that diverged is not there.
    items
        Losses of the single items of each model that is in `losses`.
    seeds
        The repeats that confirm.
    """
    mixtures = {entry.name: (entry.key, entry.weights, entry.origin) for entry in listed}
    mixtures |= {name: (mixture_key(own), tuple(own), "baseline") for name, own in baselines.items()}
    return {
        name: Arm(
            key=key,
            weights=own,
            origin=origin,
            losses={seed: dict(losses[key, seed]) for seed in seeds if (key, seed) in losses},
            items={seed: items[key, seed] for seed in seeds if (key, seed) in losses},
        )
        for name, (key, own, origin) in mixtures.items()
    }


def objective_by_seed(arms: Mapping[str, Arm], weights: Mapping[str, float]) -> dict[str, dict[int, float]]:
    """Return the objective (bits per byte) of each arm and seed."""
    return {
        name: {seed: objective_loss(tasks, weights) for seed, tasks in arm["losses"].items()}
        for name, arm in arms.items()
    }


def mean_losses(arm: Arm) -> dict[str, float]:
    """Return the mean over the seeds of each task's loss."""
    by_seed = list(arm["losses"].values())
    return {task: float(np.mean([losses[task] for losses in by_seed])) for task in by_seed[0]}


def write_shortlist(path: Path, listed: Sequence[Listed]) -> None:
    """Write the short list in its order."""
    write_rows(path, [asdict(entry) | {"weights": list(entry.weights)} for entry in listed], SHORTLIST)


def read_shortlist(path: Path) -> list[Listed]:
    """Read what `write_shortlist` wrote."""
    return [Listed(**(row | {"weights": tuple(row["weights"])})) for row in read_table(path).to_pylist()]
