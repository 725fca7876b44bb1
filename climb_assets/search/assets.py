"""Assets of the search stage: the iterations and the baselines. Bodies only; the compute lies beside.

One operation makes the three assets of an iteration, for one partition or for the whole range. It reports each
partition by itself, with its own versions: a returned result would stamp one version on all of them, and what was
finished before a crash stays reported.
"""

from collections.abc import Iterator
from functools import partial

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from climb_assets.config import Config
from climb_assets.errors import ClimbError, ComputeError
from climb_assets.graph.assets import SEARCH
from climb_assets.graph.hashed_settings import iteration_number
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.spec import iteration_key
from climb_assets.search.baseline_searches import search_baselines
from climb_assets.search.baselines import token_proportional, uniform, unimax, write_baselines
from climb_assets.search.figures import mixture_bars, predicted_vs_measured
from climb_assets.search.iteration import (
    History,
    diagnose,
    first_models,
    fit_predictors,
    tabulate_families,
    tabulate_front,
    write_diagnostics,
)
from climb_assets.search.noise import losses_of, measure_noise, read_noise, write_noise
from climb_assets.search.predictor import save_predictor
from climb_assets.search.proposal import read_candidates, write_candidates
from climb_assets.search.search_state import (
    deciding_tasks,
    evidence_left_out,
    propose_further,
    propose_initial,
    read_evidence,
    read_knowledge,
    read_space,
)
from climb_assets.simplex.mixtures import FloatArray
from climb_assets.store.artifacts import Artifact, Draft
from climb_assets.tables import read_table, write_table
from climb_assets.training.doremi import read_reweighting
from climb_assets.training.figures import loss_curves
from climb_assets.training.job import ProxyJob
from climb_assets.training.measurement import measure, write_outcomes
from climb_assets.training.reweighting import RUN, reweigh
from climb_assets.training.swarm import ProxyOutcome
from dagster_project.partitions import asset_options, iteration_partitions
from dagster_project.reporting import Climb, declare, event_of, image_metadata, plain_failure, result, table_metadata


def propose(climb: Materializer, key: str, draft: Draft) -> None:
    """Write the candidates of an iteration: drawn from the prior, then by the last predictors."""
    config, number, space = climb.config, iteration_number(key), read_space(climb)
    pool, count = space.draw(), config.search.iterations[number - 1]
    if number == 1:
        candidates = propose_initial(space, pool, count)
    else:
        known = read_knowledge(space, climb.get("predictor_state", iteration_key(number - 1)))
        candidates = propose_further(known, pool, count, number)
    if not space.limits.kept_by(np.array([candidate.weights for candidate in candidates])).all():
        raise ComputeError(f"a candidate of {key} breaks a limit, which is a defect; report this")
    write_candidates(draft.path / "candidates.parquet", candidates)
    draft.summary |= {"candidates": len(candidates), "pool": len(pool), "domains": len(space.names)}


def train_proxies(climb: Materializer, key: str, draft: Draft) -> None:
    """Train and measure a proxy on every candidate of an iteration; in the first, further seeds of some (anchors)."""
    config = climb.config
    candidates = read_candidates(climb.get("mixture_candidates", key).file("candidates.parquet"))
    jobs = [ProxyJob(candidate.weights) for candidate in candidates]
    if iteration_number(key) == 1:
        repeats = range(1, config.search.repeats + 1)
        jobs += [ProxyJob(job.weights, repeat) for job in jobs[: config.search.anchors] for repeat in repeats]
    outcomes = measure(climb, jobs, config.proxy, deciding_tasks(config), f"proxies [{key}]")
    write_outcomes(outcomes, draft.path)
    diverged = sum(outcome.diverged for outcome in outcomes)
    draft.summary |= {
        "proxies": len(outcomes),
        "diverged": diverged,
        "tokens_per_proxy": config.proxy.steps * config.proxy.batch * config.proxy.sequence,
    }
    draft.run |= {"trained_now": sum(outcome.trained for outcome in outcomes)}
    if diverged == len(outcomes):
        raise ComputeError(f"every proxy of {key} diverged; lower proxy.learning_rate")


def fit(climb: Materializer, key: str, draft: Draft) -> None:
    """Fit a predictor of each task on all rows so far, and carry along the noise that these rows have."""
    config, number = climb.config, iteration_number(key)
    candidates = read_candidates(climb.get("mixture_candidates", key).file("candidates.parquet"))
    results = read_table(climb.get("proxy_results", key).file("results.parquet"))
    tasks = sorted(set(results["task"].to_pylist()))
    if number == 1:
        history, left_out = read_evidence(read_space(climb)), evidence_left_out(config)
        draft.summary |= {"evidence": len(history.keys), "evidence_left_out": dict(left_out)}
        noise = measure_noise(losses_of(results), config.objectives)
    else:
        before = climb.get("predictor_state", iteration_key(number - 1))
        history = History.load(before.file("history.parquet"))
        noise = read_noise(before.file("noise.parquet"))
    weights = np.array([candidate.weights for candidate in candidates])
    history = history.extend([candidate.key for candidate in candidates], weights, first_models(results), number)
    seed, settings = config.search.seed, config.search.predictor
    predictors = fit_predictors(history, tasks, settings, seed)
    diagnostics = diagnose(history, predictors, config.objectives)
    history.save(draft.path / "history.parquet")
    for task, predictor in predictors.items():
        save_predictor(draft.path / f"{task}.json", predictor)
    write_diagnostics(draft.path / "diagnostics.json", diagnostics)
    write_table(draft.path / "families.parquet", tabulate_families(predictors))
    write_table(draft.path / "front.parquet", tabulate_front(history, config.objectives))
    write_noise(draft.path / "noise.parquet", noise)
    skill = {name: found.spearman for name, found in diagnostics["objectives"].items()}
    draft.summary |= {"rows": len(history.keys), "out_of_fold_spearman": skill}


def share_missed(realised: pa.Table, results: pa.Table) -> float:
    """Return the largest difference, over models and domains, of a share of the tokens from the weight asked for.

    Models that diverged have stopped before their time and are left out.
    """
    ended = results.filter(pc.invert(results["diverged"])).select(["key", "repeat"])
    realised = realised.join(ended.group_by(["key", "repeat"]).aggregate([]), ["key", "repeat"], join_type="inner")
    totals = realised.group_by(["key", "repeat"]).aggregate([("tokens", "sum")])
    joined = realised.join(totals, ["key", "repeat"])
    shares = joined["tokens"].to_numpy() / joined["tokens_sum"].to_numpy()
    return float(np.abs(shares - joined["weight"].to_numpy()).max())


REALISED_WITHIN = 0.005  # of a domain's share; a proxy of few sequences cannot do better than one of them
STEPS = {"mixture_candidates": propose, "proxy_results": train_proxies, "predictor_state": fit}
CHECKS = [
    dg.AssetCheckSpec("weights_on_simplex", asset="mixture_candidates", blocking=True),
    dg.AssetCheckSpec("weights_within_limits", asset="mixture_candidates", blocking=True),
    dg.AssetCheckSpec("unflagged_losses_finite", asset="proxy_results", blocking=True),
    dg.AssetCheckSpec("realised_shares_as_asked", asset="proxy_results", blocking=True),
    dg.AssetCheckSpec("predictor_skill", asset="predictor_state", description="Reported; it never stops a search."),
]
DESCRIPTIONS = {
    "mixture_candidates": "The mixtures that are put up for evaluation, and why each was proposed.",
    "proxy_results": "Every task of every proxy, with its loss curve and the tokens it saw.",
    "predictor_state": "The predictors fitted on all rows so far, the rows themselves, and how far to trust them.",
}


def search_iteration(context: dg.AssetExecutionContext, climb: Climb) -> Iterator[dg.AssetCheckResult]:
    """Walk the iterations of this run in order: propose, train, fit."""
    worst, beyond, unsound, diverged, skill, missed = 0.0, 0, 0, 0, {}, 0.0
    for key in sorted(context.partition_keys):
        made = {}
        for asset, step in STEPS.items():
            try:
                made[asset] = climb.make(asset, key, partial(step, climb, key))
            except ClimbError as error:
                raise plain_failure(error) from error
            artifact = made[asset].artifact
            metadata = {"computed_now": made[asset].fresh, **_show(climb, artifact)}
            context.log_event(event_of(artifact, context.instance, metadata))
        candidates = read_candidates(made["mixture_candidates"].artifact.file("candidates.parquet"))
        weights = np.array([candidate.weights for candidate in candidates])
        worst = max(worst, float(np.abs(weights.sum(axis=1) - 1).max()))
        beyond += int((~read_space(climb).limits.kept_by(weights)).sum())
        diverged += made["proxy_results"].artifact.summary["diverged"]
        results = read_table(made["proxy_results"].artifact.file("results.parquet"))
        unsound += int(np.sum(~np.isfinite(results["loss"].to_numpy()) & ~results["diverged"].to_numpy()))
        missed = max(missed, share_missed(read_table(made["proxy_results"].artifact.file("realised.parquet")), results))
        skill = made["predictor_state"].artifact.summary["out_of_fold_spearman"]
    yield dg.AssetCheckResult(asset_key="mixture_candidates", check_name="weights_on_simplex", passed=worst < 1e-9)
    yield dg.AssetCheckResult(
        asset_key="mixture_candidates",
        check_name="weights_within_limits",
        passed=beyond == 0,
        metadata={"beyond": beyond},
    )
    yield dg.AssetCheckResult(
        asset_key="proxy_results",
        check_name="unflagged_losses_finite",
        passed=unsound == 0,
        metadata={"diverged": diverged},
    )
    yield dg.AssetCheckResult(
        asset_key="proxy_results",
        check_name="realised_shares_as_asked",
        passed=missed <= max(REALISED_WITHIN, 1 / (climb.config.proxy.steps * climb.config.proxy.batch)),
        metadata={"largest difference of a domain's share": missed},
    )
    yield dg.AssetCheckResult(
        asset_key="predictor_state",
        check_name="predictor_skill",
        passed=any((value or 0) > 0 for value in skill.values()),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={name: str(value) for name, value in skill.items()},
    )


def _show(climb: Materializer, artifact: Artifact) -> dict[str, dg.MetadataValue]:
    """Return the tables and plots of one of the three artefacts."""
    match artifact.asset:
        case "mixture_candidates":
            candidates = read_candidates(artifact.file("candidates.parquet"))
            names = read_table(climb.get("domains").file("domains.parquet"))["name"].to_pylist()
            weights = np.array([candidate.weights for candidate in candidates])
            bars = mixture_bars(weights, np.zeros(len(weights)), names)
            return {
                "mixtures": image_metadata(bars),
                "table": table_metadata(read_table(artifact.file("candidates.parquet"))),
            }
        case "proxy_results":
            curves = read_table(artifact.file("curves.parquet"))
            curves = curves.filter(pc.equal(curves["repeat"], 0))
            by_key = {
                key: curves.filter(pc.equal(curves["key"], key))["loss"].to_pylist()
                for key in curves["key"].unique().to_pylist()
            }
            table = table_metadata(read_table(artifact.file("results.parquet")))
            return {"loss_curves": image_metadata(loss_curves(by_key)), "table": table}
        case _:
            noise = read_table(artifact.file("noise.parquet"))
            shown = table_metadata(noise) if noise.num_rows else dg.MetadataValue.text("noise not measured")
            families = table_metadata(read_table(artifact.file("families.parquet")))
            return {name: image_metadata(png) for name, png in _fits(climb, artifact).items()} | {
                "noise": shown,
                "families": families,
            }


def _fits(climb: Materializer, state: Artifact) -> dict[str, bytes]:
    """Draw predicted against measured losses of each objective."""
    known = read_knowledge(read_space(climb), state)
    history, kept = known.history, ~known.history.diverged
    return {
        f"fit_{name}": predicted_vs_measured(
            predict(history.weights[kept]).mean,
            history.objective(climb.config.objectives[name])[kept],
            f"{name}, rows fitted on",
        )
        for name, predict in known.predict.items()
    }


def baseline_mixtures(context: dg.AssetExecutionContext, climb: Climb) -> dg.MaterializeResult:
    """The mixtures that an answer is compared with; those that train proxies get as many as the search."""
    objective, config = context.partition_key, climb.config
    wanted = frozenset(config.baselines.mixtures)
    trained: dict[str, ProxyOutcome] = {}

    def train(mixtures: FloatArray, who: str) -> dict[str, FloatArray]:
        jobs = [ProxyJob(tuple(mixture.tolist())) for mixture in mixtures]
        outcomes = measure(climb, jobs, config.proxy, deciding_tasks(config), f"{who} [{objective}]")
        trained.update({one.job.key: one for one in outcomes})
        return {
            task: np.array([np.nan if one.diverged else one.scores[task].loss for one in outcomes])
            for task in config.objectives[objective]
        }

    def write(draft: Draft) -> None:
        space = read_space(climb)
        plain: dict[str, FloatArray] = {
            "uniform": uniform(len(space.prior)),
            "proportional": token_proportional(space.prior),
            "unimax": unimax(space.supply, config.mixture.tokens, config.mixture.max_epochs),
        }
        mixtures: dict[str, FloatArray] = {name: mixture for name, mixture in plain.items() if name in wanted}
        mixtures |= search_baselines(wanted, space, config.objectives[objective], train)
        if "doremi" in wanted:
            run, reference = reweigh(climb)
            mixtures["doremi"] = read_reweighting(run.file(RUN)).weights
            trained.setdefault(reference.job.key, reference)
            draft.summary |= {"doremi": {"fingerprint": run.fingerprint, "data_version": run.data_version}}
        write_baselines(draft.path / "baselines.parquet", mixtures, space.limits)
        write_outcomes(trained.values(), draft.path)
        draft.summary |= {"baselines": sorted(mixtures), "proxies": len(trained)}

    made = climb.make("baseline_mixtures", objective, write)
    return result(made, {"baselines": table_metadata(read_table(made.artifact.file("baselines.parquet")))})


def search_assets(config: Config) -> list[dg.AssetsDefinition]:
    """Return the assets of this stage."""
    specs = [
        dg.AssetSpec(name, description=DESCRIPTIONS[name], skippable=True, **asset_options(name)) for name in SEARCH
    ]
    search = dg.multi_asset(
        name="search_iteration",
        description=search_iteration.__doc__,
        specs=specs,
        check_specs=CHECKS,
        partitions_def=iteration_partitions(config),
        backfill_policy=dg.BackfillPolicy.single_run(),
    )(search_iteration)
    return [search, declare(baseline_mixtures, config)]
