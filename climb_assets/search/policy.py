"""Policies: whole ways to search, named, and the loop that follows one over mixtures whose losses can be looked up.

What belongs here: presets and the loop on a finite pool, made of the product's own parts, so that what a replay
measures is what a search does. The searches that train proxies are `climb_assets.search.assets`; regrets and tables of
replays are `benchmarks/search_replay.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from climb_assets import config_search
from climb_assets.search.baselines import REGMIX
from climb_assets.search.history import History
from climb_assets.search.iteration import fit_predictors, predict_objective, rank_objective
from climb_assets.search.objectives import objective_loss
from climb_assets.search.prediction import Prediction
from climb_assets.search.predictor import Predictor
from climb_assets.search.proposal import Candidate, Predict, propose_first, propose_next
from climb_assets.simplex.limits import Limits
from climb_assets.simplex.mixtures import FloatArray, is_among, mixture_key

Indices = npt.NDArray[np.int64]
Measure = Callable[[Indices], Mapping[str, FloatArray]]
OBJECTIVE = "objective"  # a replay has one; its name enters the random streams


@dataclass(frozen=True)
class Policy:
    """A way to search.

    Parameters
    ----------
    name
        As people call it.
    settings
        Of the search; `settings.iterations` is the ratio in which a budget is split, (1,) for one shot.
    head
        Later candidates come from this many times as many of the best predicted; None: from all. The published rule
        draws from the best 128 or more of 100,000, which has no meaning in a pool of hundreds (docs/sources.md).
    per_task
        Whether each task has a predictor; else the objective has one, as published (paper equation 4).
    answers
        Whether its predictor names a mixture; random search only has what it measured.
    """

    name: str
    settings: config_search.Search
    head: int | None = None
    per_task: bool = True
    answers: bool = True


@dataclass(frozen=True)
class Search:
    """What a search over a pool came to.

    Parameters
    ----------
    measured
        Index in the pool of every mixture that was measured, in order.
    history
        The rows that the final predictors were fitted on.
    predictors
        The final predictor of each task; empty where the policy has none.
    objective
        Weight of each task that has a predictor.
    caution
        As of `search.choice`; 0 where the policy chooses as published.
    """

    measured: Indices
    history: History
    predictors: Mapping[str, Predictor]
    objective: Mapping[str, float]
    caution: float

    def predict(self, mixtures: FloatArray) -> Prediction:
        """Return the predicted objective (n,) of mixtures (n, K)."""
        return predict_objective(self.predictors, self.objective, mixtures)

    def pick(self, mixtures: FloatArray) -> int:
        """Return which of mixtures (n, K) the policy would take, unmeasured."""
        return int(np.argmin(rank_objective(self.predictors, self.objective, mixtures, self.caution)))


ONE_SHOT = (1,)
SINGLE = {"folds": 2}  # of a family alone: they weigh nothing, and their deviations are not asked for


def _policy(
    name: str, *, head: int | None = None, per_task: bool = True, answers: bool = True, **settings: object
) -> Policy:
    return Policy(name, config_search.Search.model_validate(settings), head, per_task, answers)


POLICIES = {
    policy.name: policy
    for policy in (
        _policy("default"),
        _policy(
            "climb",
            head=2,
            per_task=False,
            predictor={"kind": "lightgbm"} | SINGLE,
            acquisition={"kind": "published"},
            choice={"rule": "published"},
        ),
        _policy("random", answers=False, iterations=ONE_SHOT),
        _policy(
            "regmix",
            per_task=False,
            iterations=ONE_SHOT,
            predictor={"kind": "lightgbm", "lightgbm": REGMIX.model_dump()} | SINGLE,
            choice={"rule": "published"},
        ),
        _policy("stack_one_shot", iterations=ONE_SHOT),
        _policy("spread_first", first="spread"),
        _policy("mixing_law", per_task=False, predictor={"kind": "mixing_law"} | SINGLE),
        _policy(
            "gaussian_process_ei",
            predictor={"kind": "gaussian_process"},
            acquisition={"kind": "expected_improvement"},
        ),
    )
}


def split_budget(ratio: tuple[int, ...], budget: int) -> list[int]:
    """Return how many proxies each iteration gets: `budget` in this ratio, to the nearest; none gets 0."""
    ends = np.rint(budget * np.cumsum(ratio) / sum(ratio)).astype(int)
    return [int(count) for count in np.diff(ends, prepend=0) if count]


def run_search(
    policy: Policy, pool: FloatArray, measure: Measure, objective: Mapping[str, float], budget: int, seed: int
) -> Search:
    """Search a pool of mixtures as the product would, measuring `budget` of them.

    The first are drawn from the pool, the later ones proposed by predictors that were fitted on all before. A
    policy of one shot measures its pick beyond the budget, because the pick of a predictor that nobody trained is
    worth little; the final predictors do not see it.

    Parameters
    ----------
    pool
        The mixtures that can be measured (n, K), all different.
    measure
        From indices in the pool (m,) to the losses of each task of the objective (m,).
    objective
        Weight of each task.

    Raises
    ------
    ComputeError
        The pool has fewer mixtures than the budget.
    """
    settings, iterations = _on_pool(policy.settings, seed), split_budget(policy.settings.iterations, budget)
    if not policy.per_task:
        measure, objective = partial(_measure_objective, measure, objective), {OBJECTIVE: 1.0}
    index_of = {mixture_key(mixture): index for index, mixture in enumerate(pool)}
    caution = 0.0 if settings.choice.rule == "published" else settings.choice.caution
    history = History.empty(pool.shape[1], tuple(objective))
    predictors: dict[str, Predictor] = {}
    measured: list[int] = []

    def propose(count: int, iteration: int, caution: float = 0.0) -> list[int]:
        def predict(mixtures: FloatArray) -> Prediction:
            ranked = rank_objective(predictors, objective, mixtures, caution)
            return Prediction(ranked, predict_objective(predictors, objective, mixtures).deviation)

        if iteration == 1:
            candidates = propose_first(pool, count, settings)
        else:
            losses = history.objective(objective)
            candidates = _propose_next(policy, settings, pool, history, predict, losses, count, iteration)
        return [index_of[candidate.key] for candidate in candidates]

    for iteration, count in enumerate(iterations, 1):
        chosen = propose(count, iteration)
        keys = [mixture_key(mixture) for mixture in pool[chosen]]
        history = history.extend(keys, pool[chosen], _results(keys, measure(np.array(chosen))), iteration)
        measured += chosen
        if policy.answers:
            predictors = fit_predictors(history, tuple(objective), settings.predictor, seed)
    if policy.answers and len(iterations) == 1 and budget < len(pool):
        measured += propose(1, 2, caution)
    return Search(np.array(measured), history, predictors, objective, caution)


def _measure_objective(measure: Measure, objective: Mapping[str, float], rows: Indices) -> Mapping[str, FloatArray]:
    return {OBJECTIVE: objective_loss(measure(rows), objective)}


def _on_pool(settings: config_search.Search, seed: int) -> config_search.Search:
    """Return settings under which every candidate is a member of the pool."""
    acquisition = settings.acquisition.model_copy(update={"local_moves": 0.0})
    return settings.model_copy(update={"seed": seed, "acquisition": acquisition})


def _propose_next(
    policy: Policy,
    settings: config_search.Search,
    pool: FloatArray,
    history: History,
    predict: Predict,
    losses: FloatArray,
    count: int,
    iteration: int,
) -> list[Candidate]:
    if policy.head:
        untried = pool[~is_among(pool, history.weights)]
        pool = untried[np.argsort(predict(untried).mean, kind="stable")[: policy.head * count]]
    best = int(np.nanargmin(losses))
    domains = pool.shape[1]
    return propose_next(
        pool,
        history.weights,
        {OBJECTIVE: predict},
        {OBJECTIVE: float(predict(history.weights[~history.diverged]).mean.min())},
        {OBJECTIVE: history.weights[best]},
        count,
        settings,
        iteration,
        Limits(np.zeros(domains), np.ones(domains)),
        pool.mean(axis=0),
    )


def _results(keys: list[str], losses: Mapping[str, FloatArray]) -> pa.Table:
    """Return losses in the form of `proxy_results`."""
    return pa.table(
        {
            "key": keys * len(losses),
            "task": [task for task in losses for _ in keys],
            "loss": np.concatenate(list(losses.values())),
            "diverged": np.tile(~np.isfinite(np.stack(list(losses.values()))).all(axis=0), len(losses)),
        }
    )
