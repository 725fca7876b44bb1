"""The Dagster instance: kept in step with the raw folder and the lake."""

import os
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from climb_assets.config_file import load_config
from climb_assets.errors import ConfigError
from climb_assets.graph.assets import SPECS
from climb_assets.graph.materializer import Materializer
from dagster_project.build import build_definitions
from dagster_project.instance import (
    TEMPLATE,
    observe_corpus,
    open_instance,
    prepare_home,
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


EDITED = "# template 1\n# ours\nstorage: {sqlite: {base_dir: history}}\ntelemetry: {enabled: false}\n"


def test_the_lake_has_a_home_made_once_from_the_template(tmp_path: Path) -> None:
    home = prepare_home(tmp_path)
    assert home == tmp_path / "dagster_home"
    assert (home / "dagster.yaml").read_bytes() == TEMPLATE.read_bytes()
    (home / "dagster.yaml").write_text(EDITED)
    prepare_home(tmp_path)
    assert (home / "dagster.yaml").read_text() == EDITED


def test_the_template_is_one_that_dagster_takes(tmp_path: Path) -> None:
    with open_instance(tmp_path) as instance:
        assert instance.run_retries_enabled and not instance.run_retries_retry_on_asset_or_op_failure
        assert instance.telemetry_enabled is False
        assert instance.run_monitoring_enabled


def test_a_newer_template_is_told_of_in_one_line(tmp_path: Path) -> None:
    told: list[str] = []
    file = prepare_home(tmp_path, told.append) / "dagster.yaml"
    assert told == []
    file.write_text(EDITED)
    prepare_home(tmp_path, told.append)
    assert len(told) == 1 and str(file) in told[0] and str(TEMPLATE) in told[0] and "\n" not in told[0]
    file.write_text(EDITED.partition("\n")[2])  # whoever takes the line out is left in peace
    prepare_home(tmp_path, told.append)
    assert len(told) == 1


def test_a_home_of_the_user_is_used_and_never_written_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake, theirs = tmp_path / "lake", tmp_path / "theirs"
    theirs.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(theirs))
    told: list[str] = []
    with open_instance(lake, told.append) as instance:
        instance.add_dynamic_partitions("shard", ["one"])
        assert os.environ["DAGSTER_HOME"] == str(theirs)
    assert not lake.exists() and not (theirs / "dagster.yaml").exists()
    assert len(told) == 1 and str(TEMPLATE) in told[0]
    with open_instance(lake) as instance:
        assert instance.get_dynamic_partitions("shard") == ["one"]
    assert os.environ["DAGSTER_HOME"] == str(theirs)


@pytest.mark.parametrize("home", ["missing", "./relative"])
def test_a_home_that_is_no_folder_is_an_error(home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", home if home.startswith(".") else str(tmp_path / home))
    with pytest.raises(ConfigError, match=r"DAGSTER_HOME=.*unset"):
        prepare_home(tmp_path)


def test_the_variable_is_put_back(tmp_path: Path) -> None:
    with open_instance(tmp_path):
        assert os.environ["DAGSTER_HOME"] == str(tmp_path / "dagster_home")
    assert "DAGSTER_HOME" not in os.environ


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
