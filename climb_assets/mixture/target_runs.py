"""The runs that judge: target models on the chosen mixture and on the baselines, at equal tokens.

What belongs here: from the answer to measured target models. What their losses say is
`climb_assets.mixture.comparison`.
"""

from climb_assets.errors import ComputeError
from climb_assets.graph.materializer import Materializer
from climb_assets.mixture.comparison import Comparison, average_measures, compare
from climb_assets.randomness import generator
from climb_assets.search.baselines import read_baselines
from climb_assets.search.item_sampling import TaskItems
from climb_assets.tables import read_table
from climb_assets.training.measurement import measure
from climb_assets.training.proxy_orders import Proxy
from climb_assets.training.swarm import ProxyOutcome

CHOSEN = "chosen"


def compare_targets(climb: Materializer, objective: str) -> tuple[list[Comparison], list[ProxyOutcome]]:
    """Return the chosen mixture against each baseline, and the target models, each once.

    Raises
    ------
    ComputeError
        A target model diverged.
    """
    config = climb.config
    baselines = read_baselines(climb.get("baseline_mixtures", objective).file("baselines.parquet"))
    arms = {CHOSEN: _confirmed_weights(climb, objective)} | baselines
    targets = {(arm, seed): Proxy(weights, seed) for arm, weights in arms.items() for seed in config.target.seeds}
    training, what = config.target.training, f"targets [{objective}]"
    found = measure(climb, list(targets.values()), training, config.tasks, "confirm", what)
    outcomes = dict(zip(targets, found, strict=True))
    diverged = sorted({arm for (arm, _), outcome in outcomes.items() if outcome.diverged})
    if diverged:
        raise ComputeError(f"target models on {', '.join(diverged)} diverged; lower target.training.learning_rate")
    losses: dict[str, dict[int, dict[str, float]]] = {arm: {} for arm in arms}
    items: dict[str, dict[int, TaskItems]] = {arm: {} for arm in arms}
    for (arm, seed), outcome in outcomes.items():
        losses[arm][seed] = {task: scores.loss for task, scores in outcome.scores.items()}
        items[arm][seed] = outcome.items
    measures = average_measures(objective, config.objectives[objective], config.tasks)
    rng = generator(config.search.seed, "comparison", objective)
    rows = compare(losses, items, CHOSEN, measures, config.target.confidence, rng)
    return rows, list({(one.proxy.key, one.proxy.repeat): one for one in found}.values())


def _confirmed_weights(climb: Materializer, objective: str) -> tuple[float, ...]:
    """Return the weights (K,) of the answer of an objective as they were trained, whatever the limits are today."""
    table = read_table(climb.get("optimal_mixture", objective).file("weights.parquet"), ["confirmed"])
    return tuple(table["confirmed"].to_pylist())
