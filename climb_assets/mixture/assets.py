"""Assets of the mixture stage: the choice, its comparison, its data set. Bodies only; the compute lies beside."""

from collections.abc import Mapping
from dataclasses import asdict

import dagster as dg
import numpy as np
import pyarrow as pa

from climb_assets.artifacts import Draft
from climb_assets.assets import Climb, declare, image_metadata, result, table_metadata
from climb_assets.clusters.shards import shard_tables
from climb_assets.config import Config
from climb_assets.errors import ComputeError
from climb_assets.mixture.comparison import average_measures, compare
from climb_assets.mixture.corpus_writer import write_mixed_corpus, write_realised
from climb_assets.mixture.realisation import realise, sample_documents
from climb_assets.mixture.selection import select_mixture, write_selection
from climb_assets.proxy.job import ProxyJob
from climb_assets.proxy.laboratory import measure, write_outcomes
from climb_assets.proxy.noise import noise_of_objectives
from climb_assets.proxy.swarm import ProxyOutcome
from climb_assets.recipes import iteration_keys
from climb_assets.search.assets import read_prior
from climb_assets.search.baselines import read_baselines
from climb_assets.search.figures import mixture_bars
from climb_assets.search.iteration import History, read_diagnostics
from climb_assets.search.predictor import load_predictor
from climb_assets.tables import read_table, write_table
from climb_assets.workshop import Workshop

CHOSEN = "chosen"


def optimal_mixture(context: dg.AssetExecutionContext, climb: Climb) -> dg.MaterializeResult:
    """The mixture of least predicted loss, and what that prediction rests on."""
    objective, config = context.partition_key, climb.config

    def write(draft: Draft) -> None:
        state = climb.get("predictor_state", iteration_keys(config)[-1])
        history = History.load(state.file("history.parquet"))
        weights = config.objectives[objective]
        predictors = {task: load_predictor(state.file(f"{task}.txt")) for task in weights}
        fit = read_diagnostics(state.file("diagnostics.json"))["objectives"][objective]
        noise = noise_of_objectives(state.file("noise.parquet")).get(objective)
        prior = read_prior(climb)
        selection = select_mixture(predictors, history, objective, weights, fit, noise, config.search, prior)
        write_selection(draft.path, selection, _domain_names(climb), prior)
        draft.summary |= {key: value for key, value in asdict(selection).items() if key not in ("weights", "fit")}

    made = climb.make("optimal_mixture", objective, write)
    weights = read_table(made.artifact.file("weights.parquet"))
    on_simplex = bool(np.isclose(weights["weight"].to_numpy().sum(), 1) and (weights["weight"].to_numpy() >= 0).all())
    check = dg.AssetCheckResult(check_name="weights_on_simplex", passed=on_simplex)
    state = climb.get("predictor_state", iteration_keys(config)[-1])
    history = History.load(state.file("history.parquet"))
    bars = mixture_bars(history.weights, history.iteration, _domain_names(climb))
    return result(made, {"weights": table_metadata(weights), "mixtures_by_iteration": image_metadata(bars)}, [check])


def _domain_names(climb: Workshop) -> list[str]:
    return [
        str(name) for name in read_table(climb.get("domains").file("domains.parquet"), ["name"])["name"].to_pylist()
    ]


def _chosen_weights(climb: Workshop, objective: str) -> tuple[float, ...]:
    return tuple(read_table(climb.get("optimal_mixture", objective).file("weights.parquet"))["weight"].to_pylist())


def target_comparison(context: dg.AssetExecutionContext, climb: Climb) -> dg.MaterializeResult:
    """Target models on the chosen mixture and on the baselines, at equal tokens, compared seed by seed."""
    objective, config = context.partition_key, climb.config

    def write(draft: Draft) -> None:
        baselines = read_baselines(climb.get("baseline_mixtures", objective).file("baselines.parquet"))
        arms = {CHOSEN: _chosen_weights(climb, objective)} | baselines
        jobs = {(arm, seed): ProxyJob(weights, seed) for arm, weights in arms.items() for seed in config.target.seeds}
        found = measure(climb, list(jobs.values()), config.target.training, config.tasks, f"targets [{objective}]")
        outcomes = dict(zip(jobs, found, strict=True))
        write_outcomes({(outcome.job.key, outcome.job.repeat): outcome for outcome in found}.values(), draft.path)
        diverged = sorted({arm for (arm, _), outcome in outcomes.items() if outcome.diverged})
        if diverged:
            raise ComputeError(f"target models on {', '.join(diverged)} diverged; lower target.training.learning_rate")
        rows = compare(
            _losses(outcomes),
            CHOSEN,
            average_measures(objective, config.objectives[objective], config.tasks),
            config.target.confidence,
        )
        write_table(draft.path / "comparison.parquet", pa.Table.from_pylist([asdict(row) for row in rows]))
        draft.summary |= {"arms": sorted(arms), "seeds": len(config.target.seeds)}

    made = climb.make("target_comparison", objective, write)
    return result(made, {"comparison": table_metadata(read_table(made.artifact.file("comparison.parquet")))})


def _losses(outcomes: Mapping[tuple[str, int], ProxyOutcome]) -> dict[str, dict[int, dict[str, float]]]:
    losses: dict[str, dict[int, dict[str, float]]] = {}
    for (arm, seed), outcome in outcomes.items():
        losses.setdefault(arm, {})[seed] = {task: scores.loss for task, scores in outcome.scores.items()}
    return losses


def mixed_corpus(context: dg.AssetExecutionContext, climb: Climb) -> dg.MaterializeResult:
    """The data set: documents sampled to the token budget by the weights, no domain repeated beyond the cap."""
    objective, settings = context.partition_key, climb.config.mixture

    def write(draft: Draft) -> None:
        names, weights = _domain_names(climb), _chosen_weights(climb, objective)
        supply = read_table(climb.get("domains").file("domains.parquet"), ["tokens"])["tokens"].to_numpy()
        plan = realise(weights, supply, settings.tokens, settings.max_epochs)
        shards = shard_tables(climb)
        clusters = climb.get("domains").file("clusters.parquet")
        duplicates = climb.get("corpus_manifest").file("duplicates.parquet")
        tokens = sample_documents(shards, clusters, duplicates, plan.tokens, settings.seed, draft.path)
        sample = draft.path / "sample.parquet"
        rows = write_mixed_corpus(sample, shards, names, draft.path, settings.shard_documents, settings.seed)
        write_realised(draft.path / "realised.parquet", names, np.array(weights), plan, tokens)
        capped = [name for name, at_cap in zip(names, plan.capped, strict=True) if at_cap]
        draft.summary |= {"documents": rows, "tokens": int(tokens.sum()), "distance_to_weights": plan.distance}
        draft.summary |= {"shortfall": plan.shortfall, "domains_at_the_epoch_cap": capped}

    made = climb.make("mixed_corpus", objective, write)
    realised = read_table(made.artifact.file("realised.parquet"))
    planned, kept = realised["planned"].to_numpy(), realised["tokens"].to_numpy()
    check = dg.AssetCheckResult(
        check_name="within_plan",
        passed=bool((kept <= planned).all()),
        metadata={"planned": int(planned.sum()), "tokens": int(kept.sum())},
    )
    return result(made, {"realised": table_metadata(realised)}, [check])


def mixture_assets(config: Config) -> list[dg.AssetsDefinition]:
    """Return the assets of this stage."""
    on_simplex = dg.AssetCheckSpec("weights_on_simplex", asset="optimal_mixture", blocking=True)
    within_plan = dg.AssetCheckSpec(
        "within_plan", asset="mixed_corpus", blocking=True, description="No domain exceeds its planned tokens."
    )
    return [
        declare(optimal_mixture, config, check_specs=[on_simplex]),
        declare(target_comparison, config),
        declare(mixed_corpus, config, check_specs=[within_plan]),
    ]
