"""The project run in this process, as `climb up` runs it."""

from collections.abc import Callable, Iterator

import pytest

from climb_assets.graph.materializer import Materializer
from dagster_project.instance import open_instance
from dagster_project.run_plan import Update, bring_up_to_date

Up = Callable[..., Update]


@pytest.fixture
def up(materializer: Materializer) -> Iterator[Up]:
    """Return `climb up` for the project: ``up()``, or ``up(materializer=other, to="domains")``."""
    with open_instance(materializer.config.lake) as instance:

        def run(materializer: Materializer = materializer, to: str | None = None) -> Update:
            return bring_up_to_date(instance, materializer, to, lambda line: None)

        yield run
