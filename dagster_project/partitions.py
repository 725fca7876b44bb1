"""Specs in Dagster's words: partitions, dependencies, asset options.

What belongs here: translation of `climb_assets.graph.assets` and nothing else.
"""

from typing import Any

import dagster as dg

from climb_assets.config import Config
from climb_assets.graph.assets import SPEC
from climb_assets.graph.code_identity import code_of
from climb_assets.graph.spec import PREDICTOR, Input, Spec, iteration_key, iteration_keys
from climb_assets.store.artifacts import canonical_json, sha256_text
from dagster_project.code_references import code_reference
from dagster_project.freshness import freshness_of

SHARDS = dg.DynamicPartitionsDefinition(name="shard")


def iteration_partitions(config: Config) -> dg.TimeWindowPartitionsDefinition:
    """Return the iterations as a logical clock: Dagster lets only time partitions depend on themselves."""
    keys = iteration_keys(config)
    after_last = iteration_key(len(keys) + 1)
    return dg.TimeWindowPartitionsDefinition(
        start=keys[0], end=after_last, cron_schedule="0 0 * * *", fmt="iteration-%d"
    )


def partitions_of(spec: Spec, config: Config) -> dg.PartitionsDefinition | None:
    """Return the partitions definition of an asset."""
    match spec.dimension:
        case "shard":
            return SHARDS
        case "iteration":
            return iteration_partitions(config)
        case "objective":
            return dg.StaticPartitionsDefinition(list(config.objectives))
        case _:
            return None


def _dependency(entry: Input) -> dg.AssetDep:
    match entry.reach:
        case "first":
            return dg.AssetDep(entry.asset, partition_mapping=dg.SpecificPartitionsPartitionMapping([iteration_key(1)]))
        case "previous":
            return dg.AssetDep(
                entry.asset, partition_mapping=dg.TimeWindowPartitionMapping(start_offset=-1, end_offset=-1)
            )
        case "last":
            return dg.AssetDep(entry.asset, partition_mapping=dg.LastPartitionMapping())
        case "all":
            return dg.AssetDep(entry.asset, partition_mapping=dg.AllPartitionMapping())
        case _:
            return dg.AssetDep(entry.asset)


def code_version(asset: str) -> str:
    """Return one hash over the code of an asset."""
    return sha256_text(canonical_json(code_of(*SPEC[asset].functions)))[:16]


def asset_options(asset: str, config: Config) -> dict[str, Any]:
    """Return what a spec says of an asset, as keyword arguments of `dg.AssetSpec`."""
    spec = SPEC[asset]
    return {
        "deps": [_dependency(entry) for entry in spec.inputs if entry.drawn and entry.used(config)],
        "group_name": spec.group,
        "code_version": code_version(asset),
        "kinds": {config.search.predictor.kind if kind == PREDICTOR else kind for kind in spec.kinds},
        "owners": list(config.dagster.owners),
        "tags": dict(config.dagster.tags),
        "freshness_policy": freshness_of(asset, config),
        "metadata": code_reference(spec.load()),
    }
