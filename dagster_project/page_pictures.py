"""The picture at the top of each asset's page, small enough to be shown in its place.

What belongs here: which numbers of an artefact are drawn. How is `climb_assets.pictures.glance`; larger pictures are
chosen by `dagster_project.metadata`.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow.compute as pc

from climb_assets.graph.materializer import Materializer
from climb_assets.pictures.glance import bars, differences, line
from climb_assets.pictures.scales import plain
from climb_assets.search.proposal import read_candidates
from climb_assets.store.artifacts import Artifact
from climb_assets.tables import read_table
from dagster_project.sentences import USES

SPLITS = USES | {"near_duplicate": "near-duplicates", "contaminated": "hold items of tasks"}


def glance_of(climb: Materializer, artifact: Artifact) -> str:
    """Return a small picture of an artefact as Markdown; empty where there is nothing to draw."""
    draw = PICTURES.get(artifact.asset)
    return draw(climb, artifact) if draw else ""


def _counts(counted: Mapping[str, float]) -> str:
    every = sum(counted.values())
    shares = [(name, count / max(every, 1)) for name, count in counted.items() if count]
    return bars(shares, [f"{count:,.0f}" for count in counted.values() if count])


def _columns(file: str, name: str, value: str) -> Callable[[Materializer, Artifact], str]:
    """Return what draws a column of shares of a table, the largest first."""

    def draw(climb: Materializer, artifact: Artifact) -> str:
        table = read_table(artifact.file(file), [name, value])
        rows = sorted(zip(table[name].to_pylist(), table[value].to_pylist(), strict=True), key=lambda row: -row[1])
        every = sum(share for _, share in rows) or 1
        return bars([(str(label), share / every) for label, share in rows])

    return draw


def _splits(climb: Materializer, artifact: Artifact) -> str:
    by_split = artifact.summary.get("by_split") or artifact.summary["splits"]["by_split"]
    return _counts({told: by_split.get(key, 0) for key, told in SPLITS.items()})


def _means(climb: Materializer, artifact: Artifact) -> str:
    means = {name: value for name, value in artifact.summary["means"].items() if value is not None}
    return bars(
        [(name.replace("_", " "), value / 5) for name, value in means.items()],
        [plain(value, 1) for value in means.values()],
    )


def _mean_mixture(climb: Materializer, artifact: Artifact) -> str:
    weights = np.array([candidate.weights for candidate in read_candidates(artifact.file("candidates.parquet"))])
    if not len(weights):
        return ""
    names = read_table(climb.get("domains").file("domains.parquet"), ["name"])["name"].to_pylist()
    return bars(sorted(zip(names, weights.mean(axis=0).tolist(), strict=True), key=lambda row: -row[1]))


def _mean_curve(climb: Materializer, artifact: Artifact) -> str:
    curves = read_table(artifact.file("curves.parquet"))
    found = curves.group_by("step").aggregate([("loss", "mean")]).sort_by("step") if curves.num_rows else curves
    losses = [loss for loss in found["loss_mean"].to_pylist() if loss is not None] if curves.num_rows else []
    return line([loss for loss in losses if np.isfinite(loss)], "mean training loss by step, nats per token")


def _families(climb: Materializer, artifact: Artifact) -> str:
    table = read_table(artifact.file("families.parquet"), ["family", "weight"])
    mean = table.group_by("family").aggregate([("weight", "mean")])
    return bars(
        sorted(zip(mean["family"].to_pylist(), mean["weight_mean"].to_pylist(), strict=True), key=lambda row: -row[1])
    )


def _confirmed(climb: Materializer, artifact: Artifact) -> str:
    """Draw by how much each mixture is above the best of those that were confirmed."""
    results = read_table(artifact.file("results.parquet"), ["key", "loss"])
    mean = results.filter(pc.is_finite(results["loss"])).group_by("key").aggregate([("loss", "mean")])
    rows = sorted(
        zip(mean["key"].to_pylist(), mean["loss_mean"].to_pylist(), strict=True), key=lambda row: float(row[1])
    )
    tables = [artifact.file("shortlist.parquet")]
    baselines = climb.store.current("baseline_mixtures", artifact.partition)
    tables += [baselines.file("baselines.parquet")] if baselines else []
    names = {row["key"]: row["name"] for table in tables for row in read_table(table, ["key", "name"]).to_pylist()}
    above = [(names.get(key, "another"), loss - rows[0][1]) for key, loss in rows]
    return bars(above, [f"+{plain(loss)}" for _, loss in above])


def _gaps(climb: Materializer, artifact: Artifact) -> str:
    rows = [row for row in read_table(artifact.file("comparison.parquet")).to_pylist() if row["family"] == "primary"]
    first = rows[0]["measure"] if rows else None
    return differences(
        [(row["arm"], row["difference"], row["low"], row["high"]) for row in rows if row["measure"] == first]
    )


def _values(file: str, column: str, label: Callable[[Any], str]) -> Callable[[Materializer, Artifact], str]:
    """Return what draws in how many rows of a table each value of a column stands, the commonest first."""

    def draw(climb: Materializer, artifact: Artifact) -> str:
        counted = read_table(artifact.file(file), [column])[column].value_counts().to_pylist()
        rows = sorted(counted, key=lambda row: (-row["counts"], row["values"] is not None, row["values"]))
        every = sum(row["counts"] for row in rows) or 1
        return bars([(label(row["values"]), row["counts"] / every) for row in rows])

    return draw


def _largest_of_baselines(climb: Materializer, artifact: Artifact) -> str:
    rows = read_table(artifact.file("baselines.parquet")).to_pylist()
    return bars([(f"{row['name']}, its largest", max(row["weights"])) for row in rows])


def _tasks(climb: Materializer, artifact: Artifact) -> str:
    return _counts(artifact.summary["by_task"])


PICTURES: Mapping[str, Callable[[Materializer, Artifact], str]] = {
    "corpus_shards": _splits,
    "corpus_manifest": _splits,
    "quality_scores": _means,
    "contamination": _tasks,
    "cluster_assignments": _values("assignments.parquet", "cluster", lambda cluster: f"cluster {cluster}"),
    "baseline_mixtures": _largest_of_baselines,
    "audit_bundle": _values("documents.parquet", "licence", lambda licence: licence or "no licence named"),
    "cluster_statistics": _columns("clusters.parquet", "cluster", "tokens"),
    "domains": _columns("domains.parquet", "name", "clusters"),
    "domain_supply": _columns("supply.parquet", "name", "prior"),
    "training_tokens": _columns("supply.parquet", "name", "prior"),
    "mixture_candidates": _mean_mixture,
    "proxy_results": _mean_curve,
    "predictor_state": _families,
    "confirmation_results": _confirmed,
    "optimal_mixture": _columns("weights.parquet", "name", "weight"),
    "target_comparison": _gaps,
    "mixed_corpus": _columns("realised.parquet", "name", "weight"),
}
