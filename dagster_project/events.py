"""What is told to Dagster of an artefact outside a step's own result, with its exact versions.

What belongs here: materialisation events. What they show is `dagster_project.metadata`.
"""

from collections.abc import Mapping
from typing import Any

import dagster as dg

from climb_assets.graph.assets import SPEC
from climb_assets.graph.spec import Spec, place_of
from climb_assets.store.artifacts import Artifact, sha256_text
from dagster_project.event_tags import (
    CODE_VERSION,
    DATA_VERSION,
    DATA_VERSION_IS_OURS,
    INPUT_DATA_VERSION,
    INPUT_EVENT_POINTER,
)
from dagster_project.metadata_tables import facts
from dagster_project.partitions import code_version


def event_of(
    artifact: Artifact, instance: dg.DagsterInstance, metadata: Mapping[str, Any] | None = None
) -> dg.AssetMaterialization:
    """Return the event that reports an artefact.

    Dagster compares versions of an input without partitions, and events since a pointer of one with them. What is kept
    is reported with the versions that its inputs have now, or Dagster would call it stale by them.
    """
    tags = {
        DATA_VERSION: artifact.data_version,
        CODE_VERSION: code_version(artifact.asset),
        DATA_VERSION_IS_OURS: "true",
    }
    versions: dict[str, str] = {}
    spec = SPEC[artifact.asset]
    for name, version in (artifact.manifest["inputs"] | _versions_now(spec, artifact)).items():
        asset, _ = place_of(name)
        versions[asset] = sha256_text(versions[asset] + version) if asset in versions else version
    for asset in {entry.asset for entry in spec.inputs if entry.drawn} & versions.keys():
        events = instance.fetch_materializations(dg.AssetKey(asset), limit=1).records
        tags[f"{INPUT_DATA_VERSION}{asset}"] = versions[asset]
        tags[f"{INPUT_EVENT_POINTER}{asset}"] = str(events[0].storage_id) if events else "NULL"
    return dg.AssetMaterialization(
        artifact.asset, partition=artifact.partition, tags=tags, metadata=dict(metadata or facts(artifact))
    )


def _versions_now(spec: Spec, artifact: Artifact) -> dict[str, str]:
    """Return the versions that the inputs of what is kept have now; none of what is not kept."""
    if spec.kept is None:
        return {}
    names = {entry.asset for entry in spec.inputs if entry.drawn and SPEC[entry.asset].dimension is None}
    found = {name: artifact.store.current(name) for name in names}
    return {name: current.data_version for name, current in found.items() if current is not None}
