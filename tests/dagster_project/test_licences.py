"""A policy on licences decides what may be sampled, and is all that it makes stale."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result

from climb_assets.clusters.shards import shard_tables
from climb_assets.config_file import load_config
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.planner import make_plan
from climb_assets.tables import read_table
from dagster_project.cli import main
from tests.dagster_project.conftest import Up, assets
from tests.dagster_project.test_kept import models, references

DENIED = "ODbL-1.0"  # the licence of every tenth document
UNTOUCHED = {
    "corpus_shards",
    "tokenized_shards",
    "embeddings",
    "quality_scores",
    "cluster_model",
    "domains",
    "tokenizer",
}


def open_project(project: Path, **policy: Any) -> Materializer:
    """Return a materializer of the project under a policy."""
    path = project / "climb.yaml"
    settings = yaml.safe_load(path.read_text()) | {"corpus": {"licences": policy}}
    path.write_text(yaml.safe_dump(settings))
    return Materializer(load_config(path))


def run(project: Path, *arguments: str) -> Result:
    """Run a command on the project."""
    return CliRunner().invoke(main, ["--config", str(project / "climb.yaml"), *arguments])


def documents(climb: Materializer) -> dict[str, dict[str, Any]]:
    """Return every document of the lake with its tokens and its domain, by id."""
    domain_of = read_table(climb.get("domains").file("clusters.parquet"), ["domain"])["domain"].to_pylist()
    found: dict[str, dict[str, Any]] = {}
    for shard in shard_tables(climb):
        tables = [read_table(path).to_pylist() for path in (shard.documents, shard.tokens, shard.assignments)]
        for document, counted, assigned in zip(*tables, strict=True):
            of = {"tokens": counted["tokens"], "domain": domain_of[assigned["cluster"]]}
            found[document["id"]] = document | of
    return found


def trained_on(climb: Materializer) -> set[str]:
    """Return the documents, of train or held out, that the search has."""
    index = climb.get("training_tokens")
    shards = [entry["shard"] for entry in index.json("shards.json")]
    starts = {}
    for number, shard in enumerate(shards):
        tokens = read_table(climb.get("tokenized_shards", shard).file("documents.parquet"))
        starts |= {(number, row["start"]): row["id"] for row in tokens.to_pylist()}
    spans = np.load(index.file("spans.npy"))
    held_out = read_table(index.file("evaluation.parquet"), ["id"])["id"].to_pylist()
    return {starts[shard, start] for _, shard, start, _ in spans.tolist()} | set(held_out)


@pytest.mark.slow
def test_what_is_denied_is_in_no_supply_and_no_data_set_until_it_is_allowed_again(project: Path, up: Up) -> None:
    before, held, trained = references(project), documents(open_project(project)), models(project)
    of_licence = {id for id, row in held.items() if row["licence"] == DENIED}
    assert of_licence & trained_on(open_project(project))

    climb = open_project(project, deny=["odbl-*"])
    stale = assets(make_plan(climb))
    assert {"corpus_manifest", "training_tokens"} <= stale and not stale & UNTOUCHED
    up()
    usable = {id: row for id, row in held.items() if id not in of_licence}
    assert trained_on(climb) <= usable.keys()
    supply, train = Counter(), Counter()
    splits = {
        row["id"]: row["split"] for row in read_table(climb.get("corpus_manifest").file("splits.parquet")).to_pylist()
    }
    for id, row in usable.items():
        if splits.get(id, row["split"]) == "train":
            supply[row["domain"]] += row["tokens"]
    for asset in ("domain_supply", "training_tokens"):
        rows = read_table(climb.get(asset).file("supply.parquet")).to_pylist()
        assert {row["domain"]: row["tokens"] for row in rows} == supply
    for objective in ("general", "science"):
        made = climb.get("mixed_corpus", objective)
        sample = read_table(made.file("sample.parquet")).to_pylist()
        assert {row["id"] for row in sample} <= usable.keys()
        for row in sample:
            train[objective, row["domain"]] += row["tokens"] * row["copies"]
        for row in read_table(made.file("realised.parquet")).to_pylist():
            assert row["tokens"] == train[objective, row["domain"]]
            assert row["planned"] <= climb.config.mixture.max_epochs * supply[row["domain"]]
    left_out = read_table(climb.get("domain_supply").file("left_out.parquet")).to_pylist()
    assert {row["licence"] for row in left_out if row["reason"] == "licence"} == {DENIED}
    assert sum(row["documents"] for row in left_out) == len(of_licence)
    told = run(project, "status").output
    tokens = sum(held[id]["tokens"] for id in of_licence)
    assert f"Left out by their licence: {len(of_licence)} documents, {tokens:,} tokens ({DENIED}: " in told

    assert run(project, "export", "general", "--to", str(project / "out")).exit_code == 0
    exported = [row for path in (project / "out").rglob("*.parquet") for row in read_table(path).to_pylist()]
    assert exported and {row["id"] for row in exported} <= usable.keys()
    assert {row["licence"] for row in exported} == {"CC0"}
    assert f"| licence | {DENIED} |" in (project / "out" / "README.md").read_text()

    climb = open_project(project)
    up()
    assert references(project) == before and models(project) > trained
