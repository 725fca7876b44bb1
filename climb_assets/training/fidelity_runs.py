"""The runs behind the fidelity of proxies: the same few mixtures trained at proxy and at target size.

What belongs here: which mixtures, and their losses. What the losses say is `climb_assets.training.fidelity`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from climb_assets.config import SEARCH_PROXY
from climb_assets.config_training import Training
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.spec import iteration_key
from climb_assets.search.baselines import token_proportional, uniform
from climb_assets.search.proposal import read_candidates
from climb_assets.search.search_state import deciding_tasks, read_space
from climb_assets.simplex.mixtures import FloatArray
from climb_assets.training.evaluation import Scores
from climb_assets.training.fidelity import Agreement, Trained, compare_ranks
from climb_assets.training.measurement import measure
from climb_assets.training.proxy_orders import Proxy
from climb_assets.training.swarm import ProxyOutcome


@dataclass(frozen=True)
class Compared:
    """How proxy settings rank mixtures; without rows and models where no mixtures were asked for.

    Parameters
    ----------
    rows
        How each setting ranks the mixtures against target models.
    outcomes
        Every model behind them, the target models first.
    counts
        How many mixtures and settings there are.
    """

    rows: Sequence[Agreement]
    outcomes: Sequence[ProxyOutcome]
    counts: Mapping[str, int]


def compare_settings(climb: Materializer) -> Compared:
    """Train the same mixtures at every proxy setting and at target size, and compare how they rank."""
    config = climb.config
    settings = {SEARCH_PROXY: config.proxy} | config.fidelity.settings
    mixtures = _compared_mixtures(climb)
    counts = {"mixtures": len(mixtures), "settings": len(settings)}
    if not mixtures:
        return Compared([], [], counts)
    targets = _train_targets(climb, mixtures)
    proxies = {name: _train(climb, name, training, mixtures) for name, training in sorted(settings.items())}
    trained = [_summarise(climb, name, settings[name], outcomes) for name, outcomes in proxies.items()]
    losses = _mean_losses(climb, targets, len(mixtures))
    rows = compare_ranks(trained, losses, config.objectives, config.fidelity, config.search.seed)
    return Compared(rows, [*targets, *(one for outcomes in proxies.values() for one in outcomes)], counts)


def _compared_mixtures(climb: Materializer) -> list[tuple[float, ...]]:
    """Return the first candidates of the search and the baselines, each once; none where none were asked for."""
    asked = climb.config.fidelity.mixtures
    if not asked:
        return []
    prior = read_space(climb).prior
    candidates = read_candidates(climb.get("mixture_candidates", iteration_key(1)).file("candidates.parquet"))
    baselines = [tuple(weights.tolist()) for weights in (uniform(len(prior)), token_proportional(prior))]
    weights = [candidate.weights for candidate in candidates[:asked]] + baselines
    return list({Proxy(mixture).key: mixture for mixture in weights}.values())


def _train_targets(climb: Materializer, mixtures: Sequence[tuple[float, ...]]) -> list[ProxyOutcome]:
    """Return the target models, all mixtures of one seed after another; the comparison has the same models."""
    config, tasks = climb.config, deciding_tasks(climb.config)
    seeds = config.target.seeds[: config.fidelity.seeds]
    targets = [Proxy(mixture, seed) for seed in seeds for mixture in mixtures]
    return measure(climb, targets, config.target.training, tasks, "search", "targets [fidelity]")


def _mean_losses(climb: Materializer, targets: Sequence[ProxyOutcome], count: int) -> dict[str, FloatArray]:
    """Return for each task the target models' losses on so many mixtures (n,), averaged over seeds."""
    losses = {task: [_loss(one, one.scores, task) for one in targets] for task in deciding_tasks(climb.config)}
    return {task: np.reshape(loss, (-1, count)).mean(axis=0) for task, loss in losses.items()}


def _train(
    climb: Materializer, name: str, training: Training, mixtures: Sequence[tuple[float, ...]]
) -> list[ProxyOutcome]:
    """Return the proxies of one setting, one a mixture."""
    proxies = [Proxy(mixture) for mixture in mixtures]
    return measure(climb, proxies, training, deciding_tasks(climb.config), "search", f"proxies [{name}]")


def _summarise(climb: Materializer, name: str, training: Training, outcomes: Sequence[ProxyOutcome]) -> Trained:
    """Return what the proxies of one setting came to at every number of tokens at which they were measured."""
    counts = sorted({tokens for outcome in outcomes if not outcome.diverged for tokens in outcome.points})
    losses = {
        tokens: {
            task: np.array([_loss(outcome, outcome.points.get(tokens, {}), task) for outcome in outcomes])
            for task in deciding_tasks(climb.config)
        }
        for tokens in counts
    }
    parameters, peak = int(outcomes[0].model.summary["parameters"]), training.learning_rate * training.rate_factor
    return Trained(name, parameters, peak, losses)


def _loss(outcome: ProxyOutcome, scores: Mapping[str, Scores], task: str) -> float:
    """Return a task's loss, NaN where the model diverged."""
    return scores[task].loss if task in scores and not outcome.diverged else float("nan")
