"""A scorer that is fitted on annotations, in the graph: what it makes stale, what people read, what is refused."""

import re
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from click.testing import CliRunner

from climb_assets.config_file import load_config
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.planner import Plan, make_plan
from climb_assets.tables import read_table
from dagster_project.cli import main
from dagster_project.metadata import describe as describe_artefact
from dagster_project.partitions import asset_options
from dagster_project.summary import summarise
from dagster_project.summary_text import describe
from tests.climb_assets.clusters.annotated import PLANTED, annotate, write_annotations
from tests.dagster_project.conftest import Up, assets, names
from tests.dagster_project.test_instance import stale_for_dagster

SHARDS = [f"{name}.jsonl" for name in sorted(PLANTED)]


@pytest.fixture
def annotations(project: Path) -> Path:
    """Return a file of annotations in the project."""
    return write_annotations(project / "annotations.jsonl", annotate())


def open_project(project: Path, **sections: Any) -> Materializer:
    """Return a materializer of the project, with sections of its settings changed."""
    path = project / "climb.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | sections))
    return Materializer(load_config(path))


def plan_of(project: Path, **sections: Any) -> Plan:
    """Return the plan of the project."""
    return make_plan(open_project(project, **sections))


def scores(climb: Materializer, dimension: str) -> dict[str, list[float]]:
    """Return the scores of each shard."""
    tables = {shard: climb.get("quality_scores", shard).file("scores.parquet") for shard in SHARDS}
    return {shard: read_table(path)[dimension].to_pylist() for shard, path in tables.items()}


@pytest.mark.slow
def test_a_probe_scores_by_topic_and_follows_its_annotations(
    project: Path, annotations: Path, up: Up, instance: dg.DagsterInstance
) -> None:
    quality = {"scorer": "probe", "annotations": annotations.name, "resamples": 200}
    plan = plan_of(project, quality=quality)
    assert names(plan, certain=True) == {"quality_scorer", "domains"} | {f"quality_scores[{one}]" for one in SHARDS}
    assert not assets(plan) & {"embeddings", "cluster_model", "cluster_assignments", "tokenized_shards"}
    up("domain_supply")
    assert up.lines[0] == "quality_scorer"
    climb = open_project(project)
    for shard, found in scores(climb, "quality").items():
        mean = sum(found) / len(found)
        assert abs(mean - PLANTED[shard.partition(".")[0]]) < 1, shard
        assert all(0 <= score <= 5 for score in found)
    scored = climb.get("quality_scores", SHARDS[0])
    assert f"embeddings@{SHARDS[0]}" in scored.manifest["inputs"]
    assert stale_for_dagster(project, "quality_scorer", "quality_scores", "domains") == {}

    fitted = climb.get("quality_scorer")
    rows = {row["dimension"]: row for row in summarise(climb)["scorer"]["held_out"]}
    assert rows["quality"]["spearman"] > 0.8 and rows["quality"]["tells"] and not rows["luck"]["tells"]
    text = describe(climb)
    assert "Scored by probe, fitted on 120 annotated documents; rank correlation with those held out: luck " in text
    assert "No better than chance, as far as can be told: luck." in text
    page = describe_artefact(climb, fitted)
    assert isinstance(page["held_out"], dg.TableMetadataValue) and "Picture" in page
    (record,) = instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(dg.AssetKey("quality_scorer"), "scorer_agrees"), limit=1
    )
    evaluation = record.event.dagster_event.asset_check_evaluation_data
    assert not evaluation.passed and evaluation.severity == dg.AssetCheckSeverity.WARN
    assert "luck: " in evaluation.description

    lines = annotations.read_text().splitlines()
    records = annotate()
    records[0]["scores"]["luck"] = (records[0]["scores"]["luck"] + 1) % 6
    write_annotations(annotations, records)
    assert sum(a != b for a, b in zip(lines, annotations.read_text().splitlines(), strict=True)) == 1
    plan = plan_of(project)
    assert {"quality_scorer", "domains"} < names(plan, certain=True) and "quality_scores" in assets(plan)
    assert not assets(plan) & {"embeddings", "cluster_model"}
    write_annotations(annotations, annotate())
    assert not assets(plan_of(project)) & {"quality_scorer", "quality_scores", "domains"}

    plan = plan_of(project, quality=quality | {"folds": 4})  # how well it does is told anew; what it does is as it was
    assert "quality_scorer" in names(plan, certain=True) and "domains" not in assets(plan)
    assert f"quality_scores[{SHARDS[0]}]" in names(plan, certain=False)


@pytest.mark.slow
def test_fasttext_is_trained_from_the_same_file(project: Path, annotations: Path, up: Up) -> None:
    pytest.importorskip("fasttext", reason="fastText is not installed: pip install 'climb[fasttext]'")
    quality = {"scorer": "fasttext", "annotations": annotations.name, "resamples": 100, "folds": 2, "epochs": 40}
    climb = open_project(project, quality=quality)
    up("quality_scores")
    for shard, found in scores(climb, "quality").items():
        assert abs(sum(found) / len(found) - PLANTED[shard.partition(".")[0]]) < 1, shard
    assert f"embeddings@{SHARDS[0]}" not in climb.get("quality_scores", SHARDS[0]).manifest["inputs"]
    assert not assets(plan_of(project)) & {"quality_scorer", "quality_scores"}
    changed = names(plan_of(project, quality=quality | {"epochs": 41}), certain=True)
    assert {"quality_scorer", "domains", f"quality_scores[{SHARDS[0]}]"} <= changed


def test_rules_do_not_read_embeddings(project: Path) -> None:
    encoder = yaml.safe_load((project / "climb.yaml").read_text())["encoder"]
    plan = plan_of(project, encoder=encoder | {"max_tokens": 31})
    assert "embeddings" in assets(plan) and not assets(plan) & {"quality_scorer", "quality_scores"}


@pytest.mark.parametrize(("scorer", "drawn"), [("rules", False), ("probe", True)])
def test_what_is_read_is_drawn(project: Path, annotations: Path, scorer: str, drawn: bool) -> None:
    quality = {"scorer": scorer} | ({"annotations": annotations.name} if scorer == "probe" else {})
    climb = open_project(project, quality=quality)
    keys = {dep.asset_key.to_user_string() for dep in asset_options("quality_scores", climb.config)["deps"]}
    assert keys == {"corpus_shards", "quality_scorer"} | ({"embeddings"} if drawn else set())
    plan = make_plan(open_project(project, encoder=climb.config.encoder.model_dump() | {"max_tokens": 31}))
    assert ("quality_scores" in assets(plan)) == drawn


@pytest.mark.parametrize(
    ("quality", "clusters", "message"),
    [
        ({"scorer": "probe"}, {}, r"quality: quality\.scorer: probe is fitted on quality\.annotations"),
        ({"annotations": "annotations.jsonl"}, {}, r"quality\.annotations are for quality\.scorer: probe or fasttext"),
        ({"scorer": "fasttext"}, {}, r"give one of the two"),
        ({"scorer": "probe", "annotations": "none.jsonl"}, {}, r"quality\.annotations: .*none\.jsonl is not there"),
        ({"scorer": "probe", "annotations": "bad.jsonl"}, {}, r"quality\.annotations: .*bad\.jsonl:1: "),
        (
            {"scorer": "probe", "annotations": "annotations.jsonl"},
            {"prune": {"beauty": 1}},
            r"clusters\.prune names 'beauty', which is not scored; known: luck, quality",
        ),
        (
            {"scorer": "probe", "annotations": "annotations.jsonl"},
            {"cells": {"dimension": "beauty", "thresholds": [2]}},
            r"clusters\.cells\.dimension names 'beauty', which is not scored; known: luck, quality",
        ),
    ],
)
def test_what_is_wrong_is_said_before_any_work(
    project: Path, annotations: Path, quality: dict[str, Any], clusters: dict[str, Any], message: str
) -> None:
    write_annotations(project / "bad.jsonl", [{"text": "a"}])
    path = project / "climb.yaml"
    sections = {"quality": quality, "clusters": {"prune": {}} | clusters}
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | sections))
    result = CliRunner().invoke(main, ["--config", str(path), "plan"])
    (line,) = result.stderr.splitlines()
    assert result.exit_code == 2 and re.search(message, line), line
