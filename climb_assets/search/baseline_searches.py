"""Baselines that search: what RegMix, Olmix and CLIMB as published find with the budget of this search.

What belongs here: one swarm of random mixtures that RegMix and Olmix share, and the published search, over the pool and
the limits of this search, so that only the rule differs. How a mixture is measured is a function that is passed in.
Measured mixtures that two rules share are one and the same piece of work.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from climb_assets.config_baselines import Baseline
from climb_assets.search.baselines import regmix
from climb_assets.search.objectives import objective_loss
from climb_assets.search.olmix import propose_olmix
from climb_assets.search.policy import POLICIES, run_search
from climb_assets.search.proposal import propose_first
from climb_assets.search.search_state import Space
from climb_assets.simplex.mixtures import FloatArray, mixture_key

MeasureMixtures = Callable[[FloatArray, str], Mapping[str, FloatArray]]  # of mixtures (m, K): task losses (m,)


def search_baselines(
    wanted: frozenset[Baseline], space: Space, objective: Mapping[str, float], measure: MeasureMixtures
) -> dict[str, FloatArray]:
    """Return the answer (K,) of each wanted baseline that searches, at the budget of `search.iterations`.

    Parameters
    ----------
    wanted
        Names, of which those that do not search are passed over.
    objective
        Weights of its tasks.
    measure
        Trains mixtures (m, K) and returns the loss of each task (m,), NaN where a proxy diverged; its second argument
        says for whom.
    """
    settings, pool = space.config.search.model_copy(update={"first": "prior"}), space.draw()
    budget = sum(settings.iterations)
    answers: dict[str, FloatArray] = {}
    if wanted & {"regmix", "olmix"}:
        swarm = np.array([candidate.weights for candidate in propose_first(pool, budget, settings)])
        losses = measure(swarm, "random swarm")
        kept = np.isfinite(np.stack(list(losses.values()))).all(axis=0)
        swarm, losses = swarm[kept], {task: loss[kept] for task, loss in losses.items()}
        if "regmix" in wanted:
            answers["regmix"] = space.limits.round(
                regmix(swarm, objective_loss(losses, objective), pool, settings.seed)[None], settings.min_weight
            )[0]
        if "olmix" in wanted:
            answers["olmix"] = propose_olmix(
                swarm,
                losses,
                objective,
                space.prior,
                space.limits,
                space.config.baselines.olmix_divergence,
                settings.predictor.mixing_law,
            )
    if "climb" in wanted:
        answers["climb"] = _published(space, pool, objective, lambda mixtures: measure(mixtures, "CLIMB as published"))
    return answers


def _published(
    space: Space,
    pool: FloatArray,
    objective: Mapping[str, float],
    measure: Callable[[FloatArray], Mapping[str, FloatArray]],
) -> FloatArray:
    """Return the argmax of the published search: predicted, never trained; of equals the one with the lowest key."""
    own = POLICIES["climb"].settings
    changes = {name: getattr(own, name) for name in ("predictor", "acquisition", "choice")}
    changes |= {"first": "prior", "limits": space.config.search.limits.model_copy(update={"divergence": 0.0})}
    changes["acquisition"] = own.acquisition.model_copy(update={"top": space.config.search.acquisition.top})
    policy = replace(POLICIES["climb"], settings=space.config.search.model_copy(update=changes), head=None)
    found = run_search(
        policy,
        pool,
        lambda indices: {task: loss for task, loss in measure(pool[indices]).items() if task in objective},
        objective,
        sum(policy.settings.iterations),
        policy.settings.seed,
    )
    predicted = found.predict(pool).mean
    answer: FloatArray = min(pool[predicted == predicted.min()], key=mixture_key)
    return answer
