"""The picture at the top of each asset's page, small enough to be shown in its place.

What belongs here: which numbers of an artefact are drawn. How is `climb_assets.pictures.glance`; larger pictures are
chosen by `dagster_project.metadata`.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from climb_assets.clusters.drift import TOKEN_SHARE
from climb_assets.graph.materializer import Materializer
from climb_assets.pictures.glance import bars, differences, line
from climb_assets.pictures.scales import plain, signed
from climb_assets.search.proposal import read_candidates
from climb_assets.store.artifacts import Artifact
from climb_assets.tables import read_table
from dagster_project.sentences import USES

Draw = Callable[[Materializer, Artifact], str]
SIMILARITIES = (0, 60, 70, 80, 90)  # of near-duplicates, percent
LENGTHS = (0, 100, 300, 1000, 3000, 10_000)  # of documents, in tokens
WITHOUT = {  # assets that have no picture, each with the reason
    "raw_shards": "it is a digest of one file or folder",
    "document_signatures": "they are hashes",
    "embeddings": "one shard's vectors say little by themselves; the page of domains has the map of all",
}
SPLITS = USES | {"near_duplicate": "near-duplicates", "contaminated": "hold items of tasks"}


def glance_of(climb: Materializer, artifact: Artifact) -> str:
    """Return a small picture of an artefact as Markdown; empty where there is nothing to draw."""
    draw = PICTURES.get(artifact.asset)
    return draw(climb, artifact) if draw else ""


def _counts(counted: Mapping[str, float]) -> str:
    every = sum(counted.values())
    shares = [(name, count / max(every, 1)) for name, count in counted.items() if count]
    return bars(shares, [f"{count:,.0f}" for count in counted.values() if count])


def _columns(file: str, name: str, value: str, prefix: str = "") -> Draw:
    """Return what draws a column of shares of a table, the largest first."""

    def draw(climb: Materializer, artifact: Artifact) -> str:
        table = read_table(artifact.file(file), [name, value])
        rows = sorted(zip(table[name].to_pylist(), table[value].to_pylist(), strict=True), key=lambda row: -row[1])
        every = sum(share for _, share in rows) or 1
        return bars([(f"{prefix}{label}", share / every) for label, share in rows])

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


def _values(file: str, column: str, label: Callable[[Any], str]) -> Draw:
    """Return what draws in how many rows of a table each value of a column stands, the commonest first."""

    def draw(climb: Materializer, artifact: Artifact) -> str:
        counted = read_table(artifact.file(file), [column])[column].value_counts().to_pylist()
        rows = sorted(counted, key=lambda row: (-row["counts"], row["values"] is not None, row["values"]))
        every = sum(row["counts"] for row in rows) or 1
        return bars([(label(row["values"]), row["counts"] / every) for row in rows])

    return draw


def _ranges(file: str, column: str, edges: Sequence[float], unit: str, factor: int = 1) -> Draw:
    """Return what draws how many rows of a table lie in each range of a column; see `_between`."""

    def draw(climb: Materializer, artifact: Artifact) -> str:
        return _between(factor * read_table(artifact.file(file), [column])[column].to_numpy(), edges, unit)

    return draw


def _between(values: npt.ArrayLike, edges: Sequence[float], unit: str) -> str:
    """Draw how many values lie between edges, and from the last one on; none is less than the first."""
    counts = np.histogram(np.asarray(values, np.float64), [*edges, np.inf])[0].tolist()
    names = [f"below {edges[1]:,} {unit}", *(f"{low:,} to {high:,} {unit}" for low, high in pairwise(edges[1:]))]
    return _counts(dict(zip([*names, f"{edges[-1]:,} {unit} or more"], counts, strict=True)))


def _vocabulary(climb: Materializer, artifact: Artifact) -> str:
    """Draw how long tokens are; a vocabulary that has no names of tokens is not drawn."""
    words = artifact.json("tokenizer.json").get("model", {}).get("vocab")
    return _between([len(word) for word in words], (0, 2, 4, 6, 8, 10), "letters") if words else ""


def _held_out(climb: Materializer, artifact: Artifact) -> str:
    ranks = {name: rank for name, rank in artifact.summary["held_out_spearman"].items() if rank is not None}
    told = [plain(rank, 2) for rank in ranks.values()]
    return bars([(name.replace("_", " "), max(rank, 0.0)) for name, rank in ranks.items()], told)


def _kmeans(climb: Materializer, artifact: Artifact) -> str:
    squared = artifact.json("objective.json")["mean_squared_distance"]
    return line(squared, "mean squared distance to the nearest centroid by round of k-means")


def _moved(climb: Materializer, artifact: Artifact) -> str:
    """Draw the domains whose share of the tokens moved most; nothing where none did."""
    rows = read_table(artifact.file("drift.parquet")).to_pylist()
    of_domains = [row for row in rows if row["measure"] == TOKEN_SHARE and row["domain"] is not None]
    moved = sorted(((row["name"], row["today"] - row["fit"]) for row in of_domains), key=lambda row: -abs(row[1]))
    return bars([(name, abs(by)) for name, by in moved], [f"{signed(100 * by, 1)} points" for _, by in moved])


def _ranked_as_targets(climb: Materializer, artifact: Artifact) -> str:
    """Draw how well settings of proxies rank mixtures by the first objective, the cheapest first."""
    rows = [row for row in read_table(artifact.file("fidelity.parquet")).to_pylist() if row["spearman"] is not None]
    objective = next(iter(climb.config.objectives))
    shown = sorted((row for row in rows if row["measure"] == objective), key=lambda row: row["compute"])
    told = [plain(row["spearman"], 2) for row in shown]
    return bars([(f"{row['setting']}, {row['tokens']:,} tokens", max(row["spearman"], 0)) for row in shown], told)


def _largest_of_baselines(climb: Materializer, artifact: Artifact) -> str:
    rows = read_table(artifact.file("baselines.parquet")).to_pylist()
    return bars([(f"largest of {row['name']}", max(row["weights"])) for row in rows])


def _tasks(climb: Materializer, artifact: Artifact) -> str:
    return _counts(artifact.summary["by_task"])


PICTURES: Mapping[str, Draw] = {
    "near_duplicates": _ranges("pairs.parquet", "similarity", SIMILARITIES, "%", factor=100),
    "tokenizer": _vocabulary,
    "tokenized_shards": _ranges("documents.parquet", "tokens", LENGTHS, "tokens"),
    "quality_scorer": _held_out,
    "cluster_model": _kmeans,
    "taxonomy_drift": _moved,
    "carried_evidence": _values("history.parquet", "source", str),
    "proxy_fidelity": _ranked_as_targets,
    "corpus_shards": _splits,
    "corpus_manifest": _splits,
    "quality_scores": _means,
    "contamination": _tasks,
    "cluster_assignments": _values("assignments.parquet", "cluster", lambda cluster: f"cluster {cluster}"),
    "baseline_mixtures": _largest_of_baselines,
    "audit_bundle": _values("documents.parquet", "licence", lambda licence: licence or "no licence named"),
    "cluster_statistics": _columns("clusters.parquet", "cluster", "tokens", "cluster "),
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
