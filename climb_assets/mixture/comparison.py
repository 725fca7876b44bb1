"""The verdict: target models on the chosen mixture against those on other mixtures, seed by seed.

What belongs here: which comparisons are made, and what each may say given all of them. The statistics of one measure
are `climb_assets.search.confidence`; training is `climb_assets.training`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from climb_assets import config_tasks
from climb_assets.errors import ComputeError
from climb_assets.search.confidence import Interval, compare_with_all
from climb_assets.search.item_sampling import TaskItems
from climb_assets.search.objectives import objective_loss
from climb_assets.search.seed_table import SeedTable, tabulate_items, tabulate_seeds

Verdict = Literal["better", "worse", "no difference seen"]
Family = Literal["primary", "secondary"]  # averages, by which the mixture is judged; single tasks, which explain them
SAME = Interval(0.0, 0.0, 0.0, 1.0)  # of a mixture and itself


@dataclass(frozen=True)
class Comparison:
    """The chosen mixture against one other, on one measure; losses in bits per byte.

    Parameters
    ----------
    arm, measure, seeds
        The other mixture, the task or the average, and the number of paired seeds.
    family, comparisons
        The comparisons whose intervals hold together, and how many they are.
    chosen, other
        Mean losses over the seeds.
    difference, low, high
        Mean of the paired differences, chosen minus other, and its confidence interval; negative is better.
    confidence
        What the interval would cover if it were the only one.
    verdict
        'better' or 'worse' where the interval leaves out zero.
    """

    arm: str
    measure: str
    seeds: int
    family: Family
    comparisons: int
    chosen: float
    other: float
    difference: float
    low: float
    high: float
    confidence: float
    verdict: Verdict


def average_measures(
    objective: str, weights: Mapping[str, float], tasks: Mapping[str, config_tasks.Task]
) -> dict[str, dict[str, float]]:
    """Return what is averaged beside the single tasks: the objective, and the tasks that the search never saw."""
    unseen = {name: 1.0 for name, task in tasks.items() if task.split == "report_eval"}
    return {f"objective {objective}": dict(weights)} | ({"tasks never searched on": unseen} if unseen else {})


def compare(
    scores: Mapping[str, Mapping[int, Mapping[str, float]]],
    items: Mapping[str, Mapping[int, TaskItems]],
    chosen: str,
    averages: Mapping[str, Mapping[str, float]],
    confidence: float,
    rng: np.random.Generator,
) -> list[Comparison]:
    """Return one row for each other arm and each measure: every task, then every average.

    Models of one seed share what chance decides, so differences are taken seed by seed; the noise that is left is
    pooled over the arms, and what other items would say is added. The intervals of the averages hold together with
    probability `confidence`, and so do those of the single tasks, a family of its own: over the arms of a measure by
    Dunnett's method, over the measures of a family by Bonferroni's. Arms of the same losses are the same mixture and
    count once.

    Parameters
    ----------
    scores, items
        For each arm, each seed and each task the loss, and the losses of its items.
    chosen
        The arm that is judged.
    averages
        Named weighted means of tasks, such as the objective and the mean of the tasks that only report.
    confidence
        That all intervals of a family hold, such as 0.95.

    Raises
    ------
    ComputeError
        An arm has other seeds or tasks than the chosen one, a loss is not finite, or there are fewer than two seeds.
    """
    _check(scores, chosen)
    tasks = sorted(next(iter(scores[chosen].values())))
    families: dict[Family, dict[str, Mapping[str, float]]] = {
        "secondary": {task: {task: 1.0} for task in tasks},
        "primary": {f"mean of {name}": weights for name, weights in averages.items()},
    }
    alike = _find_copies({chosen: scores[chosen]} | dict(scores))
    others = [arm for arm in dict.fromkeys(alike.values()) if arm != chosen]
    rows = []
    for family, measures in families.items():
        count, share = len(measures) * len(others), 1 - (1 - confidence) / len(measures)
        for measure, weights in measures.items():
            table = _tabulate(scores, items, [chosen, *others], weights)
            intervals = compare_with_all(table, chosen, others, share, rng) if others else {}
            for arm in sorted(set(scores) - {chosen}):
                found = intervals.get(alike[arm], SAME)
                verdict: Verdict = "better" if found.high < 0 else "worse" if found.low > 0 else "no difference seen"
                means = table.means[chosen], table.means[alike[arm]]
                who = arm, measure, len(scores[chosen]), family, count
                rows.append(Comparison(*who, *means, *found, verdict))
    return sorted(rows, key=lambda row: row.arm)


def _check(scores: Mapping[str, Mapping[int, Mapping[str, float]]], chosen: str) -> None:
    if len(scores[chosen]) < 2:
        raise ComputeError("a paired interval needs at least two seeds; add to target.seeds")
    tasks = sorted(next(iter(scores[chosen].values())))
    for arm, by_seed in scores.items():
        complete = all(sorted(row) == tasks and np.isfinite(list(row.values())).all() for row in by_seed.values())
        if set(by_seed) != set(scores[chosen]) or not complete:
            raise ComputeError(f"arm {arm} lacks a finite loss of some seed or task; train and evaluate it again")


def _find_copies(scores: Mapping[str, Mapping[int, Mapping[str, float]]]) -> dict[str, str]:
    """Return for each arm the first one with the same losses."""
    arms = list(scores)
    return {arm: next(other for other in arms if scores[other] == scores[arm]) for arm in arms}


def _tabulate(
    scores: Mapping[str, Mapping[int, Mapping[str, float]]],
    items: Mapping[str, Mapping[int, TaskItems]],
    arms: Sequence[str],
    weights: Mapping[str, float],
) -> SeedTable:
    """Return the table of one measure, with the noise that its own seeds and items have."""
    losses = {arm: {seed: objective_loss(tasks, weights) for seed, tasks in scores[arm].items()} for arm in arms}
    return tabulate_seeds(losses, None, tabulate_items({arm: items[arm] for arm in arms}, weights))
