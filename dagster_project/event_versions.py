"""Which versions Dagster knows: read back from the events of its history.

What belongs here: reading data versions. Of partitions Dagster documents no way but unpacking each event whole, which
was most of an update that finds nothing stale; so only tags are asked for, by a method that each of its storages has.
"""

from collections.abc import Collection

import dagster as dg

from dagster_project.event_tags import DATA_VERSION


def data_version_of(record: dg.EventLogRecord) -> str:
    """Return the data version of a materialization or an observation; empty if it has none."""
    event = record.asset_materialization or record.asset_observation
    return (event.tags or {}).get(DATA_VERSION, "") if event else ""


def latest_versions(
    instance: dg.DagsterInstance, asset: str, partitions: Collection[str | None]
) -> dict[str | None, str]:
    """Return the data version of the latest materialization of each partition that has one (None: the whole asset)."""
    key, wanted, found = dg.AssetKey(asset), set(partitions), dict[str | None, str]()
    if None in wanted:
        for record in instance.fetch_materializations(key, limit=1).records:
            found[None] = data_version_of(record)
    if wanted - {None}:
        of_all = instance.event_log_storage.get_latest_tags_by_partition(
            key, dg.DagsterEventType.ASSET_MATERIALIZATION, [DATA_VERSION]
        )
        found |= {partition: tags[DATA_VERSION] for partition, tags in of_all.items() if partition in wanted}
    return found
