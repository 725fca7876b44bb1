"""The list of runs says of each which search it is of and what it makes, whoever launched it."""

from pathlib import Path

import dagster as dg
import pytest

from climb_assets.config_file import load_config
from climb_assets.graph.kept import renew
from climb_assets.graph.materializer import Materializer
from dagster_project.build import build_definitions
from dagster_project.instance import open_instance
from dagster_project.run_tags import OF_SEARCH, OF_TAXONOMY, PROFILE, run_tags

NAMES = {PROFILE, OF_TAXONOMY, OF_SEARCH}


@pytest.fixture
def climb(finished_once: Path) -> Materializer:
    """Return the materializer of a finished project, to be read."""
    return Materializer(load_config(finished_once / "climb.yaml"))


def ours(run: dg.DagsterRun) -> dict[str, str]:
    """Return the tags that a page shows, besides Dagster's."""
    return {name: value for name, value in run.tags.items() if "dagster/" not in name}


def test_runs_of_an_update_name_their_assets_and_their_search(finished_once: Path, climb: Materializer) -> None:
    with open_instance(finished_once / "data_lake") as instance:
        runs = {frozenset(map(str, run.asset_selection or ())): run for run in instance.get_runs()}
    made = {name.split("'")[1] for names in runs for name in names}
    assert {"raw_shards", "domains", "proxy_results", "optimal_mixture", "audit_bundle"} <= made
    for names, run in runs.items():
        assets = {name.split("'")[1] for name in names}
        assert ours(run) == run_tags(climb.config, climb.store, assets)
        assert set(ours(run)) <= NAMES and len(ours(run)) <= 2


def test_a_run_tells_only_of_what_it_rests_on(climb: Materializer) -> None:
    config, store = climb.config, climb.store
    assert run_tags(config, store, ()) == run_tags(config, store, ["embeddings"]) == {PROFILE: "smoke"}
    assert run_tags(config, store, ["domains"]) == {PROFILE: "smoke", OF_TAXONOMY: "generation 1"}
    search = f"generation 1, seed {config.search.seed}, for {', '.join(config.objectives)}"
    for assets in (["optimal_mixture"], ["domains", "proxy_results"]):
        assert run_tags(config, store, assets) == {PROFILE: "smoke", OF_SEARCH: search}


def test_what_the_ui_launches_is_tagged_too_and_a_renewed_search_is_another(project: Path) -> None:
    climb = Materializer(load_config(project / "climb.yaml"))
    job = build_definitions(climb).resolve_implicit_global_asset_job_def()
    key = dg.AssetKey("domain_supply")
    with dg.DagsterInstance.ephemeral() as instance:
        old = {OF_TAXONOMY: "generation 0", "team": "mine"}  # of a run that is executed again
        outcome = job.execute_in_process(instance=instance, asset_selection=[key], tags=old)
        run = instance.get_run_by_id(outcome.run_id)
        assert run is not None and outcome.success
        assert ours(run) == run_tags(climb.config, climb.store, ["domain_supply"]) | {"team": "mine"}
    renew(climb.store, "search")
    assert run_tags(climb.config, climb.store, ["proxy_results"])[OF_SEARCH].startswith("generation 2, seed ")
