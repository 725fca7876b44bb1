"""The Dagster instance: kept in step with the raw folder and the lake."""

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget, WorkspaceLoadTarget

from climb_assets.config_file import load_config
from climb_assets.errors import ConfigError
from climb_assets.graph.assets import SPECS
from climb_assets.graph.materializer import Materializer
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


ROOT = Path(__file__).parents[2]
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
    assert not (lake / "dagster_home").exists() and not (theirs / "dagster.yaml").exists()
    assert len(told) == 1 and str(TEMPLATE) in told[0]
    with open_instance(lake) as instance:
        assert instance.get_dynamic_partitions("shard") == ["one"]
    assert os.environ["DAGSTER_HOME"] == str(theirs)


@pytest.mark.parametrize("home", ["missing", "./relative"])
def test_a_home_that_is_no_folder_is_an_error(home: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", home if home.startswith(".") else str(tmp_path / home))
    with pytest.raises(ConfigError, match=r"DAGSTER_HOME=.*unset"):
        prepare_home(tmp_path)


@pytest.mark.parametrize("name", ["what?", "a%20b"])
def test_a_path_that_dagster_takes_for_a_url_is_refused_before_anything_is_made(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="rename it"), open_instance(tmp_path / name / "lake"):
        pass
    assert list(tmp_path.iterdir()) == []


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


@pytest.mark.slow
def test_dagster_calls_a_finished_project_fresh(instance: dg.DagsterInstance, project: Path) -> None:
    assert stale_for_dagster(project) == {}


@pytest.mark.slow
def test_dagster_calls_a_reported_lake_fresh(materializer: Materializer, project: Path) -> None:
    shutil.rmtree(project / "data_lake" / "dagster_home")
    with open_instance(project / "data_lake") as instance:
        synchronise_shards(instance, materializer)
        report_missing_events(instance, materializer)
        assert stale_for_dagster(project) == {}


class InThisProcess(WorkspaceLoadTarget):
    """The code locations that workspace.yaml names, loaded here and not by a process of each."""

    def create_origins(self) -> list[InProcessCodeLocationOrigin]:
        """Return them as they are now."""
        named = WorkspaceFileTarget([str(ROOT / "workspace.yaml")]).create_origins()
        return [
            InProcessCodeLocationOrigin(one.loadable_target_origin, location_name=one.location_name) for one in named
        ]


def ask_dagster(project: Path, question: str) -> dict[str, Any]:
    """Return what the web server's schema answers, as its page asks."""
    from dagster_graphql.schema import create_schema

    with (
        pytest.MonkeyPatch.context() as patch,
        open_instance(project / "data_lake") as instance,
    ):
        patch.setenv("CLIMB_CONFIG", str(project / "climb.yaml"))
        patch.delitem(sys.modules, "definitions", raising=False)  # as Dagster names it: of another configuration
        with WorkspaceProcessContext(instance, InThisProcess()) as workspace:
            answer = create_schema().execute(question, context_value=workspace.create_request_context())
    assert not answer.errors and answer.data, answer.errors
    return dict(answer.data)


def stale_for_dagster(project: Path, *only: str) -> dict[str, Any]:
    """Return every partition, or those of some assets, that Dagster does not call fresh, and why, as in its UI."""
    materializer = Materializer(load_config(project / "climb.yaml"))
    asked = {f"{spec.asset}[{key}]": (spec.asset, key) for spec in SPECS for key in materializer.partitions(spec)}
    asked = {name: node for name, node in asked.items() if not only or node[0] in only}
    questions = []
    for number, (asset, key) in enumerate(asked.values()):
        partition = f"(partition: {json.dumps(key)})" if key else ""
        shown = f"staleStatus{partition} staleCauses{partition} {{reason}}"
        questions.append(f'a{number}: assetNodes(assetKeys: [{{path: ["{asset}"]}}]) {{{shown}}}')
    answer = ask_dagster(project, f"{{{' '.join(questions)}}}")
    found = [node for (node,) in answer.values()]
    assert len(found) == len(asked)
    return {name: node for name, node in zip(asked, found, strict=True) if node["staleStatus"] != "FRESH"}
