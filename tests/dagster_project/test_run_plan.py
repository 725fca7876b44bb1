"""From a plan to runs of Dagster."""

import shutil
from pathlib import Path

import dagster as dg
import pytest

from climb_assets.config_file import load_config
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.planner import make_plan
from dagster_project import run_plan
from dagster_project.run_plan import Run, next_runs
from dagster_project.update import bring_up_to_date


def test_shards_share_a_run_and_objectives_have_one_each(project: Path) -> None:
    """Of what is stale those runs come first that rest on nothing stale."""
    references = project / "data_lake" / "refs"
    materializer = Materializer(load_config(project / "climb.yaml"))
    for asset in ("quality_scores", "embeddings", "cluster_assignments"):
        shutil.rmtree(references / asset)
    (references / "corpus_shards" / "second.jsonl").unlink()
    runs = list(next_runs(make_plan(materializer), materializer.config))
    assert runs == [
        Run(("corpus_shards", "embeddings", "quality_scores"), ("second.jsonl",)),
        Run(("embeddings", "quality_scores"), ("first.jsonl", "third.jsonl")),
        Run(("cluster_assignments",), ("second.jsonl", "first.jsonl", "third.jsonl")),  # the centroids are kept
    ]
    assert runs[1].label == "embeddings, quality_scores [2 partitions]"


def test_a_run_has_no_more_shards_than_fit(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_plan, "MOST_SHARDS", 2)
    shutil.rmtree(project / "data_lake" / "refs" / "embeddings")
    climb = Materializer(load_config(project / "climb.yaml"))
    first, second, third = climb.listing().shards
    runs = list(next_runs(make_plan(climb), climb.config))
    assert [run.partitions for run in runs if run.assets == ("embeddings",)] == [(first, second), (third,)]
    with dg.DagsterInstance.ephemeral() as instance:
        assert bring_up_to_date(instance, climb, to="embeddings", report=lambda line: None).made == 3
    assert not make_plan(climb, "embeddings").stale


def test_what_has_no_partitions_is_a_run_of_its_own(project: Path) -> None:
    shutil.rmtree(project / "data_lake" / "refs")
    materializer = Materializer(load_config(project / "climb.yaml"))
    assert list(next_runs(make_plan(materializer), materializer.config)) == [Run(("tokenizer", "quality_scorer"))]
