"""Processor seconds to find out what is stale in a finished lake: the planner against Dagster's resolver, same assets.

The lake is real but its artefacts are a few bytes: planning reads manifests, never contents. Dagster gets its events in
memory, which is faster than the SQLite files it would have. Ours follows changes through the whole graph; Dagster's
shows direct causes, and stops tracking a partition at 100 upstream ones.
"""

import argparse
import cProfile
import json
import pstats
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pyarrow.parquet as pq

# The peer itself: Dagster has no public name for its resolver.
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest
from transformers import BertConfig, BertModel

from climb_assets.config_file import load_config
from climb_assets.config_tasks import TextTask
from climb_assets.graph.assets import SEARCH, SPECS
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.planner import make_plan
from climb_assets.store.artifacts import Draft
from dagster_project.build import build_definitions
from dagster_project.instance import report_missing_events, synchronise_shards

NAME = "planning against Dagster's stale-status resolver"


def finish_lake(folder: Path, shards: int) -> Materializer:
    """Return the materializer of a project of that many shards, in which everything is made."""
    (folder / "raw").mkdir()
    for number in range(shards):
        (folder / "raw" / f"shard-{number:05d}.txt").write_text(f"text of shard {number}", encoding="utf-8")
    BertModel(BertConfig(vocab_size=300, hidden_size=16, num_hidden_layers=1, num_attention_heads=1)).save_pretrained(
        folder / "encoder"
    )
    (folder / "climb.yaml").write_text(
        "profile: smoke\nlake: .\ncorpus: {raw: raw}\nencoder: {model: encoder}\n", encoding="utf-8"
    )
    materializer = Materializer(load_config(folder / "climb.yaml"))

    def write(climb: Materializer, *rest: str | Draft) -> None:
        draft = rest[-1]
        assert isinstance(draft, Draft)
        (draft.path / "data.json").write_text(f'"{draft.path.parent}"', encoding="utf-8")
        if draft.order.asset == "taxonomy_drift":  # what a plan says behind the shards that came
            draft.summary = {"token_drift": 0.0, "token_drift_noise": 0.0}
        held = [
            {"source": source, "split": task.split, "documents": 2 * task.documents}
            for task in climb.config.tasks.values()
            if isinstance(task, TextTask)
            for source in task.sources
        ]
        if draft.order.asset == "corpus_manifest":  # what text tasks are checked against
            pq.write_table(pa.Table.from_pylist(held), draft.path / "sources.parquet")
        if draft.order.asset == "training_tokens":
            rows = [row for row in held for _ in range(row["documents"])]
            pq.write_table(pa.Table.from_pylist(rows), draft.path / "evaluation.parquet")

    walked = [spec for spec in SPECS if spec.asset in SEARCH]
    for spec in SPECS:
        if spec.asset == SEARCH[0]:  # iteration before asset: candidates read the predictor before them
            for key in materializer.partitions(spec):
                for step in walked:
                    materializer.make_by(write, step.asset, key)
        elif spec.asset not in SEARCH:
            for key in materializer.partitions(spec):
                materializer.make_by(write, spec.asset, key)
    return materializer


def ask_dagster(instance: dg.DagsterInstance, graph: BaseAssetGraph, materializer: Materializer) -> int:
    """Return how many partitions Dagster's resolver does not call fresh."""
    resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
    stale = 0
    for spec in SPECS:
        key = dg.AssetKey(spec.asset)
        for partition in materializer.partitions(spec):
            stale += resolver.get_status(key, partition) != StaleStatus.FRESH
            resolver.get_stale_causes(key, partition)
    return stale


def run(shards: int, repeats: int, profile: bool) -> dict[str, object]:
    """Measure in a temporary folder; the two take turns, and medians are compared."""
    with tempfile.TemporaryDirectory() as folder, dg.DagsterInstance.ephemeral() as instance:
        materializer = finish_lake(Path(folder), shards)
        definitions = build_definitions(materializer)
        graph = definitions.resolve_asset_graph()
        synchronise_shards(instance, materializer)
        events = report_missing_events(instance, materializer)
        found: dict[str, int] = {}
        times: dict[str, list[float]] = {"ours": [], "peer": []}
        for _ in range(repeats):
            for name, ask in (
                ("ours", lambda: len(make_plan(materializer).stale)),
                ("peer", lambda: ask_dagster(instance, graph, materializer)),
            ):
                started = time.process_time()
                found[name] = ask()
                times[name].append(time.process_time() - started)
        if profile:
            with cProfile.Profile() as profiler:
                make_plan(materializer)
            pstats.Stats(profiler, stream=sys.stderr).sort_stats("cumulative").print_stats(25)
    ours, peer = statistics.median(times["ours"]), statistics.median(times["peer"])
    return {
        "name": NAME,
        "ours": round(ours, 3),
        "peer": round(peer, 3),
        "ratio": round(peer / ours, 2),
        "unit": "processor s",
        "details": {
            "shards": shards,
            "partitions": events,
            "called_stale": found,
            "seconds": {name: [round(value, 3) for value in values] for name, values in times.items()},
        },
    }


def main() -> None:
    """Parse the command line and print one object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--shards", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--profile", action="store_true", help="also print where planning spends its time")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", category=dg.BetaWarning)
    found = run(arguments.shards, arguments.repeats, arguments.profile)
    if arguments.json:
        print(json.dumps(found))
    else:
        print(f"{NAME}: {found['ours']} / {found['peer']} {found['unit']} = {found['ratio']}")


if __name__ == "__main__":
    main()
