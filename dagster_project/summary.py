"""The state of the lake as data, for machines and for `dagster_project.summary_text`.

What belongs here: reading artefacts. Words and tables are that module's.
"""

from dataclasses import asdict
from typing import Any

from climb_assets.clusters.held_out import FILE, read_held_out
from climb_assets.config import SEARCH_PROXY, Config
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.planner import Plan
from climb_assets.graph.spec import artefact_name, iteration_key, iteration_keys
from climb_assets.search.asking import ask
from climb_assets.search.iteration import source_beliefs
from climb_assets.search.noise import noise_of_objectives
from climb_assets.search.stop_rule import STOPPED
from climb_assets.store.artifacts import Artifact
from climb_assets.tables import read_table
from climb_assets.training.fidelity import of_setting, read_fidelity
from dagster_project.generations import Generations, look_at_generations


def summarise(materializer: Materializer) -> dict[str, Any]:
    """Return what there is: corpus, domains, iterations, mixtures, comparisons; None where it is not made yet.

    ``stale`` names what `climb up` would make or make again, or is the reason, a text, why that cannot be said;
    ``states`` says of each part, of iterations and mixtures one by one, whether it is of the current graph.
    """
    generations = look_at_generations(materializer)
    return {
        "stale": generations.as_json(),
        "states": _states(materializer.config, generations),
        "corpus": _corpus(materializer),
        "kept": generations.kept,
        "scorer": _scorer(materializer),
        "domains": _table(materializer, "domain_supply", None, "supply.parquet"),
        "left_out": _table(materializer, "domain_supply", None, "left_out.parquet"),
        "pruned": _pruned(materializer),
        "evidence": _evidence(materializer),
        "asked": {one.what: len(one.questions) for one in ask(materializer)},
        "iterations": _iterations(materializer),
        "predictors": _table(
            materializer, "predictor_state", iteration_keys(materializer.config)[-1], "families.parquet"
        ),
        "noise": _noise(materializer),
        "fidelity": _fidelity(materializer),
        "mixtures": {name: read_mixture(materializer, name) for name in materializer.config.objectives},
    }


def _states(config: Config, generations: Generations) -> dict[str, Any]:
    iterations, state_of = iteration_keys(config), generations.state_of
    return {
        "corpus": state_of("corpus_manifest"),
        "scorer": state_of("quality_scorer"),
        "taxonomy": state_of("domains"),
        "domains": state_of("domain_supply"),
        "evidence": state_of("predictor_state", iterations[0]),
        "iterations": {key: state_of("predictor_state", key) for key in iterations},
        "predictors": state_of("predictor_state", iterations[-1]),
        "noise": state_of("predictor_state", iterations[0]),
        "fidelity": state_of("proxy_fidelity"),
        "mixtures": {name: state_of("optimal_mixture", name) for name in config.objectives},
        "realised": {name: state_of("mixed_corpus", name) for name in config.objectives},
        "comparisons": {name: state_of("target_comparison", name) for name in config.objectives},
    }


def _corpus(materializer: Materializer) -> dict[str, Any] | None:
    manifest = materializer.store.current("corpus_manifest")
    return dict(manifest.summary) if manifest else None


def _scorer(materializer: Materializer) -> dict[str, Any] | None:
    """Return what documents are scored by, and how that does on held-out annotations; None where none was fitted."""
    fitted = materializer.store.current("quality_scorer")
    if fitted is None or not fitted.summary["annotated_documents"]:
        return None
    rows = [asdict(row) | {"tells": row.tells, "in_words": row.in_words()} for row in read_held_out(fitted.file(FILE))]
    return {"scorer": fitted.summary["scorer"], "documents": fitted.summary["annotated_documents"], "held_out": rows}


def _table(materializer: Materializer, asset: str, partition: str | None, file: str) -> list[dict[str, Any]] | None:
    artifact = materializer.store.current(asset, partition)
    if artifact is None or file not in artifact.manifest["files"]:  # the latter: made by an earlier version
        return None
    rows: list[dict[str, Any]] = read_table(artifact.file(file)).to_pylist()
    return rows


def _pruned(materializer: Materializer) -> dict[str, Any] | None:
    """Return what was pruned, most tokens first, and what may be said of it."""
    rows = _table(materializer, "domains", None, "pruned.parquet")
    if rows is None:
        return None
    return {"facts": dict(materializer.store.get("domains").summary), "clusters": rows}


def _iterations(materializer: Materializer) -> list[dict[str, Any]]:
    rows = []
    for key in iteration_keys(materializer.config):
        state, results = (
            materializer.store.current("predictor_state", key),
            materializer.store.current("proxy_results", key),
        )
        if state is not None and results is not None:
            rows.append(
                {
                    "iteration": key,
                    "proxies": results.summary["proxies"],
                    "diverged": results.summary["diverged"],
                    "skill": state.summary["out_of_fold_spearman"],
                    STOPPED: _why_stopped(materializer, key, results),
                }
            )
    return rows


def _why_stopped(materializer: Materializer, key: str, results: Artifact) -> dict[str, str]:
    """Return for each objective why an iteration trained nothing; nothing where it did."""
    version = results.manifest["inputs"][f"mixture_candidates@{key}"]
    candidates = materializer.store.with_data_version("mixture_candidates", key, version)
    return dict(candidates.summary.get(STOPPED, {})) if candidates is not None else {}


def _evidence(materializer: Materializer) -> dict[str, Any] | None:
    """Return how many rows the search began with, where from, how far they are believed, and which runs were left out.

    None where it had none.
    """
    state = materializer.store.current("predictor_state", iteration_key(1))
    if state is None or not state.summary.get("evidence"):
        return None
    made = [materializer.store.current("predictor_state", key) for key in iteration_keys(materializer.config)]
    judged = [
        artifact for artifact in made if artifact is not None and "evidence.parquet" in artifact.manifest["files"]
    ]
    return {  # what was made before evidence was judged tells of none of it
        "rows": state.summary["evidence"],
        "sources": state.summary.get("evidence_of", {}),
        "believed": source_beliefs(read_table(judged[-1].file("evidence.parquet"))) if judged else {},
        "left_out": state.summary["evidence_left_out"],
    }


def _noise(materializer: Materializer) -> dict[str, Any] | None:
    state = materializer.store.current("predictor_state", iteration_key(1))
    if state is None or "noise.parquet" not in state.manifest["files"]:  # made before noise was measured
        return None
    return {name: asdict(noise) for name, noise in noise_of_objectives(state.file("noise.parquet")).items()}


def _fidelity(materializer: Materializer) -> dict[str, Any] | None:
    report = materializer.store.current("proxy_fidelity")
    if report is None:
        return None
    rows = of_setting(read_fidelity(report.file("fidelity.parquet")), SEARCH_PROXY)
    return {name: asdict(row) for name, row in rows.items()}


def read_mixture(materializer: Materializer, objective: str) -> dict[str, Any] | None:
    """Return the answer of an objective with what it rests on; None where there is none."""
    artifact = materializer.store.current("optimal_mixture", objective)
    if artifact is None or "advice.json" not in artifact.manifest["files"]:  # made before answers were confirmed
        return None
    return {
        "selection": artifact.json("selection.json"),
        "advice": artifact.json("advice.json"),
        "weights": read_table(artifact.file("weights.parquet")).to_pylist(),
        "realised": _made_from(materializer, artifact, "mixed_corpus", "realised.parquet"),
        "comparison": _made_from(materializer, artifact, "target_comparison", "comparison.parquet"),
    }


def _made_from(materializer: Materializer, answer: Artifact, asset: str, file: str) -> list[dict[str, Any]] | None:
    """Return a table that was made from this very answer; None where there is only that of an earlier one."""
    made = materializer.store.current(asset, answer.partition)
    name = artefact_name(answer.asset, answer.partition)
    if made is None or made.manifest["inputs"].get(name) != answer.data_version:
        return None
    return _table(materializer, asset, answer.partition, file)


def advice(materializer: Materializer, plan: Plan) -> dict[str, str]:
    """Return for each objective that has an answer of the current graph whether to search on, in one sentence."""
    answers = {name: materializer.store.current("optimal_mixture", name) for name in materializer.config.objectives}
    return {
        name: answer.summary["advice"]
        for name, answer in answers.items()
        if answer is not None
        and "advice" in answer.summary  # else it was made before there was advice
        and plan.state_of("optimal_mixture", name) == "current"
    }
