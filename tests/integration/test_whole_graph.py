"""The whole graph on three small shards, with real models: what a user sees of it."""

import pytest

from climb_assets.graph.assets import SPECS
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.planner import make_plan
from tests.integration.conftest import Up

pytestmark = pytest.mark.timeout(1500)  # what waits for another of these tests counts too


@pytest.mark.slow
def test_everything_is_made_once(materializer: Materializer, up: Up) -> None:
    first = up()
    partitions = sum(len(materializer.partitions(spec)) for spec in SPECS)
    assert first.made == partitions
    assert make_plan(materializer).stale == ()
    assert up().made == 0
