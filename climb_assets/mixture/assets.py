"""Assets of the mixture stage: the choice, its comparison, its data set. Bodies only; the compute lies beside."""

from collections.abc import Mapping
from dataclasses import asdict

import dagster as dg
import numpy as np
import pyarrow as pa

from climb_assets.clusters.shards import shard_tables
from climb_assets.config import Config
from climb_assets.errors import ComputeError
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.spec import iteration_keys
from climb_assets.mixture.choice import choose, list_for_confirmation, reference_job
from climb_assets.mixture.comparison import average_measures, compare
from climb_assets.mixture.confirmed_choice import write_selection
from climb_assets.mixture.corpus_writer import write_mixed_corpus, write_realised
from climb_assets.mixture.realisation import realise, sample_documents
from climb_assets.search.baselines import read_baselines
from climb_assets.search.confirmation import fresh_seeds, write_shortlist
from climb_assets.search.figures import mixture_bars
from climb_assets.search.search_state import deciding_tasks, read_knowledge, read_space
from climb_assets.store.artifacts import Draft, canonical_json
from climb_assets.store.files import write_atomically
from climb_assets.tables import read_table, write_table
from climb_assets.training.job import ProxyJob
from climb_assets.training.measurement import measure, write_outcomes
from climb_assets.training.swarm import ProxyOutcome
from dagster_project.reporting import Climb, declare, image_metadata, result, table_metadata

CHOSEN = "chosen"


def confirmation_results(context: dg.AssetExecutionContext, climb: Climb) -> dg.MaterializeResult:
    """The best mixtures of the search and the baselines, trained again with fresh seeds; the answer is one of them."""
    objective, config = context.partition_key, climb.config

    def write(draft: Draft) -> None:
        reference = _measure_reference(climb, objective)
        listed = list_for_confirmation(climb, objective, _task_losses(reference) if reference else {})
        baselines = read_baselines(climb.get("baseline_mixtures", objective).file("baselines.parquet"))
        mixtures = [entry.weights for entry in listed] + (list(baselines.values()) if listed else [])
        jobs = dict.fromkeys(ProxyJob(own, seed) for own in mixtures for seed in fresh_seeds(config.search))
        outcomes = measure(climb, list(jobs), config.proxy, deciding_tasks(config), f"confirmation [{objective}]")
        outcomes += [reference] if reference else []  # the short list rests on it, so it belongs to the lineage
        write_outcomes({(one.job.key, one.job.repeat): one for one in outcomes}.values(), draft.path)
        write_shortlist(draft.path / "shortlist.parquet", listed)
        draft.summary |= {"shortlist": [entry.name for entry in listed], "proxies": len(outcomes)}

    made = climb.make("confirmation_results", objective, write)
    shown = {
        name: table_metadata(read_table(made.artifact.file(f"{name}.parquet"))) for name in ("shortlist", "results")
    }
    return result(made, shown)


def _measure_reference(climb: Materializer, objective: str) -> ProxyOutcome | None:
    """Return the proxy on the corpus as it is, where a no-regression floor asks for it."""
    job = reference_job(climb, objective)
    if job is None:
        return None
    tasks = deciding_tasks(climb.config)
    (outcome,) = measure(climb, [job], climb.config.proxy, tasks, f"reference [{objective}]")
    if outcome.diverged:
        raise ComputeError("the proxy on the proportional mixture diverged; lower proxy.learning_rate")
    return outcome


def optimal_mixture(context: dg.AssetExecutionContext, climb: Climb) -> dg.MaterializeResult:
    """The answer: a mixture, how sure it is, and what may be said of it against the baselines."""
    objective = context.partition_key

    def write(draft: Draft) -> None:
        space = read_space(climb)
        selection, advice = choose(climb, space, objective)
        write_selection(draft.path, selection, space.names, space.prior)
        write_atomically(draft.path / "advice.json", canonical_json(asdict(advice)).encode())
        draft.summary |= {key: value for key, value in asdict(selection).items() if key not in ("weights", "prospect")}
        draft.summary |= {"advice": advice.sentence}

    made = climb.make("optimal_mixture", objective, write)
    weights, space = read_table(made.artifact.file("weights.parquet")), read_space(climb)
    shares = weights["weight"].to_numpy()
    checks = [
        dg.AssetCheckResult(
            check_name="weights_on_simplex", passed=bool(np.isclose(shares.sum(), 1) and (shares >= 0).all())
        ),
        dg.AssetCheckResult(check_name="weights_within_limits", passed=bool(space.limits.kept_by(shares))),
    ]
    state = climb.get("predictor_state", iteration_keys(climb.config)[-1])
    history = read_knowledge(space, state).history
    shown: dict[str, dg.MetadataValue] = {"weights": table_metadata(weights)}
    if len(climb.config.objectives) > 1:
        shown["pareto_front"] = table_metadata(read_table(state.file("front.parquet")))
    bars = mixture_bars(history.weights, history.iteration, space.names)
    return result(made, shown | {"mixtures_by_iteration": image_metadata(bars)}, checks)


def _chosen_weights(climb: Materializer, objective: str) -> tuple[float, ...]:
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
        losses.setdefault(arm, {})[seed] = _task_losses(outcome)
    return losses


def _task_losses(outcome: ProxyOutcome) -> dict[str, float]:
    return {task: scores.loss for task, scores in outcome.scores.items()}


def mixed_corpus(context: dg.AssetExecutionContext, climb: Climb) -> dg.MaterializeResult:
    """The data set: documents sampled to the token budget by the weights, no domain repeated beyond the cap."""
    objective, settings = context.partition_key, climb.config.mixture

    def write(draft: Draft) -> None:
        domains = read_table(climb.get("domains").file("domains.parquet"), ["name", "tokens"])
        names, supply = domains["name"].to_pylist(), domains["tokens"].to_numpy()
        weights = _chosen_weights(climb, objective)
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
    sound = [
        dg.AssetCheckSpec("weights_on_simplex", asset="optimal_mixture", blocking=True),
        dg.AssetCheckSpec("weights_within_limits", asset="optimal_mixture", blocking=True),
    ]
    within_plan = dg.AssetCheckSpec(
        "within_plan", asset="mixed_corpus", blocking=True, description="No domain exceeds its planned tokens."
    )
    return [
        declare(confirmation_results, config),
        declare(optimal_mixture, config, check_specs=sound),
        declare(target_comparison, config),
        declare(mixed_corpus, config, check_specs=[within_plan]),
    ]
