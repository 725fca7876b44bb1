"""Replays: a policy on a table of runs that were trained already, and the regret of what it found.

What belongs here: everything that decides a number of `benchmarks/search_replay.py`, which says what is run and how it
is shown. The search itself is `climb_assets.search.policy`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from climb_assets import config_search
from climb_assets.errors import ComputeError
from climb_assets.randomness import generator
from climb_assets.search.baselines import token_proportional, uniform
from climb_assets.search.confidence import best_baseline, choose_answer, judge
from climb_assets.search.history import History
from climb_assets.search.noise import TableNoise, two_way_noise
from climb_assets.search.objectives import objective_loss
from climb_assets.search.policy import POLICIES, Indices, Policy, Search, run_search
from climb_assets.search.seed_table import tabulate_seeds
from climb_assets.search.swarm_table import as_history, read_swarm
from climb_assets.simplex.mixtures import FloatArray

Row = dict[str, float | None]


@dataclass(frozen=True)
class Problem:
    """What is searched: a target of a table, and how the table is looked at.

    Parameters
    ----------
    folder
        Of the table; see `climb_assets.search.swarm_table`.
    metrics
        Those of the target, which is their mean.
    goal
        What is done with a metric; ``likelihood``: it is a loss, and exp(-loss) is maximised in its place.
    noise
        Standard deviation of what is added to the metrics of a run that a policy measures: one draw a run, so that a
        mean of metrics has it in full.
    permute
        Whether the mixtures are shuffled against the metrics: a control in which there is nothing to learn.
    """

    folder: Path
    metrics: tuple[str, ...]
    goal: Literal["minimise", "maximise", "likelihood"] = "minimise"
    noise: float = 0.0
    permute: bool = False

    @property
    def objective(self) -> dict[str, float]:
        """The weight of each metric."""
        return dict.fromkeys(self.metrics, 1.0)

    def as_loss(self, metric: FloatArray) -> FloatArray:
        """Return what a policy minimises in place of a metric, of any shape."""
        return {"minimise": metric, "maximise": -metric, "likelihood": -np.exp(-metric)}[self.goal]


@dataclass(frozen=True)
class Job:
    """One search: a problem, the name of a policy or of a predictor, a budget of proxies and a seed."""

    problem: Problem
    policy: str
    budget: int
    seed: int


@dataclass(frozen=True)
class Split:
    """A problem under one seed: the mixtures that may be measured and those held out.

    Parameters
    ----------
    pool, held_out
        Mixtures (n, K) and (m, K).
    metrics
        Of each metric the table's values in the pool (n,).
    truth, held_out_truth
        The target, to be minimised, free of added noise (n,) and (m,).
    """

    problem: Problem
    seed: int
    pool: FloatArray
    metrics: Mapping[str, FloatArray]
    truth: FloatArray
    held_out: FloatArray
    held_out_truth: FloatArray

    def measure(self, rows: Indices, model: int = 0) -> dict[str, FloatArray]:
        """Return the losses of some of the pool, with the noise of one of the models that each could be trained to."""
        drawn = generator(self.seed, "noise", model).standard_normal(len(self.pool))
        noise = self.problem.noise * drawn[rows]
        return {name: self.problem.as_loss(metric[rows] + noise) for name, metric in self.metrics.items()}

    def observe(self, rows: Indices, model: int = 0) -> FloatArray:
        """Return the target as it is measured on some of the pool."""
        return objective_loss(self.measure(rows, model), self.problem.objective)


@cache
def load_table(folder: Path, metrics: tuple[str, ...] | None = None) -> History:
    """Return a table's runs, those of one mixture as one row with their mean; only `metrics` need be complete."""
    table = read_swarm(folder, metrics)
    return as_history(table, table.domains, tuple(table.metrics))


def pool_size(rows: int) -> int:
    """Return how many of a table's mixtures may be measured, two thirds; the others are held out."""
    return round(rows * 2 / 3)


def split(problem: Problem, seed: int) -> Split:
    """Return the pool and the holdout; the seed alone decides, before anything is fitted."""
    table = load_table(problem.folder, problem.metrics)
    rows = len(table.weights)
    weights = table.weights[generator(seed, "permute").permutation(rows)] if problem.permute else table.weights
    inside, outside = np.split(generator(seed, "holdout").permutation(rows), [pool_size(rows)])
    losses = {name: problem.as_loss(metric) for name, metric in table.losses.items()}
    truth = objective_loss(losses, problem.objective)
    metrics = {name: metric[inside] for name, metric in table.losses.items()}
    return Split(problem, seed, weights[inside], metrics, truth[inside], weights[outside], truth[outside])


def regret(loss: float, losses: FloatArray) -> float:
    """Return how far a loss is above the least of all (n,), as a share of the distance from the least to the median.

    Raises
    ------
    ComputeError
        Half of the losses are the least.
    """
    best = losses.min()
    if not np.median(losses) > best:
        raise ComputeError("half of the runs are the best one; replay a metric that tells mixtures apart")
    return float((loss - best) / (np.median(losses) - best))


def replay_search(job: Job) -> Row:
    """Return the regrets of one search, and whether a claim was made and held where there is noise or a maximum.

    ``found`` is that of the measured mixture which looked best, among the pool; ``new`` that of the held-out
    mixture which the policy picks by its final predictors, among the held-out ones, None where it has none.
    """
    policy, table = POLICIES[job.policy], split(job.problem, job.seed)
    search = _search(policy, table, job)
    looked_best = search.measured[np.argmin(table.observe(search.measured))]
    row: Row = {"found": regret(table.truth[looked_best], table.truth), "new": None}
    if policy.answers:
        row["new"] = regret(table.held_out_truth[search.pick(table.held_out)], table.held_out_truth)
    if job.problem.noise or job.problem.goal != "minimise":
        row |= _claim(policy, table, search, job)
    return row


def replay_fit(job: Job) -> Row:
    """Return the Spearman correlation on the held-out mixtures of a predictor fitted on random ones; 0 if constant."""
    from scipy.stats import spearmanr

    settings = {"iterations": (1,), "predictor": {"kind": job.policy}}
    table = split(job.problem, job.seed)
    search = _search(Policy(job.policy, config_search.Search.model_validate(settings)), table, job)
    predicted = search.predict(table.held_out).mean
    varies = np.ptp(predicted) > 0
    return {"spearman": float(spearmanr(predicted, table.held_out_truth).statistic) if varies else 0.0}


def _search(policy: Policy, table: Split, job: Job) -> Search:
    return run_search(policy, table.pool, table.measure, job.problem.objective, job.budget, job.seed)


def _claim(policy: Policy, table: Split, search: Search, job: Job) -> Row:
    """Return whether the product would call its answer better than the best baseline, and whether it is.

    The baselines are those of the pool that are nearest to equal and to proportional weights, and the best of a
    random search with the same budget. The short list and the baselines are trained again with fresh noise.
    """
    settings, budget = policy.settings, job.budget
    random = _search(POLICIES["random"], table, job).measured
    measured = search.measured[np.argsort(table.observe(search.measured), kind="stable")[: settings.choice.measured]]
    predicted = np.empty(0, dtype=np.int64)
    if policy.answers:
        untried = np.setdiff1d(np.arange(len(table.pool)), search.measured)
        predicted = untried[[search.pick(table.pool[untried])]]
    domains = table.pool.shape[1]
    baselines = [_nearest(table.pool, uniform(domains)), _nearest(table.pool, token_proportional(table.pool.mean(0)))]
    baselines.append(int(random[:budget][np.argmin(table.observe(random[:budget]))]))
    arms = np.unique([*measured, *predicted, *baselines])
    fresh = [table.observe(arms, model) for model in range(1, settings.choice.seeds + 1)]
    losses = {str(arm): {seed: float(row[place]) for seed, row in enumerate(fresh)} for place, arm in enumerate(arms)}
    seeds = tabulate_seeds(losses, _anchor_noise(table, search.measured[: settings.anchors], settings.repeats))
    candidates = [str(row) for row in dict.fromkeys([*measured, *predicted])]
    answer = choose_answer(
        seeds, [str(row) for row in measured], [str(row) for row in predicted], settings.choice.confidence
    )
    others = [str(row) for row in dict.fromkeys(baselines)]
    gaps = judge(seeds, answer, candidates, others, settings.choice.confidence, generator(job.seed, "verdict"))
    claimed = best_baseline(gaps).verdict == "better than"
    better = table.truth[int(answer)] < table.truth[baselines].min()
    return {"answer": regret(table.truth[int(answer)], table.truth), "claimed": claimed, "true": bool(better)}


def _nearest(pool: FloatArray, mixture: FloatArray) -> int:
    return int(np.argmin(np.abs(pool - mixture).sum(axis=1)))


def _anchor_noise(table: Split, anchors: Indices, repeats: int) -> TableNoise | None:
    """Return the noise that the search measures on its anchors."""
    models = [0, *range(-1, -repeats - 1, -1)]
    losses = {model: table.observe(anchors, model) for model in models}
    return two_way_noise(
        {(str(row), model): float(loss[row]) for model, loss in losses.items() for row in range(len(loss))}
    )
