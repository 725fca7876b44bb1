"""The choice over the lake: what is confirmed, and which mixture is the answer.

What belongs here: handing artefacts to the rules. The rules are `climb_assets.search.confirmation`,
`climb_assets.mixture.published_choice` and `climb_assets.mixture.confirmed_choice`.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from climb_assets.errors import ComputeError
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.spec import iteration_keys
from climb_assets.mixture.confirmed_choice import REFERENCE, Selection, select_confirmed, select_published
from climb_assets.mixture.published_choice import choose_published
from climb_assets.randomness import generator
from climb_assets.search.baselines import read_baselines
from climb_assets.search.confirmation import Listed, fresh_seeds, gather_arms, read_shortlist, shortlist
from climb_assets.search.item_sampling import read_items
from climb_assets.search.iteration import read_diagnostics
from climb_assets.search.noise import losses_of, noise_of_objectives
from climb_assets.search.objectives import NoRegression
from climb_assets.search.search_state import (
    Knowledge,
    Space,
    advise_on,
    propose_at_most,
    read_knowledge,
    read_space,
    read_space_today,
)
from climb_assets.search.shadow_prices import shadow_prices
from climb_assets.search.stop_rule import Advice
from climb_assets.simplex.limits import SLACK, Limits
from climb_assets.simplex.mixtures import FloatArray, check_simplex
from climb_assets.tables import read_table
from climb_assets.training.proxy_orders import Proxy


def list_for_confirmation(climb: Materializer, objective: str, reference: Mapping[str, float]) -> list[Listed]:
    """Return the mixtures of an objective to train again; none where the published rule is to choose.

    Parameters
    ----------
    reference
        Loss of each task on the corpus as it is, which no-regression floors compare with; see `reference_proxy`.
    """
    config, space, today = climb.config, read_space(climb), read_space_today(climb)
    if config.search.choice.rule == "published":
        return []
    known, pool = _last_knowledge(climb, space), space.draw()
    scores = known.rank(objective, pool) + space.penalty(pool)
    safe = reference_proxy(climb, objective)
    guard = NoRegression(config.search.choice.no_regression, reference, safe.weights if safe else ())
    return shortlist(
        known.history,
        config.objectives[objective],
        pool,
        scores,
        known.surcharge(objective, known.history.weights),
        known.predict_tasks,
        space.limits,
        today.limits,
        guard,
        config.search,
    )


def choose(climb: Materializer, space: Space, today: Space, objective: str) -> tuple[Selection, Advice]:
    """Return the answer of an objective, with the price of its limits, and the advice whether to search on.

    Parameters
    ----------
    space, today
        The space of the search, and the same within the limits of what the domains hold today.

    Raises
    ------
    ComputeError
        The answer breaks a limit, which would be a defect of the rule; or what the rule says.
    """
    config, known, pool = climb.config, _last_knowledge(climb, space), space.draw()
    state = climb.get("predictor_state", iteration_keys(config)[-1])
    weights, predict = config.objectives[objective], known.predict[objective]
    noise = noise_of_objectives(state.file("noise.parquet")).get(objective)
    fit = read_diagnostics(state.file("diagnostics.json"))["objectives"][objective]
    ranked = pool
    if config.search.choice.rule == "published":  # else it is told beside the answer
        ranked = pool[today.limits.excess(pool) <= config.search.choice.tolerance + SLACK]
    published = choose_published(predict, space.penalty, known.history, weights, ranked, space.limits, fit)
    if config.search.choice.rule == "published":
        selection = select_published(objective, published, noise)
    else:
        results = climb.get("confirmation_results", objective)
        listed = read_shortlist(results.file("shortlist.parquet"))
        baselines = read_baselines(climb.get("baseline_mixtures", objective).file("baselines.parquet"))
        losses = losses_of(read_table(results.file("results.parquet")))
        items = read_items(results.file("items.parquet"))
        arms = gather_arms(listed, baselines, losses, items, fresh_seeds(config.search))
        rng = generator(config.search.seed, "verdict", objective)
        added = known.surcharge(objective, np.array([entry.weights for entry in listed]))
        surcharge = dict(zip((entry.name for entry in listed), added.tolist(), strict=True))
        selection = select_confirmed(
            objective, weights, listed, arms, published, noise, config.search.choice, rng, surcharge
        )
    if not space.limits.kept_by(check_simplex(selection.weights, len(space.names))[None]).all():
        raise ComputeError(f"the answer of {objective} breaks a limit, which is a defect; report this")
    confirmed = np.array(selection.weights)
    adapted = adapt(confirmed, today.limits, config.search.min_weight)
    prices = shadow_prices(adapted, today.limits, predict, config.search.min_weight)
    by = float(np.abs(adapted - confirmed).sum() / 2)
    selection = replace(selection, today=tuple(adapted.tolist()), adapted_by=by, prices=tuple(prices))
    return selection, _advise(known, pool, objective)


def adapt(mixture: FloatArray, limits: Limits, min_weight: float) -> FloatArray:
    """Return a mixture (K,) moved onto limits; one that keeps them stays as it is."""
    return mixture if limits.kept_by(mixture[None]).all() else limits.round(mixture[None], min_weight)[0]


def _advise(known: Knowledge, pool: FloatArray, objective: str) -> Advice:
    """Return what another iteration as large as the last one promises."""
    iterations = known.space.config.search.iterations
    return advise_on(known, propose_at_most(known, pool, iterations[-1], len(iterations) + 1), objective)


def _last_knowledge(climb: Materializer, space: Space) -> Knowledge:
    return read_knowledge(space, climb.get("predictor_state", iteration_keys(climb.config)[-1]))


def reference_proxy(climb: Materializer, objective: str) -> Proxy | None:
    """Return the proxy that the short list's no-regression floors compare with, None where there are no floors."""
    if not climb.config.search.choice.no_regression:
        return None
    baselines = read_baselines(climb.get("baseline_mixtures", objective).file("baselines.parquet"))
    return Proxy(baselines[REFERENCE])
