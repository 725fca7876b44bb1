"""The names of Dagster's version tags are those that Dagster itself writes."""

import dagster as dg

from dagster_project.event_tags import (
    CODE_VERSION,
    DATA_VERSION,
    DATA_VERSION_IS_OURS,
    INPUT_DATA_VERSION,
    INPUT_EVENT_POINTER,
    PARTITION,
    RANGE_END,
    RANGE_START,
)
from dagster_project.event_versions import data_version_of


@dg.asset(code_version="upstream code")
def upstream() -> dg.MaterializeResult:
    """Have a version of its own."""
    return dg.MaterializeResult(data_version=dg.DataVersion("upstream data"))


@dg.asset(deps=[upstream], code_version="downstream code")
def downstream() -> dg.MaterializeResult:
    """Have a version of its own."""
    return dg.MaterializeResult(data_version=dg.DataVersion("downstream data"))


def test_dagster_writes_these_tags() -> None:
    instance = dg.DagsterInstance.ephemeral()
    assert dg.materialize([upstream, downstream], instance=instance).success
    record = instance.fetch_materializations(downstream.key, limit=1).records[0]
    (read,) = instance.fetch_materializations(upstream.key, limit=1).records
    assert record.asset_materialization is not None
    assert record.asset_materialization.tags == {
        DATA_VERSION: "downstream data",
        CODE_VERSION: "downstream code",
        DATA_VERSION_IS_OURS: "true",
        f"{INPUT_DATA_VERSION}upstream": "upstream data",
        f"{INPUT_EVENT_POINTER}upstream": str(read.storage_id),
    }
    assert data_version_of(record) == "downstream data"


def test_dagster_reads_these_tags() -> None:
    letters = dg.StaticPartitionsDefinition(list("abcd"))
    seen: list[str] = []

    @dg.asset(partitions_def=letters, backfill_policy=dg.BackfillPolicy.single_run())
    def ranged(context: dg.AssetExecutionContext) -> None:
        seen.extend(context.partition_keys)

    instance = dg.DagsterInstance.ephemeral()
    assert dg.materialize([ranged], instance=instance, tags={RANGE_START: "b", RANGE_END: "c"}).success
    assert seen == ["b", "c"]
    assert dg.materialize([ranged], instance=instance, partition_key="d").dagster_run.tags[PARTITION] == "d"
