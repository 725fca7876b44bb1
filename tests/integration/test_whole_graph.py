"""The whole graph on three small shards, with real models: what a user sees of it."""

import pytest

from climb_assets.recipes import RECIPES
from climb_assets.workshop import Workshop
from dagster_project.planner import make_plan
from tests.integration.conftest import Up


@pytest.mark.slow
def test_everything_is_made_once(workshop: Workshop, up: Up) -> None:
    first = up()
    partitions = sum(len(workshop.partitions(recipe)) for recipe in RECIPES)
    assert first.made == partitions
    assert make_plan(workshop).stale == ()
    assert up().made == 0
