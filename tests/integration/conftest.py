"""The project run in this process, as `climb up` runs it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from climb_assets.graph.materializer import Materializer
from dagster_project.instance import prepare_home
from dagster_project.run_plan import Update, bring_up_to_date

Up = Callable[..., Update]


@pytest.fixture
def up(materializer: Materializer, monkeypatch: pytest.MonkeyPatch, project: Path) -> Iterator[Up]:
    """Return `climb up` for the project: ``up()``, or ``up(materializer=other, to="domains")``."""
    monkeypatch.setenv("DAGSTER_HOME", str(prepare_home(materializer.config.lake)))
    with dg.DagsterInstance.get() as instance:

        def run(materializer: Materializer = materializer, to: str | None = None) -> Update:
            return bring_up_to_date(instance, materializer, to, lambda line: None)

        yield run
