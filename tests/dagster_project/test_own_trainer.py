"""`proxy.trainer`: a search whose proxies a command trains ends with an answer, lineage and audit."""

import json
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from click.testing import CliRunner

from climb_assets.audit.bundle_export import export_bundle
from climb_assets.audit.garbage import collect_garbage
from climb_assets.audit.verification import verify_lake
from climb_assets.graph.planner import make_plan
from climb_assets.tables import read_table
from dagster_project.cli import main
from dagster_project.metadata import describe
from tests.dagster_project.conftest import Up, assets, names
from tests.dagster_project.test_kept import open_project

pytestmark = pytest.mark.slow

COUNTING = Path(__file__).parents[1] / "trainers" / "counting.py"
TRAINED = {"carried_evidence", "proxy_results", "proxy_fidelity", "confirmation_results"}


def with_trainer(project: Path, **settings: Any) -> dict[str, Any]:
    """Return the section `proxy` with the counting trainer, whose script lies beside climb.yaml."""
    if not (project / "count.py").exists():
        shutil.copyfile(COUNTING, project / "count.py")
    return {"trainer": {"command": [sys.executable, "count.py"]} | settings}


def test_a_search_with_a_trainer_of_ones_own(project: Path, up: Up, instance: dg.DagsterInstance) -> None:
    climb = open_project(project, proxy=with_trainer(project))
    targets = {model.fingerprint for model in climb.store.all_of("proxy_models")}
    up()
    climb = open_project(project)
    assert not assets(make_plan(climb))
    trained = [model for model in climb.store.all_of("proxy_models") if model.fingerprint not in targets]
    by_command = [model for model in trained if "trainer" in model.manifest["config"]["training"]]
    assert by_command and {model.manifest["config"]["training"]["hidden"] for model in by_command} == {16}
    results = read_table(climb.get("proxy_results", "iteration-01").file("realised.parquet"))
    assert not results["tokens"].null_count
    shown = describe(climb, climb.get("proxy_results", "iteration-01"))["trainer"]
    assert {record.data["printed"] for record in shown.records} == {"counted 1024 tokens"}
    selection = climb.get("optimal_mixture", "general").json("selection.json")
    assert selection["evidence"]["seeds"] == 2 and selection["evidence"]["of_items"] == 0

    assert verify_lake(climb).differences == ()
    bundle = export_bundle(climb.get("audit_bundle", "general"), project / "audit")
    assert re.search(r"\d+ of its \d+ models were trained elsewhere: .*argument-1", (bundle / "report.md").read_text())
    models = json.loads((bundle / "lineage.json").read_text())["proxy_models"]
    versions = {model["inputs"]["trainer:argument-1"] for model in models if "trainer" in model}
    assert len(versions) == 1
    collect_garbage(climb)
    assert verify_lake(climb).differences == () and not assets(make_plan(climb))

    with (project / "count.py").open("a") as script:
        script.write("# edited\n")
    stale = make_plan(open_project(project)).stale
    assert {item.asset for item in stale if item.certain} == TRAINED
    causes = {cause.input for item in stale for cause in item.causes if item.asset == "proxy_results"}
    assert "file:trainer-proxy-argument-1" in causes


def test_a_failure_is_one_sentence_with_what_the_command_said(project: Path) -> None:
    trainer = with_trainer(project, environment={"MOOD": "dies"}, attempts=1)
    open_project(project, proxy=trainer)
    result = CliRunner().invoke(main, ["--config", str(project / "climb.yaml"), "up", "--to", "proxy_results"])
    assert result.exit_code == 2
    assert "it ended with exit code 1; it ended with: no room on the device" in result.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        ({"command": ["./nowhere"]}, r"proxy\.trainer\.command: .*nowhere is no program that can be run"),
        ({"folder": "nowhere"}, r"proxy\.trainer\.folder: .*nowhere is no folder"),
        ({"files": ["nowhere.py"]}, r"proxy\.trainer\.files: .*nowhere\.py is not there"),
        ({"metrics": {"nothing": "loss"}}, r"proxy\.trainer\.metrics names 'nothing', which is no task"),
        ({"typo": 1}, r"unknown key 'proxy\.trainer\.typo'"),
        ({"seconds": 0}, r"proxy\.trainer\.seconds: Input should be greater than 0"),
    ],
)
def test_what_is_wrong_with_it_is_said_by_the_plan(project: Path, settings: dict[str, Any], fault: str) -> None:
    values = yaml.safe_load((project / "climb.yaml").read_text()) | {"proxy": with_trainer(project, **settings)}
    (project / "climb.yaml").write_text(yaml.safe_dump(values))
    result = CliRunner().invoke(main, ["--config", str(project / "climb.yaml"), "plan"])
    assert result.exit_code == 2 and re.search(fault, result.stderr), result.output


def test_climbs_own_loop_knows_nothing_of_it(project: Path) -> None:
    stale = names(make_plan(open_project(project, target={"training": with_trainer(project)})), certain=True)
    assert stale == {"proxy_fidelity", "target_comparison[general]", "target_comparison[science]"}
