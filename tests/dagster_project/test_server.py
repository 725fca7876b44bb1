"""Where `climb ui` finds Dagster's code, in a checkout and outside of one."""

from pathlib import Path

import yaml

from dagster_project.server import workspace_of


def test_without_a_workspace_of_the_project_it_is_the_installed_package(tmp_path: Path) -> None:
    (location,) = yaml.safe_load(workspace_of(tmp_path).read_text())["load_from"]
    assert location == {"python_module": {"module_name": "dagster_project.definitions", "location_name": "climb"}}


def test_a_workspace_of_the_project_is_taken(tmp_path: Path) -> None:
    (tmp_path / "workspace.yaml").write_text("load_from: []\n")
    assert workspace_of(tmp_path) == tmp_path / "workspace.yaml"
