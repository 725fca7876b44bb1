"""What an asset shows in Dagster's UI: the facts of its artefact, small tables, small plots.

What belongs here: choosing what people see. Plots are drawn by the figures of the stages.
"""

import base64
from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from climb_assets.clusters.figures import cluster_map
from climb_assets.clusters.kmeans import read_centroids
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.spec import iteration_keys
from climb_assets.search.figures import mixture_bars, predicted_vs_measured
from climb_assets.search.proposal import read_candidates
from climb_assets.search.search_state import read_knowledge, read_space
from climb_assets.store.artifacts import Artifact
from climb_assets.tables import read_table
from climb_assets.training.figures import loss_curves
from dagster_project.column_schema import table_facts

MAIN_TABLE = {  # whose columns and number of rows stand for the asset
    "corpus_shards": "documents.parquet",
    "tokenized_shards": "documents.parquet",
    "quality_scores": "scores.parquet",
    "corpus_manifest": "shards.parquet",
    "cluster_assignments": "assignments.parquet",
    "cluster_statistics": "clusters.parquet",
    "domains": "domains.parquet",
    "mixture_candidates": "candidates.parquet",
    "proxy_results": "results.parquet",
    "predictor_state": "history.parquet",
    "baseline_mixtures": "baselines.parquet",
    "confirmation_results": "results.parquet",
    "optimal_mixture": "weights.parquet",
    "target_comparison": "comparison.parquet",
}
TABLE_ROWS = 50  # larger tables make the event log and the UI slow

Shown = dict[str, dg.MetadataValue]


def describe(climb: Materializer, artifact: Artifact, *, fresh: bool | None = None) -> dict[str, Any]:
    """Return everything that the UI shows of an artefact.

    Parameters
    ----------
    fresh
        Whether it was computed just now; None where that is not known.
    """
    computed = {} if fresh is None else {"computed_now": fresh}
    show, table = SHOWN.get(artifact.asset), MAIN_TABLE.get(artifact.asset)
    columns = table_facts(artifact.file(table), partitioned=artifact.partition is not None) if table else {}
    return facts(artifact) | computed | columns | (show(climb, artifact) if show else {})


def facts(artifact: Artifact) -> dict[str, Any]:
    """Return what an artefact's manifest says that people want to see."""
    plain = {key: value for key, value in artifact.summary.items() if isinstance(value, int | float | str)}
    nested = {key: dg.JsonMetadataValue(value) for key, value in artifact.summary.items() if key not in plain}
    run = {key: value for key, value in artifact.run.items() if isinstance(value, int | float | str)}
    where = {"dagster/uri": str(artifact.path), "fingerprint": artifact.fingerprint}
    return plain | nested | run | where


def table_metadata(table: pa.Table) -> dg.MetadataValue:
    """Return the head of a table as Dagster metadata; nested values become text."""
    records = [
        dg.TableRecord({key: _plain(value) for key, value in row.items()})
        for row in table.slice(0, TABLE_ROWS).to_pylist()
    ]
    if not records:
        return dg.MetadataValue.text("no rows")
    kinds = {int: "int", float: "float", bool: "bool"}
    columns = [dg.TableColumn(key, kinds.get(type(value), "string")) for key, value in records[0].data.items()]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns))


def _plain(value: Any) -> int | float | str | bool:
    if value is None:
        return ""
    return value if isinstance(value, int | float | str | bool) else str(value)


def image_metadata(png: bytes) -> dg.MetadataValue:
    """Return a small PNG as Dagster metadata."""
    return dg.MetadataValue.md(f"![](data:image/png;base64,{base64.b64encode(png).decode()})")


def _tables(*names: str) -> Callable[[Materializer, Artifact], Shown]:
    """Return what shows some tables of an artefact, each under its name."""
    return lambda climb, artifact: {
        name: table_metadata(read_table(artifact.file(f"{name}.parquet"))) for name in names
    }


def _show_domains(climb: Materializer, artifact: Artifact) -> Shown:
    centroids = read_centroids(climb.get("cluster_model").file("centroids.npy"))
    table = read_table(artifact.file("domains.parquet"))
    drawn = cluster_map(centroids, read_table(artifact.file("clusters.parquet")), table)
    return {"domains": table_metadata(table), "cluster_map": image_metadata(drawn)}


def _show_candidates(climb: Materializer, artifact: Artifact) -> Shown:
    weights = np.array([candidate.weights for candidate in read_candidates(artifact.file("candidates.parquet"))])
    names = read_table(climb.get("domains").file("domains.parquet"))["name"].to_pylist()
    return {
        "mixtures": image_metadata(mixture_bars(weights, np.zeros(len(weights)), names)),
        "table": table_metadata(read_table(artifact.file("candidates.parquet"))),
    }


def _show_results(climb: Materializer, artifact: Artifact) -> Shown:
    curves = read_table(artifact.file("curves.parquet"))
    curves = curves.filter(pc.equal(curves["repeat"], 0))
    by_key = {
        key: curves.filter(pc.equal(curves["key"], key))["loss"].to_pylist()
        for key in curves["key"].unique().to_pylist()
    }
    table = table_metadata(read_table(artifact.file("results.parquet")))
    return {"loss_curves": image_metadata(loss_curves(by_key)), "table": table}


def _show_predictors(climb: Materializer, artifact: Artifact) -> Shown:
    noise = read_table(artifact.file("noise.parquet"))
    known = read_knowledge(read_space(climb), artifact)
    history, kept = known.history, ~known.history.diverged
    fits = {
        f"fit_{name}": image_metadata(
            predicted_vs_measured(
                predict(history.weights[kept]).mean,
                history.objective(climb.config.objectives[name])[kept],
                f"{name}, rows fitted on",
            )
        )
        for name, predict in known.predict.items()
    }
    return fits | {
        "noise": table_metadata(noise) if noise.num_rows else dg.MetadataValue.text("noise not measured"),
        "families": table_metadata(read_table(artifact.file("families.parquet"))),
    }


def _show_fidelity(climb: Materializer, artifact: Artifact) -> Shown:
    return _tables("fidelity")(climb, artifact) | {"answer": dg.MetadataValue.json(artifact.json("answer.json"))}


def _show_answer(climb: Materializer, artifact: Artifact) -> Shown:
    state = climb.get("predictor_state", iteration_keys(climb.config)[-1])
    space = read_space(climb)
    history = read_knowledge(space, state).history
    front = {"pareto_front": table_metadata(read_table(state.file("front.parquet")))}
    bars = mixture_bars(history.weights, history.iteration, space.names)
    return (
        _tables("weights")(climb, artifact)
        | (front if len(climb.config.objectives) > 1 else {})
        | {"mixtures_by_iteration": image_metadata(bars)}
    )


def _show_report(climb: Materializer, artifact: Artifact) -> Shown:
    return {"report": dg.MetadataValue.md(artifact.file("report.md").read_text(encoding="utf-8"))}


SHOWN: Mapping[str, Callable[[Materializer, Artifact], Shown]] = {
    "corpus_shards": _tables("accounts", "quarantine"),
    "contamination": _tables("contamination"),
    "near_duplicates": _tables("pairs"),
    "corpus_manifest": _tables("shards", "families"),
    "cluster_statistics": _tables("clusters"),
    "domains": _show_domains,
    "mixture_candidates": _show_candidates,
    "proxy_results": _show_results,
    "predictor_state": _show_predictors,
    "proxy_fidelity": _show_fidelity,
    "baseline_mixtures": _tables("baselines"),
    "confirmation_results": _tables("shortlist", "results"),
    "optimal_mixture": _show_answer,
    "target_comparison": _tables("comparison"),
    "mixed_corpus": _tables("realised"),
    "audit_bundle": _show_report,
}
