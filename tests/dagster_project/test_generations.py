"""Two generations in one lake: whatever is shown of the old one says so, and nothing of it leaves unasked."""

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from climb_assets.config_file import load_config
from climb_assets.errors import ArgumentError
from climb_assets.graph.catalog import artefacts_read
from climb_assets.graph.materializer import Materializer
from dagster_project.cli import main
from dagster_project.generations import look_at_generations, require_current
from dagster_project.summary import summarise
from dagster_project.summary_text import describe
from tests.dagster_project.conftest import Up


@pytest.fixture
def mixed(project: Path, up: Up) -> Path:
    """Return a project whose domains are of another generation than its search and its answers."""
    path = project / "climb.yaml"
    clusters = {"clusters": {"domains": 2}}
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | clusters))
    up(to="domain_supply")
    return project


def run(project: Path, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(main, ["--config", str(project / "climb.yaml"), *arguments])
    return result.exit_code, result.output


@pytest.mark.slow
def test_status_marks_each_part_that_is_of_another_generation(mixed: Path) -> None:
    materializer = Materializer(load_config(mixed / "climb.yaml"))
    states = summarise(materializer)["states"]
    assert states["corpus"] == states["domains"] == "current"
    assert set(states["iterations"].values()) <= {"stale", "perhaps stale"}
    assert states["mixtures"]["general"] != "current" and states["fidelity"] != "current"
    text = describe(materializer)
    assert "2 domains:" in text and f"Mixture for general [{states['mixtures']['general']}]: " in text
    assert "iteration-03" in text and "of the current graph" in text
    assert f"in the data set [{states['realised']['science']}]" in text


@pytest.mark.slow
def test_sql_and_exports_say_of_which_generation_they_are(mixed: Path, tmp_path: Path) -> None:
    code, text = run(mixed, "sql", "SELECT count(*) FROM domains")
    assert code == 0 and "current graph" not in text
    code, text = run(mixed, "sql", "SELECT count(*) FROM mixtures, clusters")
    assert code == 0 and "not of the current graph: optimal_mixture@general is " in text
    for command in (["export", "general", "--to"], ["export-swarm"]):
        out = tmp_path / command[0]
        code, text = run(mixed, *command, str(out))
        assert code == 2 and "--stale" in text and not out.exists()
        code, text = run(mixed, *command, str(out), "--stale")
        assert code == 0, text
    card = (tmp_path / "export" / "README.md").read_text(encoding="utf-8")
    assert "When this was exported it was not of the current graph: mixed_corpus@general is " in card


def test_a_finished_project_is_of_one_generation(finished_once: Path) -> None:
    materializer = Materializer(load_config(finished_once / "climb.yaml"))
    read = artefacts_read(materializer.store, "SELECT * FROM clusters JOIN proxy_results ON true, noise")
    assert ("domains", None) in read and ("cluster_statistics", None) in read
    assert ("proxy_results", "iteration-02") in read and ("predictor_state", "iteration-01") in read
    assert require_current(look_at_generations(materializer), read, stale_too=False) is None
    assert "[stale]" not in describe(materializer)


def test_where_nobody_can_say_it_is_not_taken_for_current(finished_project: Path) -> None:
    (finished_project / "data_lake" / "raw").rename(finished_project / "away")
    generations = look_at_generations(Materializer(load_config(finished_project / "climb.yaml")))
    assert generations.state_of("domains") == "unknown"
    with pytest.raises(ArgumentError, match=r"cannot be said.*--stale"):
        require_current(generations, [("mixed_corpus", "general")], stale_too=False)
