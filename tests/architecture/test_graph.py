"""The asset graph as Dagster sees it: a snapshot to review by eye, and its agreement with the specs."""

import json
import os
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from climb_assets.config_file import load_config
from climb_assets.graph.assets import SPEC, SPECS
from climb_assets.graph.materializer import Materializer
from dagster_project.build import build_definitions

SNAPSHOT = Path(__file__).parent / "asset_graph.json"
RENEW = "RENEW_ASSET_GRAPH"
GROUPS = ("corpus", "clusters", "search", "mixture", "audit")  # from raw files to the audit


@pytest.fixture
def definitions(tmp_path: Path) -> dg.Definitions:
    """Return the definitions of the profile smoke."""
    (tmp_path / "climb.yaml").write_text("profile: smoke\n")
    return build_definitions(Materializer(load_config(tmp_path / "climb.yaml")))


def dimension_of(definition: dg.PartitionsDefinition | None) -> str | None:
    """Return the dimension of a partitions definition."""
    match definition:
        case None:
            return None
        case dg.DynamicPartitionsDefinition():
            return definition.name
        case dg.TimeWindowPartitionsDefinition():
            return "iteration"
        case _:
            return "objective"


def draw(definitions: dg.Definitions) -> dict[str, Any]:
    """Return the graph as plain values."""
    graph = definitions.resolve_asset_graph()
    return {
        key.to_user_string(): {
            "deps": sorted(parent.to_user_string() for parent in graph.get(key).parent_keys),
            "group": graph.get(key).group_name,
            "kinds": sorted(graph.get(key).kinds),
            "partitions": dimension_of(graph.get(key).partitions_def),
            "checks": sorted(check.name for check in graph.get_check_keys_for_assets({key})),
        }
        for key in sorted(graph.get_all_asset_keys())
    }


def test_the_graph_is_the_one_that_was_reviewed(definitions: dg.Definitions) -> None:
    found = draw(definitions)
    if os.environ.get(RENEW):
        SNAPSHOT.write_text(json.dumps(found, indent=1) + "\n")
    kept = json.loads(SNAPSHOT.read_text())
    changed = sorted(key for key in {*found, *kept} if found.get(key) != kept.get(key))
    advice = f"if that was meant: {RENEW}=1 python -m pytest {SNAPSHOT.parent.name}, and read the diff"
    assert not changed, f"the asset graph changed at {changed}; {advice}"


def test_definitions_can_be_loaded(definitions: dg.Definitions) -> None:
    dg.Definitions.validate_loadable(definitions)


def test_dagster_and_the_specs_agree(definitions: dg.Definitions, tmp_path: Path) -> None:
    drawn, config = draw(definitions), load_config(tmp_path / "climb.yaml")
    assert set(drawn) == {*SPEC, "raw_corpus"}
    for spec in SPECS:
        node = drawn[spec.asset]
        assert node["deps"] == sorted({one.asset for one in spec.inputs if one.drawn and one.used(config)})
        assert (node["partitions"], node["group"]) == (spec.dimension, spec.group)


def test_no_group_reads_what_a_later_one_makes(definitions: dg.Definitions) -> None:
    """So Dagster can draw them in one direction, beside one another, and a collapsed graph is a line to follow."""
    drawn = draw(definitions)
    reads = {(drawn[parent]["group"], node["group"]) for node in drawn.values() for parent in node["deps"]}
    places = {group: place for place, group in enumerate(GROUPS)}
    assert {node["group"] for node in drawn.values()} == set(GROUPS)
    assert [pair for pair in reads if places[pair[0]] > places[pair[1]]] == []


def test_partition_keys_agree(definitions: dg.Definitions, tmp_path: Path) -> None:
    (tmp_path / "data_lake" / "raw").mkdir(parents=True)
    (tmp_path / "data_lake" / "raw" / "a.txt").write_text("a")
    materializer = Materializer(load_config(tmp_path / "climb.yaml"))
    graph = definitions.resolve_asset_graph()
    for spec in SPECS:
        definition = graph.get(dg.AssetKey(spec.asset)).partitions_def
        if definition is not None and spec.dimension != "shard":
            assert list(definition.get_partition_keys()) == materializer.partitions(spec)


def test_every_asset_can_be_understood_in_the_ui(definitions: dg.Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description and node.description.strip(), key
        if key.to_user_string() in SPEC:
            assert node.owners and node.kinds and node.code_version, key


def test_jobs_schedule_and_sensor_are_there(definitions: dg.Definitions) -> None:
    repository = definitions.get_repository_def()
    assert {"refresh_corpus", "search"} <= set(repository.job_names)
    assert [schedule.name for schedule in repository.schedule_defs] == ["daily_refresh"]
    assert [sensor.name for sensor in repository.sensor_defs] == ["corpus_sensor", "failure_webhook"]
    assert all(
        automation.default_status.value == "STOPPED"
        for automation in [*repository.schedule_defs, *repository.sensor_defs]
    )
