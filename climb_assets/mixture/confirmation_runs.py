"""The runs that confirm: the short list of an objective and the baselines, trained again with fresh seeds.

What belongs here: from the last predictor to measured models. Which mixtures are listed is
`climb_assets.search.confirmation`, what their losses say `climb_assets.mixture.confirmed_choice`.
"""

from climb_assets.errors import ComputeError
from climb_assets.graph.materializer import Materializer
from climb_assets.mixture.choice import list_for_confirmation, reference_proxy
from climb_assets.search.baselines import read_baselines
from climb_assets.search.confirmation import Listed, fresh_seeds
from climb_assets.search.search_state import deciding_tasks
from climb_assets.training.measurement import measure
from climb_assets.training.proxy_orders import Proxy
from climb_assets.training.swarm import ProxyOutcome


def confirm(climb: Materializer, objective: str) -> tuple[list[Listed], list[ProxyOutcome]]:
    """Return the short list of an objective, and every model that was trained for it, each once.

    Raises
    ------
    ComputeError
        The model that no-regression floors compare with diverged.
    """
    config = climb.config
    reference = _measure_reference(climb, objective)
    losses = {task: scores.loss for task, scores in reference.scores.items()} if reference else {}
    listed = list_for_confirmation(climb, objective, losses)
    baselines = read_baselines(climb.get("baseline_mixtures", objective).file("baselines.parquet"))
    mixtures = [entry.weights for entry in listed] + (list(baselines.values()) if listed else [])
    proxies = dict.fromkeys(Proxy(own, seed) for own in mixtures for seed in fresh_seeds(config.search))
    tasks, what = deciding_tasks(config), f"confirmation [{objective}]"
    outcomes = measure(climb, list(proxies), config.proxy, tasks, "confirm", what)
    outcomes += [reference] if reference else []  # the short list rests on it, so it belongs to the lineage
    return listed, list({(one.proxy.key, one.proxy.repeat): one for one in outcomes}.values())


def _measure_reference(climb: Materializer, objective: str) -> ProxyOutcome | None:
    """Return the proxy on the corpus as it is, where a no-regression floor asks for it."""
    proxy = reference_proxy(climb, objective)
    if proxy is None:
        return None
    tasks = deciding_tasks(climb.config)
    (outcome,) = measure(climb, [proxy], climb.config.proxy, tasks, "search", f"reference [{objective}]")
    if outcome.diverged:
        raise ComputeError("the proxy on the proportional mixture diverged; lower proxy.learning_rate")
    return outcome
