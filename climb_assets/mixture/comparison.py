"""The verdict: target models on the chosen mixture against those on other mixtures, seed by seed.

What belongs here: paired statistics over losses. Training is `climb_assets.training`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

from climb_assets import config
from climb_assets.errors import ComputeError
from climb_assets.search.objectives import objective_loss

Verdict = Literal["better", "worse", "no difference seen"]


@dataclass(frozen=True)
class Comparison:
    """The chosen mixture against one other, on one measure; losses in bits per byte.

    Parameters
    ----------
    arm, measure, seeds
        The other mixture, the task or the average, and the number of paired seeds.
    chosen, other
        Mean losses over the seeds.
    difference, low, high
        Mean of the paired differences, chosen minus other, and its confidence interval; negative is better.
    verdict
        'better' or 'worse' where the interval leaves out zero.
    """

    arm: str
    measure: str
    seeds: int
    chosen: float
    other: float
    difference: float
    low: float
    high: float
    verdict: Verdict


def average_measures(
    objective: str, weights: Mapping[str, float], tasks: Mapping[str, config.Task]
) -> dict[str, dict[str, float]]:
    """Return what is averaged beside the single tasks: the objective, and the tasks that the search never saw."""
    unseen = {name: 1.0 for name, task in tasks.items() if task.split == "report_eval"}
    return {f"objective {objective}": dict(weights)} | ({"tasks never searched on": unseen} if unseen else {})


def compare(
    scores: Mapping[str, Mapping[int, Mapping[str, float]]],
    chosen: str,
    averages: Mapping[str, Mapping[str, float]],
    confidence: float,
) -> list[Comparison]:
    """Return one row for each other arm and each measure: every task, then every average.

    Mixtures of one seed draw from the same part of each domain, so differences are taken seed by seed; the interval is
    Student's t over them. It is not corrected for the number of measures.

    Parameters
    ----------
    scores
        For each arm, each seed and each task the loss.
    chosen
        The arm that is judged.
    averages
        Named weighted means of tasks, such as the objective and the mean of the tasks that only report.
    confidence
        Coverage of the intervals, such as 0.95.

    Raises
    ------
    ComputeError
        An arm has other seeds or tasks than the chosen one, a loss is not finite, or there are fewer than two seeds.
    """
    judged = scores[chosen]
    if len(judged) < 2:
        raise ComputeError("a paired interval needs at least two seeds; add to target.seeds")
    tasks = sorted(next(iter(judged.values())))
    for arm, by_seed in scores.items():
        complete = all(sorted(row) == tasks and np.isfinite(list(row.values())).all() for row in by_seed.values())
        if set(by_seed) != set(judged) or not complete:
            raise ComputeError(f"arm {arm} lacks a finite loss of some seed or task; train and evaluate it again")
    measures: dict[str, Mapping[str, float]] = {task: {task: 1.0} for task in tasks}
    measures |= {f"mean of {name}": weights for name, weights in averages.items()}
    return [
        _judge(arm, measure, weights, judged, scores[arm], confidence)
        for arm in sorted(scores)
        if arm != chosen
        for measure, weights in measures.items()
    ]


def _judge(
    arm: str,
    measure: str,
    weights: Mapping[str, float],
    judged: Mapping[int, Mapping[str, float]],
    other: Mapping[int, Mapping[str, float]],
    confidence: float,
) -> Comparison:
    from scipy.stats import t

    seeds = sorted(judged)
    ours = np.array([objective_loss(judged[seed], weights) for seed in seeds])
    theirs = np.array([objective_loss(other[seed], weights) for seed in seeds])
    paired = ours - theirs
    mean = float(paired.mean())
    half = float(t.ppf((1 + confidence) / 2, len(seeds) - 1) * paired.std(ddof=1) / np.sqrt(len(seeds)))
    low, high = mean - half, mean + half
    verdict: Verdict = "better" if high < 0 else "worse" if low > 0 else "no difference seen"
    return Comparison(arm, measure, len(seeds), float(ours.mean()), float(theirs.mean()), mean, low, high, verdict)
