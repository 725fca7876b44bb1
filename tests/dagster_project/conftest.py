"""Here the project is one on which `climb up` ran to the end; each test has a copy of its own."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from climb_assets.config_file import load_config
from climb_assets.executor.local import end_idle_workers
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.planner import Plan
from dagster_project.instance import open_instance
from dagster_project.update import Update, bring_up_to_date
from tests.object_server import environment_of, require_packages, run_object_server

Up = Callable[..., Update]

# Settings of a search to the end that trains few models, for tests that ask whether it comes to its end.
SMALL_SEARCH: dict[str, Any] = {
    "search": {"iterations": [2, 1]},
    "objectives": {"general": {"first_text": 1, "second_text": 1}},
    "fidelity": {"mixtures": 0},
}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let commands set variables that end with the test."""
    for name in ("CLIMB_CONFIG", "DAGSTER_HOME"):
        monkeypatch.setenv(name, "")  # remembered, so that it is put back
        os.environ.pop(name)


@pytest.fixture
def object_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the address of an object server that the environment leads to, also that of workers."""
    require_packages()
    with run_object_server() as url:
        for name, value in environment_of(url).items():
            monkeypatch.setenv(name, value)
        end_idle_workers()  # they have the environment of their start
        yield url
    end_idle_workers()


@pytest.fixture
def project(finished_project: Path) -> Path:
    """Return a folder with climb.yaml, three raw shards and everything made from them."""
    return finished_project


@pytest.fixture
def instance(project: Path) -> Iterator[dg.DagsterInstance]:
    """Return the project's Dagster instance."""
    with open_instance(project / "data_lake") as instance:
        yield instance


@pytest.fixture
def up(instance: dg.DagsterInstance, project: Path) -> Up:
    """Return `climb up` for what climb.yaml says now; ``up.lines`` are the runs that it reported."""

    def run(to: str | None = None, materializer: Materializer | None = None) -> Update:
        materializer = materializer or Materializer(load_config(project / "climb.yaml"))
        run.lines = []
        return bring_up_to_date(instance, materializer, to, run.lines.append)

    return run


def names(plan: Plan, *, certain: bool | None = None) -> set[str]:
    """Return the items of a plan as people write them; all, or those that are certain, or those that are not."""
    return {item.name for item in plan.stale if certain is None or item.certain == certain}


def assets(plan: Plan) -> set[str]:
    """Return the assets of which any partition is stale."""
    return {item.asset for item in plan.stale}
