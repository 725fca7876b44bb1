"""Assets of the proxies: the tokens they are trained on, and how far their ranking can be trusted. Bodies only."""

from collections.abc import Mapping, Sequence

import dagster as dg
import numpy as np

from climb_assets.config import SEARCH_PROXY, Config, Training
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.spec import iteration_key
from climb_assets.search.baselines import token_proportional, uniform
from climb_assets.search.proposal import read_candidates
from climb_assets.search.search_state import deciding_tasks, read_space
from climb_assets.simplex.mixtures import FloatArray
from climb_assets.store.artifacts import Draft, canonical_json
from climb_assets.store.files import write_atomically
from climb_assets.tables import read_table
from climb_assets.training.evaluation import Scores
from climb_assets.training.fidelity import (
    Trained,
    answer,
    compare_ranks,
    in_words,
    of_setting,
    read_fidelity,
    write_fidelity,
)
from climb_assets.training.job import ProxyJob
from climb_assets.training.measurement import measure
from climb_assets.training.swarm import ProxyOutcome
from climb_assets.training.token_index import ShardSpans, build_training_index
from dagster_project.reporting import Climb, declare, result, table_metadata


def training_tokens(context: dg.AssetExecutionContext, climb: Climb) -> dg.MaterializeResult:
    """Which stretches of the tokenized shards belong to which domain, and which are held out; no token is copied."""

    def write(draft: Draft) -> None:
        shards = [
            ShardSpans(
                shard=shard,
                documents=climb.get("corpus_shards", shard).file("documents.parquet"),
                tokens=climb.get("tokenized_shards", shard).file("documents.parquet"),
                assignments=climb.get("cluster_assignments", shard).file("assignments.parquet"),
                tokens_version=climb.get("tokenized_shards", shard).data_version,
            )
            for shard in climb.listing().shards
        ]
        duplicates = climb.get("corpus_manifest").file("duplicates.parquet")
        draft.summary |= build_training_index(
            shards, duplicates, climb.get("domains").file("clusters.parquet"), draft.path
        )

    return result(climb.make("training_tokens", None, write))


def proxy_fidelity(context: dg.AssetExecutionContext, climb: Climb) -> dg.MaterializeResult:
    """Whether proxies rank mixtures as target models do, by setting and tokens, and the cheapest that does."""
    config = climb.config

    def write(draft: Draft) -> None:
        settings = {SEARCH_PROXY: config.proxy} | config.fidelity.settings
        mixtures = _compared_mixtures(climb)
        rows = []
        if mixtures:
            target = _target_losses(climb, mixtures)
            trained = [_train(climb, name, training, mixtures) for name, training in sorted(settings.items())]
            rows = compare_ranks(trained, target, config.objectives, config.fidelity, config.search.seed)
        write_fidelity(draft.path / "fidelity.parquet", rows)
        found = answer(rows, config.fidelity.wanted)
        write_atomically(draft.path / "answer.json", canonical_json(found).encode())
        draft.summary |= {"mixtures": len(mixtures), "settings": len(settings)}

    made = climb.make("proxy_fidelity", None, write)
    rows = read_fidelity(made.artifact.file("fidelity.parquet"))
    own = of_setting(rows, SEARCH_PROXY)
    check = dg.AssetCheckResult(
        check_name="proxy_ranks_hold",
        passed=bool(own) and all((row.spearman or 0) >= config.fidelity.wanted for row in own.values()),
        severity=dg.AssetCheckSeverity.WARN,
        description=None if config.fidelity.mixtures else "not asked for: fidelity.mixtures is 0",
        metadata={name: in_words(row.mixtures, row.spearman, row.low, row.high) for name, row in own.items()}
        | {
            f"{name}, best quarter": in_words(row.top_mixtures, row.top_spearman, row.top_low, row.top_high)
            for name, row in own.items()
        },
    )
    shown = {
        "fidelity": table_metadata(read_table(made.artifact.file("fidelity.parquet"))),
        "answer": dg.MetadataValue.json(made.artifact.json("answer.json")),
    }
    return result(made, shown, [check])


def _compared_mixtures(climb: Materializer) -> list[tuple[float, ...]]:
    """Return the first candidates of the search and the baselines, each once; none where none were asked for."""
    asked = climb.config.fidelity.mixtures
    if not asked:
        return []
    prior = read_space(climb).prior
    candidates = read_candidates(climb.get("mixture_candidates", iteration_key(1)).file("candidates.parquet"))
    baselines = [tuple(weights.tolist()) for weights in (uniform(len(prior)), token_proportional(prior))]
    weights = [candidate.weights for candidate in candidates[:asked]] + baselines
    return list({ProxyJob(mixture).key: mixture for mixture in weights}.values())


def _target_losses(climb: Materializer, mixtures: Sequence[tuple[float, ...]]) -> dict[str, FloatArray]:
    """Return for each task the target models' losses (n,), averaged over seeds; the comparison has the same models."""
    config, tasks = climb.config, deciding_tasks(climb.config)
    seeds = config.target.seeds[: config.fidelity.seeds]
    jobs = [ProxyJob(mixture, seed) for seed in seeds for mixture in mixtures]
    outcomes = measure(climb, jobs, config.target.training, tasks, "targets [fidelity]")
    losses = {task: [_loss(outcome, outcome.scores, task) for outcome in outcomes] for task in tasks}
    return {task: np.reshape(loss, (len(seeds), len(mixtures))).mean(axis=0) for task, loss in losses.items()}


def _train(climb: Materializer, name: str, training: Training, mixtures: Sequence[tuple[float, ...]]) -> Trained:
    """Return what the proxies of one setting came to at every number of tokens at which they were measured."""
    tasks = deciding_tasks(climb.config)
    outcomes = measure(climb, [ProxyJob(mixture) for mixture in mixtures], training, tasks, f"proxies [{name}]")
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


def proxy_assets(config: Config) -> list[dg.AssetsDefinition]:
    """Return the assets of this stage."""
    ranks = dg.AssetCheckSpec(
        "proxy_ranks_hold",
        asset="proxy_fidelity",
        description="The search's proxies rank mixtures as target models do, as well as fidelity.wanted asks for.",
    )
    return [declare(training_tokens, config), declare(proxy_fidelity, config, check_specs=[ranks])]
