"""The project run in this process, as `climb up` runs it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from climb_assets.workshop import Workshop
from dagster_project.build import build_definitions
from dagster_project.instance import prepare_home
from dagster_project.update import Update, bring_up_to_date

Up = Callable[..., Update]


@pytest.fixture
def up(workshop: Workshop, monkeypatch: pytest.MonkeyPatch, project: Path) -> Iterator[Up]:
    """Return `climb up` for the project: ``up()``, or ``up(workshop=other, to="domains")``."""
    monkeypatch.setenv("DAGSTER_HOME", str(prepare_home(workshop.config.lake)))
    with dg.DagsterInstance.get() as instance:

        def run(workshop: Workshop = workshop, to: str | None = None) -> Update:
            return bring_up_to_date(build_definitions(workshop), instance, workshop, to, lambda line: None)

        yield run
