"""Cells: domains that are parted by the quality of their documents, from the assignments to the data set."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from climb_assets.audit.verification import verify_lake
from climb_assets.graph.kept import renew
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.planner import make_plan
from climb_assets.tables import read_table
from climb_assets.training.carried import carry_evidence
from dagster_project.assets import asset_options
from dagster_project.metadata import describe as describe_artefact
from dagster_project.summary_text import describe
from tests.climb_assets.clusters.annotated import annotate, write_annotations
from tests.dagster_project.conftest import SMALL_SEARCH, Up, assets, names
from tests.dagster_project.test_cli import climb as run
from tests.dagster_project.test_instance import stale_for_dagster
from tests.dagster_project.test_kept import open_project

SHARDS = [f"{source}.jsonl" for source in ("first", "second", "third")]
ASSIGNMENTS = {f"cluster_assignments[{shard}]" for shard in SHARDS}
PARTED = {"cells": {"dimension": "quality", "thresholds": [2.9]}}
SPLIT = 2.9


def bands_by_document(climb: Materializer) -> dict[str, int]:
    """Return the band in which the score of each document is."""
    rows = [
        row
        for shard in SHARDS
        for row in read_table(climb.get("quality_scores", shard).file("scores.parquet"), ["id", "quality"]).to_pylist()
    ]
    return {row["id"]: 1 if row["quality"] is None else int(row["quality"] >= np.float32(SPLIT)) for row in rows}


def test_scores_are_read_and_drawn_only_where_they_part(project: Path) -> None:
    climb = open_project(project)
    drawn = {dep.asset_key.to_user_string() for dep in asset_options("cluster_assignments", climb.config)["deps"]}
    assert drawn == {"embeddings", "cluster_model"}
    made = climb.get("cluster_assignments", SHARDS[0]).manifest
    assert "cells" not in made["config"] and not any(name.startswith("quality") for name in made["inputs"])
    assert "cells" not in climb.get("domains").manifest["config"]["clusters"]
    write_annotations(project / "annotations.jsonl", annotate())
    probe = {"scorer": "probe", "annotations": "annotations.jsonl"}
    assert "cluster_assignments" not in assets(make_plan(open_project(project, quality=probe)))

    climb = open_project(project, clusters=PARTED, quality={})
    drawn = {dep.asset_key.to_user_string() for dep in asset_options("cluster_assignments", climb.config)["deps"]}
    assert drawn == {"embeddings", "cluster_model", "quality_scores"}
    plan = make_plan(climb)
    assert {"domains"} | ASSIGNMENTS <= names(plan, certain=True)
    assert not assets(plan) & {"quality_scores", "embeddings", "cluster_model", "corpus_manifest"}


@pytest.mark.slow
def test_what_parts_domains_makes_the_taxonomy_stale(project: Path, up: Up) -> None:
    whole = open_project(project).get("domains").data_version
    open_project(project, clusters=PARTED)
    up("domain_supply")
    climb = open_project(project)
    parted = climb.get("domains").data_version
    assert "domain_supply" not in assets(make_plan(climb)) and parted != whole
    assert f"quality_scores@{SHARDS[0]}" in climb.get("cluster_assignments", SHARDS[0]).manifest["inputs"]
    assert stale_for_dagster(project, "cluster_assignments", "domains", "domain_supply") == {}

    higher = {"cells": PARTED["cells"] | {"thresholds": [3.05]}}
    plan = make_plan(open_project(project, clusters=higher))
    assert {"domains"} | ASSIGNMENTS <= names(plan, certain=True) and "cluster_model" not in assets(plan)
    assert not assets(make_plan(open_project(project, clusters=PARTED))) & {"cluster_assignments", "domains"}

    write_annotations(project / "annotations.jsonl", annotate())
    probe = {"scorer": "probe", "annotations": "annotations.jsonl"}
    plan = make_plan(open_project(project, quality=probe))
    assert "domains" in names(plan, certain=True) and names(plan) >= ASSIGNMENTS
    open_project(project, quality={}, clusters={})
    up("domain_supply")
    climb = open_project(project)
    assert climb.get("domains").data_version == whole  # found again, as before it was parted
    assert not assets(make_plan(climb))


@pytest.mark.slow
def test_a_search_over_parted_domains_goes_to_the_end(project: Path, up: Up, tmp_path: Path) -> None:
    before = open_project(project).get("training_tokens")
    renew(open_project(project).store, "taxonomy")
    open_project(project, clusters=PARTED, **SMALL_SEARCH)
    up()
    climb = open_project(project)
    assert make_plan(climb).stale == ()
    assert stale_for_dagster(project) == {}
    assert verify_lake(climb).differences == ()

    domains = read_table(climb.get("domains").file("domains.parquet")).to_pylist()
    assert len(domains) == 6 and {(row["topic"], row["band"]) for row in domains} == {
        (topic, band) for topic in range(3) for band in range(2)
    }
    band_of = bands_by_document(climb)
    supply = read_table(climb.get("training_tokens").file("supply.parquet")).to_pylist()
    assert [row["name"] for row in supply] == [row["name"] for row in domains]
    assert all(row["name"].endswith(f"(quality {('below 2.9', '2.9 or more')[row['band']]})") for row in domains)

    for objective in climb.config.objectives:
        weights = read_table(climb.get("optimal_mixture", objective).file("weights.parquet"))["weight"].to_numpy()
        assert len(weights) == 6 and weights.sum() == pytest.approx(1)
        rows = read_table(climb.get("mixed_corpus", objective).file("sample.parquet")).to_pylist()
        assert rows and all(band_of[row["id"]] == domains[row["domain"]]["band"] for row in rows)

    # What earlier models say of whole domains holds of their parts: nothing of their text lies elsewhere.
    carried = climb.get("carried_evidence")
    assert carried.summary["rows"] > 0
    history = carry_evidence(climb, tmp_path).history
    np.testing.assert_allclose(history.doubt, 0, atol=1e-5)  # the grid that mixtures lie on
    transfers = read_table(carried.file("transfers.parquet")).to_pylist()
    for earlier in read_table(before.file("supply.parquet"))["name"].to_pylist():
        reached = [row for row in transfers if row["earlier"] == earlier]
        assert sum(row["share"] for row in reached) == pytest.approx(1) and len(reached) == 2
        assert len({row["domain"].partition(" (")[0] for row in reached}) == 1

    text = describe(climb)
    assert "6 domains:" in text and "No cell was pruned." in text
    assert "image/svg+xml" in str(describe_artefact(climb, climb.get("domains"))["cluster_map"])
    result = run(project, "export-swarm", str(tmp_path / "swarm"))
    assert result.exit_code == 0, result.output
    header = (tmp_path / "swarm" / "ratios.csv").read_text().splitlines()[0].replace('"', "").split(",")
    assert {row["name"] for row in domains} <= set(header)

    raw = [str(project / "data_lake" / "raw" / shard) for shard in SHARDS]
    labels = project.parent / "labels.parquet"
    result = run(project, "export-taxonomy", str(tmp_path / "taxonomy"), "--with-encoder")
    assert result.stdout.splitlines()[1] == "6 domains of 6 clusters, generation 2."
    result = run(project, "classify", *raw, "--taxonomy", str(tmp_path / "taxonomy"), "--out", str(labels))
    assert result.exit_code == 0, result.output
    found = {row["id"]: (row["cluster"], row["domain"]) for row in pq.read_table(labels).to_pylist()}
    domain_of = read_table(climb.get("domains").file("clusters.parquet"))["domain"].to_pylist()
    for shard in SHARDS:
        assigned = read_table(climb.get("cluster_assignments", shard).file("assignments.parquet")).to_pylist()
        assert all(found[row["id"]] == (row["cluster"], domain_of[row["cluster"]]) for row in assigned)
        assert all(row["cluster"] % 2 == band_of[row["id"]] for row in assigned)
