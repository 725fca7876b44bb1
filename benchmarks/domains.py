"""Four ways to domains over one lake: the published threshold, a wanted number, balanced, parted by quality.

Each way merges the lake's own clusters, pruned as the demo prunes. The table has the agreement of domains with the
sources of documents, how stable they are when k-means and merging are repeated on bootstrap resamples, and the shares
of the tokens that domains hold. ``--search FOLDER`` also runs the demo's search over the domains of each way, in a copy
of the lake, and reports the loss of its answers, by their proxies and by target models.

    climb demo-corpus && climb up --to cluster_statistics
    python benchmarks/domains.py --lake data_lake/demo [--search FOLDER] [--json]

What clusters explain of quality scores is there too: it says what cells of domain and quality that are made of whole
clusters could do. The way that is parted has cells of documents, and half as many topics as the wanted number.

The search goes through `climb up`, so what was interrupted goes on and what was done is only read.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml
from numpy.typing import NDArray
from tabulate import tabulate

from climb_assets.clusters.agreement import measure_agreement
from climb_assets.clusters.domains import form_domains
from climb_assets.clusters.kmeans import fit_centroids, nearest_centroids, read_centroids
from climb_assets.clusters.shards import embedded_shards, scored_shards
from climb_assets.clusters.stability import Corpus, assign_cells, count_cells, measure_stability
from climb_assets.config import Clusters
from climb_assets.config_file import load_config
from climb_assets.corpus.splits import train_mask
from climb_assets.graph.materializer import Materializer
from climb_assets.search.baselines import read_baselines
from climb_assets.search.objectives import objective_loss
from climb_assets.simplex.mixtures import mixture_key
from climb_assets.tables import read_table

NAME = "four ways to domains"


def ways(domains: int, largest: float, distance: float, threshold: float) -> dict[str, dict[str, Any]]:
    """Return the settings of each way."""
    none: dict[str, Any] = {"merge_distance": None, "domains": None, "balance": None}
    cells = {"dimension": "quality", "thresholds": [threshold]}
    return {
        "published threshold": none | {"merge_distance": distance},
        "wanted number": none | {"domains": domains},
        "balanced": none | {"balance": {"domains": domains, "largest_share": largest}},
        "parted by quality": none | {"domains": max(domains // 2, 2), "cells": cells},
    }


def read_corpus(climb: Materializer) -> tuple[Corpus, NDArray[np.str_]]:
    """Return the train documents of a lake, and the source of each."""
    splits = climb.get("corpus_manifest").file("splits.parquet")
    parts, sources = [], []
    for embedded, scored in zip(embedded_shards(climb), scored_shards(climb), strict=True):
        rows = np.flatnonzero(train_mask(embedded.shard, embedded.documents, splits))
        vectors = np.load(embedded.vectors, allow_pickle=False)[rows].astype(np.float32)
        table = read_table(scored.scores)
        names = [name for name in table.column_names if name != "id"]
        scores = {name: table[name].to_numpy().astype(np.float32)[rows] for name in names}
        tokens = read_table(embedded.tokens, ["tokens"])["tokens"].to_numpy()[rows]
        parts.append(Corpus(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), tokens, scores))
        sources.append(np.array(read_table(embedded.documents, ["source"])["source"].to_pylist(), str)[rows])
    corpus = Corpus(
        np.concatenate([part.vectors for part in parts]),
        np.concatenate([part.tokens for part in parts]),
        {name: np.concatenate([part.scores[name] for part in parts]) for name in parts[0].scores},
    )
    return corpus, np.concatenate(sources)


def fit(vectors: NDArray[np.float32], settings: Clusters) -> NDArray[np.float32]:
    """Return the centroids of `fit_centroids`."""
    with tempfile.TemporaryDirectory() as folder:
        fit_centroids(vectors, settings, 1, Path(folder))
        return read_centroids(Path(folder) / "centroids.npy")


def explained_scores(climb: Materializer, corpus: Corpus) -> dict[str, float]:
    """Return how much of the variance of each quality score clusters explain: what cells of whole clusters can do."""
    centroids = read_centroids(climb.get("cluster_model").file("centroids.npy"))
    cluster, _ = nearest_centroids(corpus.vectors, centroids)
    explained = {}
    for name, scores in corpus.scores.items():
        judged = ~np.isnan(scores)
        own, of = scores[judged].astype(np.float64), cluster[judged]
        means = np.bincount(of, own, len(centroids)) / np.maximum(np.bincount(of, minlength=len(centroids)), 1)
        explained[name] = round(float(means[of].var() / own.var()), 3)
    return explained


def describe(
    climb: Materializer, corpus: Corpus, sources: NDArray[np.str_], settings: Clusters, resamples: int
) -> dict[str, Any]:
    """Return a row of the table."""
    needed = climb.config.mixture.tokens / climb.config.mixture.max_epochs
    centroids = read_centroids(climb.get("cluster_model").file("centroids.npy"))
    cell = assign_cells(corpus, settings, centroids)
    partition = form_domains(count_cells(corpus, cell), centroids, settings, needed)
    domain = partition.domain_of[cell]
    held = np.bincount(domain[domain >= 0], corpus.tokens[domain >= 0])
    agreement = measure_agreement(tally(cell, sources), partition.domain_of)
    stability = measure_stability(corpus, settings, lambda vectors: fit(vectors, settings), needed, resamples)
    return {
        "domains": partition.domains,
        "nmi": agreement.get("nmi"),
        "purity": agreement.get("purity"),
        "stability": round(statistics.fmean(stability.indices), 3) if stability.indices else None,
        "least_and_most": [round(edge(stability.indices), 3) for edge in (min, max)] if stability.indices else None,
        "refused": stability.refused,
        "largest_share": round(float(held.max() / held.sum()), 4),
        "smallest_share": round(float(held.min() / held.sum()), 4),
    }


def tally(cell: NDArray[np.int32], sources: NDArray[np.str_]) -> pa.Table:
    """Return the number of documents of each cell and source, given those of each document."""
    names, source = np.unique(sources, return_inverse=True)
    pairs, documents = np.unique(np.stack([cell, source]), axis=1, return_counts=True)
    return pa.table({"cluster": pairs[0], "source": names[pairs[1]].tolist(), "documents": documents})


def search(lake: Path, folder: Path, name: str, clusters: dict[str, Any]) -> dict[str, Any]:
    """Bring the search over one way's domains up to date in a copy of the lake, and return the losses of its answers.

    They are in bits per byte, of each objective: of the answer's proxies with fresh seeds, with an interval, and the
    mean of target models, on the answer and on the tokens as they are.
    """
    home = folder / name.replace(" ", "-")
    if not home.exists():
        copying = home.with_name(f".{home.name}")
        shutil.rmtree(copying, ignore_errors=True)
        shutil.copytree(lake, copying / "lake", symlinks=True)
        copying.rename(home)
    path = home / "climb.yaml"
    path.write_text(
        yaml.safe_dump({"profile": "demo", "lake": str(home / "lake"), "clusters": clusters}), encoding="utf-8"
    )
    command = [sys.executable, "-m", "dagster_project.cli", "--config", str(path), "up", "--to", "target_comparison"]
    subprocess.run([*command, "--yes"], check=True, stdout=sys.stderr)
    climb = Materializer(load_config(path))
    return {objective: _read_answer(climb, objective) for objective in climb.config.objectives}


def _read_answer(climb: Materializer, objective: str) -> dict[str, Any]:
    selection = climb.get("optimal_mixture", objective).json("selection.json")
    baselines = read_baselines(climb.get("baseline_mixtures", objective).file("baselines.parquet"))
    keys = {"answer": selection["key"], "proportional": mixture_key(baselines["proportional"])}
    rows = read_table(climb.get("target_comparison", objective).file("results.parquet")).to_pylist()
    targets = {}
    for rule, key in keys.items():
        losses: dict[int, dict[str, float]] = {}
        for row in rows:
            if row["key"] == key:
                losses.setdefault(row["repeat"], {})[row["task"]] = row["loss"]
        weights = climb.config.objectives[objective]
        targets[rule] = round(statistics.fmean(objective_loss(tasks, weights) for tasks in losses.values()), 4)
    evidence = selection["evidence"]
    proxies = {name: evidence[name] for name in ("mean", "interval", "conclusion")}
    return {"proxies": proxies, "targets": targets}


def run(lake: Path, folder: Path | None, settings_of: dict[str, dict[str, Any]], resamples: int) -> dict[str, Any]:
    """Measure, or say why not."""
    if not (lake / "refs" / "cluster_statistics").exists():
        return {"name": NAME, "skipped": f"{lake} has no clusters; run `climb up --to cluster_statistics`"}
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "climb.yaml"
        path.write_text(yaml.safe_dump({"profile": "demo", "lake": str(lake)}), encoding="utf-8")
        climb = Materializer(load_config(path))
        (corpus, sources), rows = read_corpus(climb), {}
        for name, settings in settings_of.items():
            print(f"{name} ...", file=sys.stderr)
            of_way = Clusters.model_validate(climb.config.clusters.model_dump() | settings)
            rows[name] = describe(climb, corpus, sources, of_way, resamples)
    if folder is not None:
        for name, settings in settings_of.items():
            rows[name]["search"] = search(lake, folder, name, settings)
    facts = {
        "documents": len(corpus.tokens),
        "resamples": resamples,
        "scores_explained": explained_scores(climb, corpus),
    }
    return {"name": NAME, "details": facts | {"ways": rows}}


def main() -> None:
    """Parse the command line and print a table, or one object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--lake", type=Path, default=Path("data_lake/demo"), help="a lake in which clusters were made")
    parser.add_argument(
        "--search", type=Path, metavar="FOLDER", help="search too, in copies of the lake below a folder"
    )
    parser.add_argument("--domains", type=int, default=15, help="of two of the ways; default: the demo's")
    parser.add_argument("--largest-share", type=float, default=0.1)
    parser.add_argument("--merge-distance", type=float, default=1.5, help="default: the published one")
    parser.add_argument("--threshold", type=float, default=4.0, help="score of quality by which domains are parted")
    parser.add_argument("--resamples", type=int, default=10)
    given = parser.parse_args()
    folder = None if given.search is None else given.search.resolve()
    settings_of = ways(given.domains, given.largest_share, given.merge_distance, given.threshold)
    found = run(given.lake.resolve(), folder, settings_of, given.resamples)
    if given.json or "skipped" in found:
        print(json.dumps(found))
    else:
        details = found["details"]
        print(tabulate([{"way": name} | row for name, row in details["ways"].items()], headers="keys"))
        print(f"of the variance of quality scores, clusters explain: {details['scores_explained']}")


if __name__ == "__main__":
    main()
