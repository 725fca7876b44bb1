"""The baselines of an objective over the lake: what each rule gives, with the proxies that some of them train.

What belongs here: handing measurements to the rules. The rules are `climb_assets.search.baselines`,
`climb_assets.search.baseline_searches` and `climb_assets.training.doremi`.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from climb_assets.graph.materializer import Materializer
from climb_assets.search.baseline_searches import search_baselines
from climb_assets.search.baselines import token_proportional, uniform, unimax
from climb_assets.search.search_state import Space, deciding_tasks
from climb_assets.simplex.mixtures import FloatArray
from climb_assets.store.artifacts import Artifact
from climb_assets.training.doremi import read_reweighting
from climb_assets.training.measurement import measure
from climb_assets.training.proxy_orders import Proxy
from climb_assets.training.reweighting import RUN, reweigh
from climb_assets.training.swarm import ProxyOutcome


@dataclass(frozen=True)
class Baselines:
    """The baselines of one objective.

    Parameters
    ----------
    mixtures
        Weights (K,) by name.
    trained
        The proxies behind them, by the key of their mixture.
    doremi
        DoReMi's run, None where it was not asked for.
    """

    mixtures: Mapping[str, FloatArray]
    trained: Mapping[str, ProxyOutcome]
    doremi: Artifact | None


def train_baselines(climb: Materializer, space: Space, objective: str) -> Baselines:
    """Return every baseline that the configuration names, for one objective.

    Raises
    ------
    ComputeError
        A rule cannot be applied, or one of DoReMi's models diverged.
    """
    config, wanted = climb.config, frozenset(climb.config.baselines.mixtures)
    trained: dict[str, ProxyOutcome] = {}

    def train(mixtures: FloatArray, who: str) -> dict[str, FloatArray]:
        proxies = [Proxy(tuple(mixture.tolist())) for mixture in mixtures]
        outcomes = measure(climb, proxies, config.proxy, deciding_tasks(config), "search", f"{who} [{objective}]")
        trained.update({one.proxy.key: one for one in outcomes})
        return {
            task: np.array([np.nan if one.diverged else one.scores[task].loss for one in outcomes])
            for task in config.objectives[objective]
        }

    plain: dict[str, FloatArray] = {
        "uniform": uniform(len(space.prior)),
        "proportional": token_proportional(space.prior),
        "unimax": unimax(space.supply, config.mixture.tokens, config.mixture.max_epochs),
    }
    mixtures: dict[str, FloatArray] = {name: mixture for name, mixture in plain.items() if name in wanted}
    mixtures |= search_baselines(wanted, space, config.objectives[objective], train)
    if "doremi" not in wanted:
        return Baselines(mixtures, trained, None)
    run, reference = reweigh(climb)
    trained.setdefault(reference.proxy.key, reference)
    return Baselines(mixtures | {"doremi": read_reweighting(run.file(RUN)).weights}, trained, run)
