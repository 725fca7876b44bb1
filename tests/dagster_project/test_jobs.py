"""Jobs as the UI starts them."""

from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from climb_assets.config_file import load_config
from climb_assets.errors import ArgumentError
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.planner import make_plan
from climb_assets.tables import read_table
from dagster_project.jobs import refresh_corpus
from tests.conftest import write_source


def refresh(materializer: Materializer, to: str | None = None) -> dg.ExecuteInProcessResult:
    config = {} if to is None else {"to": to}
    return refresh_corpus.execute_in_process(
        run_config={"ops": {"bring_corpus_up_to_date": {"config": config}}},
        resources={"climb": materializer},
        instance=dg.DagsterInstance.ephemeral(),
        raise_on_error=False,
    )


@pytest.mark.parametrize("to", ["nonsense", "", "raw_corpus"])
def test_an_asset_that_there_is_not_fails_in_one_sentence(tmp_path: Path, to: str) -> None:
    (tmp_path / "climb.yaml").write_text("profile: smoke\n")
    materializer = Materializer(load_config(tmp_path / "climb.yaml"))
    with pytest.raises(ArgumentError, match="is no asset; choose one of"):
        make_plan(materializer, to)
    outcome = refresh(materializer, to)
    assert not outcome.success
    (failure,) = [event.step_failure_data for event in outcome.all_events if event.is_step_failure]
    assert failure.user_failure_data.description.startswith(f"{to!r} is no asset; choose one of tokenizer, ")


def told(outcome: dg.ExecuteInProcessResult) -> dict[str, Any]:
    """Return what the refresh says of itself."""
    (output,) = [event for event in outcome.all_events if event.is_successful_output]
    return {key: value.value for key, value in output.step_output_data.metadata.items()}


@pytest.mark.slow
def test_a_refresh_brings_a_new_shard_into_the_data_set_and_trains_nothing(project: Path) -> None:
    climb = Materializer(load_config(project / "climb.yaml"))
    trained = len(climb.store.all_of("proxy_models"))
    write_source(project / "data_lake" / "raw" / "fourth.jsonl", "second", documents=20, seed=9)
    outcome = refresh(climb)
    assert outcome.success and make_plan(climb).stale == ()
    said = told(outcome)
    assert said["moved"].keys() == set(climb.config.objectives) and "weights moved by" in said["moved"]["general"]
    sample = read_table(climb.get("mixed_corpus", "general").file("sample.parquet"))
    assert "fourth.jsonl" in sample["shard"].to_pylist()
    assert len(climb.store.all_of("proxy_models")) == trained
    assert told(refresh(climb)) == {"partitions_materialised": 0, "moved": {}}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("section", "settings", "reached"),
    [("search", {"seed": 43}, "domain_supply"), ("clusters", {"seed": 7}, "corpus_manifest")],
)
def test_a_refresh_begins_no_search(project: Path, section: str, settings: dict[str, Any], reached: str) -> None:
    path = project / "climb.yaml"
    given = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(given | {section: given.get(section, {}) | settings}))
    climb = Materializer(load_config(path))
    before = climb.store.reference("cluster_model", None), climb.store.reference("proxy_results", "iteration-01")
    write_source(project / "data_lake" / "raw" / "fourth.jsonl", "second", documents=20, seed=9)
    assert refresh(climb).success
    assert make_plan(climb, reached).stale == () and make_plan(climb).stale != ()
    after = climb.store.reference("cluster_model", None), climb.store.reference("proxy_results", "iteration-01")
    assert after == before
