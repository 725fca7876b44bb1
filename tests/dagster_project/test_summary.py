"""What people read at the end."""

import json
from pathlib import Path

import dagster as dg
import pytest
import yaml

from climb_assets.config_file import load_config
from climb_assets.graph.kept import renew
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.planner import Plan, make_plan
from dagster_project.strict_json import to_json
from dagster_project.summary import advice, summarise
from dagster_project.summary_text import describe
from tests.dagster_project.conftest import Up


@pytest.fixture
def materializer(finished_once: Path) -> Materializer:
    """Return the materializer of a finished project."""
    return Materializer(load_config(finished_once / "climb.yaml"))


def test_the_state_of_a_finished_project(materializer: Materializer) -> None:
    state = summarise(materializer)
    assert state["stale"] == [] and describe(materializer).endswith("Nothing is stale.")
    assert json.loads(json.dumps(state))["corpus"]["shards"] == 3
    assert sum(row["prior"] for row in state["domains"]) == pytest.approx(1)
    assert [row["proxies"] for row in state["iterations"]] == [8, 2, 2]  # with two further seeds of two anchors
    weights = dict.fromkeys(("first_text", "second_text"), 0.0)
    for row in state["predictors"]:
        weights[row["task"]] += row["weight"]
    assert list(weights.values()) == pytest.approx([1, 1])
    assert state["evidence"] is None
    for noise in state["noise"].values():  # of two anchors with three repeats
        assert 2 <= noise["degrees"] <= 4 and noise["paired_degrees"] == 2
    assert {name: row["mixtures"] for name, row in state["fidelity"].items()} == {"general": 4, "science": 4}
    for mixture in state["mixtures"].values():
        assert sum(row["weight"] for row in mixture["weights"]) == pytest.approx(1)
        assert {row["arm"] for row in mixture["comparison"]} == {"uniform", "proportional", "unimax"}
        assert mixture["selection"]["evidence"]["seeds"] == materializer.config.search.choice.seeds
        assert mixture["advice"]["proxies"] > 0


def test_the_text_has_every_part(materializer: Materializer) -> None:
    text = describe(materializer)
    for part in ("tokens in 3 shards", "3 domains:", "iteration-03", "Mixture for general", "Mixture for science"):
        assert part in text
    assert "negative is better" in text and "verdict" in text
    for mixture in summarise(materializer)["mixtures"].values():
        (counted,) = {row["comparisons"] for row in mixture["comparison"] if row["family"] == "primary"}
        assert f"the intervals of all {counted} comparisons hold together" in text
    assert text.count("over 2 fresh seeds: ") == 2
    assert text.count("Most likely the best of those confirmed: ") == 2
    assert text.count("Its proxies minus those of each baseline: ") == 2
    for mixture in summarise(materializer)["mixtures"].values():
        for gap in mixture["selection"]["evidence"]["gaps"]:
            assert f"{gap['baseline']} {gap['difference']:+.4f} ({gap['low']:+.4f} to {gap['high']:+.4f})" in text
    for objective, sentence in advice(materializer, make_plan(materializer)).items():
        assert f"Another iteration? {sentence}." in text and "expected gain" in sentence
        assert f"{objective}: noise between seeds 0." in text
        assert f"{objective}: proxies rank mixtures as targets do: " in text and ", 4 mixtures" in text


def test_a_lake_with_nothing_in_it(tmp_path: Path) -> None:
    (tmp_path / "climb.yaml").write_text("profile: smoke\n")
    materializer = Materializer(load_config(tmp_path / "climb.yaml"))
    assert describe(materializer) == "The corpus has no manifest yet; run `climb up`."
    state = summarise(materializer)
    assert state["corpus"] is None and state["domains"] is None and state["iterations"] == []
    assert state["mixtures"] == {"general": None, "science": None}
    assert state["noise"] is None and state["fidelity"] is None
    assert "is not there" in state["stale"]  # the encoder and the raw files
    assert advice(materializer, Plan(())) == {}


@pytest.mark.slow
def test_what_was_not_measured_is_said(project: Path, up: Up) -> None:
    path = project / "climb.yaml"
    settings = yaml.safe_load(path.read_text()) | {
        "search": {"repeats": 0, "iterations": [2]},
        "fidelity": {"mixtures": 0},
    }
    path.write_text(yaml.safe_dump(settings))
    up(to="predictor_state")
    up(to="proxy_fidelity")
    text = describe(Materializer(load_config(path)))
    assert "general: noise not measured" in text
    assert "science: whether proxies rank mixtures as targets do was not asked for" in text


@pytest.mark.slow
def test_what_was_made_from_an_earlier_answer_is_not_shown_beside_the_new_one(project: Path, up: Up) -> None:
    path = project / "climb.yaml"
    before = summarise(Materializer(load_config(path)))["mixtures"]["general"]
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"search": {"seed": 7, "iterations": [2]}}))
    up(to="optimal_mixture")
    materializer = Materializer(load_config(path))
    after = summarise(materializer)["mixtures"]["general"]
    assert before["comparison"] and before["realised"]
    assert after["selection"]["key"] != before["selection"]["key"]
    assert after["comparison"] is None and after["realised"] is None
    assert describe(materializer).count("No target model was trained on it yet") == 2
    assert "target_comparison[general]" in summarise(materializer)["stale"]
    assert describe(materializer).splitlines()[-1].startswith("Stale: proxy_fidelity, target_comparison[general], ")


@pytest.mark.slow
def test_what_was_pruned_is_told_and_a_check_warns(project: Path, up: Up, instance: dg.DagsterInstance) -> None:
    path = project / "climb.yaml"
    settings = yaml.safe_load(path.read_text()) | {"clusters": {"prune": {"quality": 1.2, "advertisement": 1.0}}}
    path.write_text(yaml.safe_dump(settings))
    junk = [{"text": f"\x1b[31m| {row} | {row * 7} % | -- | ### |\n" * 60, "source": "sheets"} for row in range(90)]
    (project / "data_lake" / "raw" / "sheets.jsonl").write_text("\n".join(map(json.dumps, junk)))
    materializer = Materializer(load_config(path))
    renew(materializer.store, "taxonomy")
    up("domains")
    pruned = summarise(materializer)["pruned"]
    assert pruned["facts"]["pruned_mostly_by"] == "quality"
    assert {row["sources"][0]["source"] for row in pruned["clusters"]} == {"sheets"}
    text = describe(materializer)
    assert f"Pruned: {len(pruned['clusters'])} of " in text and "mostly for low quality." in text
    assert "That is much: lower clusters.prune.quality from 1.2 to " in text
    assert "a document begins" in text and "| -- | ###" in text and "\x1b" not in text
    assert '"pruned"' in to_json(summarise(materializer))
    (record,) = instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(dg.AssetKey("domains"), "little_is_pruned"), limit=1
    )
    evaluation = record.event.dagster_event.asset_check_evaluation_data
    assert not evaluation.passed and evaluation.severity == dg.AssetCheckSeverity.WARN
    assert "lower clusters.prune.quality" in evaluation.description
