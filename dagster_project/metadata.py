"""What an asset shows in Dagster's UI: the facts of its artefact, small tables, small plots.

What belongs here: choosing what people see. Plots are drawn by the figures of the stages.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import dagster as dg
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from climb_assets.audit.lineage import MODELS_TABLE
from climb_assets.clusters.cells import centroids_of_cells
from climb_assets.clusters.figures import cluster_map
from climb_assets.clusters.kmeans import read_centroids
from climb_assets.graph.column_words import describe_column
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.spec import iteration_keys
from climb_assets.mixture.corpus_writer import part_names
from climb_assets.pictures.plots import agreement, curves, mixture_columns
from climb_assets.pictures.svg import stand_alone
from climb_assets.search.proposal import read_candidates
from climb_assets.search.search_state import read_knowledge, read_space
from climb_assets.search.stop_rule import STOPPED
from climb_assets.simplex.mixtures import FloatArray
from climb_assets.store.artifacts import Artifact
from climb_assets.tables import count_rows, read_table
from climb_assets.training.fidelity import in_words
from climb_assets.training.proxy_orders import MODELS
from dagster_project.column_schema import table_facts
from dagster_project.metadata_tables import facts, sentence_metadata, table_metadata
from dagster_project.page_pictures import glance_of
from dagster_project.sentences import sentence_of

MAIN_TABLE = {  # whose columns and number of rows stand for the asset; that of the data set is its first part
    "corpus_shards": "documents.parquet",
    "contamination": "contamination.parquet",
    "near_duplicates": "pairs.parquet",
    "tokenized_shards": "documents.parquet",
    "quality_scorer": "held_out.parquet",
    "quality_scores": "scores.parquet",
    "corpus_manifest": "shards.parquet",
    "cluster_assignments": "assignments.parquet",
    "cluster_statistics": "clusters.parquet",
    "domains": "domains.parquet",
    "domain_supply": "supply.parquet",
    "taxonomy_drift": "drift.parquet",
    "training_tokens": "supply.parquet",
    "carried_evidence": "history.parquet",
    "mixture_candidates": "candidates.parquet",
    "proxy_results": "results.parquet",
    "predictor_state": "history.parquet",
    "baseline_mixtures": "baselines.parquet",
    "proxy_fidelity": "fidelity.parquet",
    "confirmation_results": "results.parquet",
    "optimal_mixture": "weights.parquet",
    "target_comparison": "comparison.parquet",
    "audit_bundle": "documents.parquet",
}
WORDS, PICTURE = "In words", "Picture"  # some pages sort by name: capitals come first
LEAST_WEIGHT = 0.005  # of a member that is named
ORDER = {  # of a table's rows, where the file's is not what people look for
    ("optimal_mixture", "weights"): [("weight", "descending")],
    ("mixed_corpus", "realised"): [("weight", "descending")],
    ("predictor_state", "families"): [("task", "ascending"), ("weight", "descending")],
    ("cluster_statistics", "clusters"): [("tokens", "descending")],
    ("near_duplicates", "pairs"): [("similarity", "descending")],
    ("carried_evidence", "transfers"): [("source", "ascending"), ("earlier", "ascending"), ("share", "descending")],
    ("target_comparison", "comparison"): [("family", "ascending"), ("difference", "ascending")],
    ("taxonomy_drift", "drift"): [("beyond", "descending")],  # stable: else as in the file
}

Shown = dict[str, dg.MetadataValue]


def describe(climb: Materializer, artifact: Artifact, *, fresh: bool | None = None) -> dict[str, Any]:
    """Return everything that the UI shows of an artefact, what matters first.

    Parameters
    ----------
    fresh
        Whether it was computed just now; None where that is not known.
    """
    computed = {} if fresh is None else {"computed_now": fresh}
    show = SHOWN.get(artifact.asset)
    shown = show(climb, artifact) if show else {}
    others = facts(artifact) | computed | _main_table(climb, artifact)
    first = {WORDS: sentence_metadata(sentence_of(artifact))}
    if picture := glance_of(climb, artifact):
        first |= {PICTURE: dg.MetadataValue.md(picture)}
    return first | shown | {key: value for key, value in others.items() if key not in shown}


def main_table(artifact: Artifact) -> str | None:
    """Return the file whose columns stand for an artefact; None where it has none."""
    if artifact.asset == "mixed_corpus":
        return next(iter(part_names(artifact.manifest["files"])), None)  # all parts have the same columns
    return MAIN_TABLE.get(artifact.asset)


def _main_table(climb: Materializer, artifact: Artifact) -> dict[str, dg.MetadataValue]:
    """Return the columns and the number of rows of the table that stands for an artefact; none where it has none."""
    name = main_table(artifact)
    if name is None:
        return {}
    rows = artifact.summary["documents"] if artifact.asset == "mixed_corpus" else None
    describe = partial(describe_column, artifact.asset, name, config=climb.config)
    return table_facts(artifact.file(name), describe, partitioned=artifact.partition is not None, rows=rows)


def _table(climb: Materializer, artifact: Artifact, name: str, table: pa.Table | None = None) -> dg.MetadataValue:
    """Return the head of a table of an artefact, read if it is not handed in, with what its columns mean."""
    file = f"{name}.parquet"
    describe = partial(describe_column, artifact.asset, file, config=climb.config)
    table = read_table(artifact.file(file)) if table is None else table
    return table_metadata(table, ORDER.get((artifact.asset, name), ()), describe)


def image_metadata(drawing: str) -> dg.MetadataValue:
    """Return a drawing of `climb_assets.pictures` as Dagster metadata."""
    return dg.MetadataValue.md(f"![](data:image/svg+xml;base64,{base64.b64encode(stand_alone(drawing)).decode()})")


def _tables(*names: str) -> Callable[[Materializer, Artifact], Shown]:
    """Return what shows some tables of an artefact, each under its name."""
    return lambda climb, artifact: {name: _table(climb, artifact, name) for name in names}


def _show_domains(climb: Materializer, artifact: Artifact) -> Shown:
    centroids = read_centroids(climb.get("cluster_model").file("centroids.npy"))
    table, clusters = read_table(artifact.file("domains.parquet")), read_table(artifact.file("clusters.parquet"))
    drawn = cluster_map(centroids_of_cells(centroids, clusters.num_rows // len(centroids)), clusters, table)
    return {
        "domains": _table(climb, artifact, "domains", table),
        "pruned": _table(climb, artifact, "pruned"),
        "cluster_map": image_metadata(drawn),
    }


def _show_candidates(climb: Materializer, artifact: Artifact) -> Shown:
    if stopped := artifact.summary.get(STOPPED):
        told = [f"- {objective}: {sentence}" for objective, sentence in stopped.items()]
        return {"stopped": dg.MetadataValue.md("\n".join(["This iteration trains nothing.", "", *told]))}
    weights = np.array([candidate.weights for candidate in read_candidates(artifact.file("candidates.parquet"))])
    names = read_table(climb.get("domains").file("domains.parquet"))["name"].to_pylist()
    return {
        "mixtures": image_metadata(_columns(weights, np.zeros(len(weights)), names)),
        "table": _table(climb, artifact, "candidates"),
    }


def _columns(weights: FloatArray, iteration: npt.ArrayLike, names: Sequence[str]) -> str:
    """Return a drawing of mixtures (n, K) by iteration, the domains with most of them told apart."""
    order = np.argsort(-weights.mean(axis=0), kind="stable").tolist() if len(weights) else list(range(len(names)))
    groups = np.asarray(iteration, dtype=np.int64).tolist()
    return mixture_columns(weights.tolist(), groups, order, "Mixtures in order", names)


def _show_results(climb: Materializer, artifact: Artifact) -> Shown:
    told = read_table(artifact.file("curves.parquet"))
    told = told.filter(pc.equal(told["repeat"], 0))
    lines = [told.filter(pc.equal(told["key"], key))["loss"].to_pylist() for key in told["key"].unique().to_pylist()]
    drawn = {"loss_curves": image_metadata(curves(lines, "step", "training loss, nats per token"))} if lines else {}
    return drawn | _printed(climb, artifact) | {"table": _table(climb, artifact, "results")}


def _printed(climb: Materializer, artifact: Artifact) -> Shown:
    """Return what a trainer of the user's printed last of each model; nothing where climb trained them."""
    rows = []
    for row in read_table(artifact.file(MODELS_TABLE)).to_pylist():
        model = climb.store.find(MODELS, None, row["fingerprint"])
        if model is not None and "printed" in model.run:
            told = {name: model.run[name] for name in ("seconds", "attempts", "printed")}
            rows.append({"mixture": row["key"], "repeat": row["repeat"]} | told)
    return {"trainer": table_metadata(pa.Table.from_pylist(rows))} if rows else {}


def _show_predictors(climb: Materializer, artifact: Artifact) -> Shown:
    known = read_knowledge(read_space(climb), artifact)
    history, kept = known.history, ~known.history.diverged
    fits = {
        f"fit_{name}": image_metadata(
            agreement(
                predict(history.weights[kept]).mean.tolist(),
                history.objective(climb.config.objectives[name])[kept].tolist(),
                history.iteration[kept].tolist(),
                f"measured for {name}, bits per byte",
                "predicted, of rows fitted on",
            )
        )
        for name, predict in known.predict.items()
    }
    families = read_table(artifact.file("families.parquet"))
    evidence = count_rows(artifact.file("evidence.parquet"))
    believed = {"evidence": _table(climb, artifact, "evidence")} if evidence else {}
    return {"predictor": _fitted(families.to_pylist()), **fits, **believed} | {
        "noise": _table(climb, artifact, "noise"),
        "families": _table(climb, artifact, "families", families),
    }


def _fitted(families: list[dict[str, Any]]) -> dg.MetadataValue:
    """Return what the predictor of each task is made of, the weightiest member first."""
    members: dict[str, list[str]] = {}
    for row in sorted(families, key=lambda row: (row["task"], -row["weight"])):
        if row["weight"] >= LEAST_WEIGHT:
            members.setdefault(row["task"], []).append(f"{row['weight']:.2f} {row['family']}")
    return dg.MetadataValue.md("\n".join(f"- {task}: {' + '.join(parts)}" for task, parts in members.items()))


def _show_fidelity(climb: Materializer, artifact: Artifact) -> Shown:
    lines = []
    for objective, found in artifact.json("answer.json").items():
        cheapest, best = (_setting(found[key]) for key in ("reached", "best"))
        reached = (
            f"cheapest with {found['wanted']:g} or more: {cheapest}" if cheapest else f"none has {found['wanted']:g}"
        )
        lines.append(f"- {objective}: {reached}; best: {best or 'not known'}")
    told = {"answer": dg.MetadataValue.md("\n".join(lines))} if lines else {}
    return told | _tables("fidelity")(climb, artifact)


def _setting(row: Mapping[str, Any] | None) -> str | None:
    if row is None:
        return None
    rank = in_words(row["mixtures"], row["spearman"], row["low"], row["high"])
    return f"{row['setting']} after {row['tokens']:,} tokens, {rank}"


def _show_answer(climb: Materializer, artifact: Artifact) -> Shown:
    state = climb.get("predictor_state", iteration_keys(climb.config)[-1])
    space = read_space(climb)
    history = read_knowledge(space, state).history
    front = {"pareto_front": _table(climb, state, "front")}
    bars = _columns(history.weights, history.iteration, space.names)
    return (
        {"verdict": dg.MetadataValue.text(_verdict(artifact))}
        | _tables("weights")(climb, artifact)
        | (front if len(climb.config.objectives) > 1 else {})
        | {"mixtures_by_iteration": image_metadata(bars)}
    )


def _verdict(artifact: Artifact) -> str:
    """Return what may be said of the answer against the best baseline, in one sentence."""
    selection = artifact.json("selection.json")
    evidence = selection["evidence"]
    if evidence is None:
        return f"{selection['origin'][0].upper()}{selection['origin'][1:]}."
    low, high = evidence["interval"]
    return (
        f"{evidence['conclusion'][0].upper()}{evidence['conclusion'][1:]}. Its own loss is {evidence['mean']:.4f} "
        f"({low:.4f} to {high:.4f}) over {evidence['seeds']} fresh seeds. Where it comes from: {selection['origin']}."
    )


def _show_comparison(climb: Materializer, artifact: Artifact) -> Shown:
    table = read_table(artifact.file("comparison.parquet"))
    told: list[str] = []
    for row in sorted(table.to_pylist(), key=lambda row: str(row["measure"])):
        if row["family"] == "primary":
            told += [] if f"- {row['measure']}" in told else [f"- {row['measure']}"]
            told.append(
                f"    - {row['verdict']} against {row['arm']}: {row['difference']:+.4f} "
                f"({row['low']:+.4f} to {row['high']:+.4f})"
            )
    verdict = {"verdict": dg.MetadataValue.md("\n".join(told))} if told else {}
    return verdict | {"comparison": _table(climb, artifact, "comparison", table)}


def _show_report(climb: Materializer, artifact: Artifact) -> Shown:
    return {"report": dg.MetadataValue.md(artifact.file("report.md").read_text(encoding="utf-8"))}


SHOWN: Mapping[str, Callable[[Materializer, Artifact], Shown]] = {
    "corpus_shards": _tables("accounts", "quarantine"),
    "contamination": _tables("contamination"),
    "near_duplicates": _tables("pairs"),
    "quality_scorer": _tables("held_out"),
    "corpus_manifest": _tables("shards", "families"),
    "cluster_statistics": _tables("clusters"),
    "domains": _show_domains,
    "domain_supply": _tables("supply"),
    "taxonomy_drift": _tables("drift"),
    "carried_evidence": _tables("transfers"),
    "mixture_candidates": _show_candidates,
    "proxy_results": _show_results,
    "predictor_state": _show_predictors,
    "proxy_fidelity": _show_fidelity,
    "baseline_mixtures": _tables("baselines"),
    "confirmation_results": _tables("shortlist", "results"),
    "optimal_mixture": _show_answer,
    "target_comparison": _show_comparison,
    "mixed_corpus": _tables("realised"),
    "audit_bundle": _show_report,
}
