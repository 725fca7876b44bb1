"""Operations: a run of many partitions reports each by itself, and keeps what was finished when one fails."""

import json
from pathlib import Path

import dagster as dg
import pytest

from climb_assets.config_file import load_config
from climb_assets.graph.assets import SHARD_CHAIN
from climb_assets.graph.materializer import Materializer
from dagster_project.assets import BACKFILL
from dagster_project.build import build_definitions
from dagster_project.event_tags import CODE_VERSION, DATA_VERSION, PARTITIONS, RANGE_END, RANGE_START
from dagster_project.instance import synchronise_shards

SHARDS = ("first.jsonl", "second.jsonl", "third.jsonl")


@pytest.fixture
def materializer(project: Path) -> Materializer:
    return Materializer(load_config(project / "climb.yaml"))


def run_range(
    materializer: Materializer, instance: dg.DagsterInstance, assets: tuple[str, ...], **tags: str
) -> dg.ExecuteInProcessResult:
    """Run assets of all shards as the backfill daemon would."""
    synchronise_shards(instance, materializer)
    job = build_definitions(materializer).resolve_implicit_global_asset_job_def()
    subset = job.get_subset(asset_selection={dg.AssetKey(asset) for asset in assets})
    whole = {RANGE_START: SHARDS[0], RANGE_END: SHARDS[-1]}
    return subset.execute_in_process(instance=instance, tags=whole | tags, raise_on_error=False)


def reported(instance: dg.DagsterInstance, asset: str) -> dict[str, dict[str, str]]:
    """Return the tags of the latest event of each partition."""
    records = instance.fetch_materializations(dg.AssetKey(asset), limit=100).records
    return {str(r.partition_key): dict(r.asset_materialization.tags) for r in reversed(records)}


def test_each_shard_of_a_run_is_reported_with_its_own_versions(materializer) -> None:
    with dg.DagsterInstance.ephemeral() as fresh:
        outcome = run_range(materializer, fresh, SHARD_CHAIN)
        assert outcome.success
        for asset in SHARD_CHAIN:
            events = reported(fresh, asset)
            made = {shard: materializer.store.get(asset, shard) for shard in SHARDS}
            assert {shard: tags[DATA_VERSION] for shard, tags in events.items()} == {
                shard: artifact.data_version for shard, artifact in made.items()
            }
            assert len({tags[CODE_VERSION] for tags in events.values()}) == 1
        assert {one.check_name: one.passed for one in outcome.get_asset_check_evaluations()} == {"counts_add_up": True}


def test_a_run_may_name_some_shards_of_its_range(materializer) -> None:
    with dg.DagsterInstance.ephemeral() as fresh:
        only = json.dumps([SHARDS[0], SHARDS[2]])
        assert run_range(materializer, fresh, ("raw_shards",), **{PARTITIONS: only}).success
        assert set(reported(fresh, "raw_shards")) == {SHARDS[0], SHARDS[2]}


def test_what_was_finished_before_a_failure_stays_reported(materializer, project: Path) -> None:
    made = materializer.store.get("raw_shards", SHARDS[1])
    for name in made.manifest["files"]:
        (made.path / name).write_text("{}")  # damaged: its reader refuses it
    for folder in (project / "data_lake" / "artifacts" / "corpus_shards").iterdir():
        for artefact in folder.iterdir():
            (artefact / "manifest.json").unlink()
    with dg.DagsterInstance.ephemeral() as fresh:
        result = run_range(materializer, fresh, ("corpus_shards",))
        assert not result.success
        assert SHARDS[0] in reported(fresh, "corpus_shards")
        assert SHARDS[1] not in reported(fresh, "corpus_shards")


def test_a_run_of_one_partition_is_like_any_other(materializer) -> None:
    with dg.DagsterInstance.ephemeral() as fresh:
        synchronise_shards(fresh, materializer)
        job = build_definitions(materializer).resolve_implicit_global_asset_job_def()
        both = {dg.AssetKey("embeddings"), dg.AssetKey("cluster_assignments")}
        outcome = job.get_subset(asset_selection=both).execute_in_process(instance=fresh, partition_key=SHARDS[0])
        assert outcome.success
        for asset in ("embeddings", "cluster_assignments"):
            version = materializer.store.get(asset, SHARDS[0]).data_version
            assert reported(fresh, asset)[SHARDS[0]][DATA_VERSION] == version


def test_what_yields_no_output_never_shares_a_run_of_many() -> None:
    """Dagster puts neighbours of one policy into one run, and would skip what stands behind without a word."""
    policies = [(policy.policy_type, policy.max_partitions_per_run) for policy in BACKFILL.values()]
    assert len(set(policies)) == len(policies)
