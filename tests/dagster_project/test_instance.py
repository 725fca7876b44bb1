"""The Dagster instance: kept in step with the raw folder and the lake."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from climb_assets.config_file import load_config
from climb_assets.graph.assets import SPECS
from climb_assets.graph.materializer import Materializer
from dagster_project.build import build_definitions
from dagster_project.instance import (
    PROCESS_TAG,
    TEMPLATE,
    close_dead_runs,
    observe_corpus,
    prepare_home,
    process_identity,
    report_missing_events,
    synchronise_shards,
)


@pytest.fixture
def materializer(project: Path) -> Materializer:
    """Return the materializer of the finished project."""
    return Materializer(load_config(project / "climb.yaml"))


@pytest.fixture
def empty() -> dg.DagsterInstance:
    """Return an instance that knows nothing."""
    return dg.DagsterInstance.ephemeral()


def test_home_is_made_from_the_template_and_follows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", "/elsewhere")
    home = prepare_home(tmp_path)
    assert os.environ["DAGSTER_HOME"] == str(home) == str(tmp_path / "dagster_home")
    (home / "dagster.yaml").write_text("old: true\n")
    prepare_home(tmp_path)
    assert (home / "dagster.yaml").read_bytes() == TEMPLATE.read_bytes()
    assert b"telemetry: {enabled: false}" in TEMPLATE.read_bytes()


def test_shard_partitions_follow_the_raw_folder(
    empty: dg.DagsterInstance, materializer: Materializer, project: Path
) -> None:
    shards = ["first.jsonl", "second.jsonl", "third.jsonl"]
    assert synchronise_shards(empty, materializer) == (shards, [])
    assert synchronise_shards(empty, materializer) == ([], [])
    raw = project / "data_lake" / "raw"
    (raw / "second.jsonl").rename(raw / "new.jsonl")
    assert synchronise_shards(empty, materializer) == (["new.jsonl"], ["second.jsonl"])
    assert sorted(empty.get_dynamic_partitions("shard")) == ["first.jsonl", "new.jsonl", "third.jsonl"]


def test_listing_is_observed_when_it_changed(
    empty: dg.DagsterInstance, materializer: Materializer, project: Path
) -> None:
    def observed() -> int:
        observe_corpus(empty, materializer)
        return len(empty.fetch_observations(dg.AssetKey("raw_corpus"), limit=10).records)

    assert [observed(), observed()] == [1, 1]
    (project / "data_lake" / "raw" / "first.jsonl").unlink()
    materializer.refresh()
    assert observed() == 2


def test_missing_events_are_reported_once_and_exactly(empty: dg.DagsterInstance, materializer: Materializer) -> None:
    synchronise_shards(empty, materializer)
    assert report_missing_events(empty, materializer) == sum(len(materializer.partitions(spec)) for spec in SPECS)
    assert report_missing_events(empty, materializer) == 0


def test_dagster_calls_a_reported_lake_fresh(empty: dg.DagsterInstance, materializer: Materializer) -> None:
    synchronise_shards(empty, materializer)
    report_missing_events(empty, materializer)
    assert stale_for_dagster(empty, materializer) == {}


def test_dagster_calls_a_finished_project_fresh(instance: dg.DagsterInstance, materializer: Materializer) -> None:
    assert stale_for_dagster(instance, materializer) == {}


def stale_for_dagster(instance: dg.DagsterInstance, materializer: Materializer) -> dict[str, str]:
    """Return every partition that Dagster's own resolver does not call fresh, and why."""
    graph = build_definitions(materializer).resolve_asset_graph()
    resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
    found = {}
    for spec in SPECS:
        for partition in materializer.partitions(spec):
            key = dg.AssetKey(spec.asset)
            if resolver.get_status(key, partition) != StaleStatus.FRESH:
                reasons = [cause.reason for cause in resolver.get_stale_causes(key, partition)]
                found[f"{spec.asset}[{partition}]"] = f"{resolver.get_status(key, partition)}: {reasons}"
    return found


def start_run(instance: dg.DagsterInstance, identity: str | None) -> str:
    """Leave a run as started by a process."""
    tags = {} if identity is None else {PROCESS_TAG: identity}
    run = instance.create_run_for_job(noop, tags=tags, status=dg.DagsterRunStatus.STARTED)
    return run.run_id


@dg.job
def noop() -> None:
    """Do nothing."""


def test_runs_of_dead_processes_are_closed_and_others_are_not(empty: dg.DagsterInstance) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        identity = process_identity(process.pid)
        assert identity is not None
        process.kill()
    dead = start_run(empty, identity)
    reused = start_run(empty, f"{os.getpid()}-1")  # another process had this number before
    living = start_run(empty, process_identity(os.getpid()))
    foreign = start_run(empty, None)
    assert close_dead_runs(empty) == 2
    status = {run_id: empty.get_run_by_id(run_id).status for run_id in (dead, reused, living, foreign)}
    failed, started = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.STARTED
    assert status == {dead: failed, reused: failed, living: started, foreign: started}
    assert close_dead_runs(empty) == 0


def test_process_identity_of_no_process_is_none() -> None:
    assert process_identity(2**22 + 1) is None
