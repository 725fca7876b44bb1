"""The runs behind the fidelity of proxies: the same few mixtures trained at proxy and at target size.

What belongs here: which mixtures, and their losses. What the losses say is `climb_assets.training.fidelity`.
"""

from collections.abc import Mapping, Sequence

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


def compare_settings(climb: Materializer) -> tuple[list[Agreement], dict[str, int]]:
    """Return how each proxy setting ranks mixtures against target models, and how many of both there are.

    Without rows where no mixtures were asked for.
    """
    config = climb.config
    settings = {SEARCH_PROXY: config.proxy} | config.fidelity.settings
    mixtures = _compared_mixtures(climb)
    counts = {"mixtures": len(mixtures), "settings": len(settings)}
    if not mixtures:
        return [], counts
    target = _target_losses(climb, mixtures)
    trained = [_train(climb, name, training, mixtures) for name, training in sorted(settings.items())]
    return compare_ranks(trained, target, config.objectives, config.fidelity, config.search.seed), counts


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


def _target_losses(climb: Materializer, mixtures: Sequence[tuple[float, ...]]) -> dict[str, FloatArray]:
    """Return for each task the target models' losses (n,), averaged over seeds; the comparison has the same models."""
    config, tasks = climb.config, deciding_tasks(climb.config)
    seeds = config.target.seeds[: config.fidelity.seeds]
    targets = [Proxy(mixture, seed) for seed in seeds for mixture in mixtures]
    outcomes = measure(climb, targets, config.target.training, tasks, "search", "targets [fidelity]")
    losses = {task: [_loss(outcome, outcome.scores, task) for outcome in outcomes] for task in tasks}
    return {task: np.reshape(loss, (len(seeds), len(mixtures))).mean(axis=0) for task, loss in losses.items()}


def _train(climb: Materializer, name: str, training: Training, mixtures: Sequence[tuple[float, ...]]) -> Trained:
    """Return what the proxies of one setting came to at every number of tokens at which they were measured."""
    tasks = deciding_tasks(climb.config)
    proxies = [Proxy(mixture) for mixture in mixtures]
    outcomes = measure(climb, proxies, training, tasks, "search", f"proxies [{name}]")
    counts = sorted({tokens for outcome in outcomes if not outcome.diverged for tokens in outcome.points})
    losses = {
        tokens: {
            task: np.array([_loss(outcome, outcome.points.get(tokens, {}), task) for outcome in outcomes])
            for task in tasks
        }
        for tokens in counts
    }
    parameters, peak = int(outcomes[0].model.summary["parameters"]), training.learning_rate * training.rate_factor
    return Trained(name, parameters, peak, losses)


def _loss(outcome: ProxyOutcome, scores: Mapping[str, Scores], task: str) -> float:
    """Return a task's loss, NaN where the model diverged."""
    return scores[task].loss if task in scores and not outcome.diverged else float("nan")
