"""What every `assets.py` shares: declaring an asset from its spec and reporting what was made.

What belongs here: the seam between the materializer and Dagster. The body of an asset belongs to its stage.
"""

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg
import pyarrow as pa
from dagster._core.definitions.data_version import (
    CODE_VERSION_TAG,
    DATA_VERSION_IS_USER_PROVIDED_TAG,
    DATA_VERSION_TAG,
    get_input_data_version_tag,
    get_input_event_pointer_tag,
)

from climb_assets.config import Config
from climb_assets.errors import ClimbError, TransientError
from climb_assets.graph.assets import SPEC
from climb_assets.graph.materializer import Made, Materializer
from climb_assets.store.artifacts import Artifact, sha256_text
from dagster_project.partitions import asset_options, partitions_of

Climb = dg.ResourceParam[Materializer]
Metadata = Mapping[str, Any]
TABLE_ROWS = 50  # larger tables make the event log and the UI slow


def declare(body: Callable[..., dg.MaterializeResult], config: Config, **options: Any) -> dg.AssetsDefinition:
    """Turn an asset body into an asset: its name and description are the function's, the rest its spec's."""
    asset: dg.AssetsDefinition = dg.asset(
        name=body.__name__,
        description=body.__doc__,
        partitions_def=partitions_of(SPEC[body.__name__], config),
        **asset_options(body.__name__),
        **options,
    )(failing_plainly(body))
    return asset


def failing_plainly(body: Callable[..., dg.MaterializeResult]) -> Callable[..., dg.MaterializeResult]:
    """Return the body with our own errors turned into Dagster failures of one sentence."""

    def run(context: dg.AssetExecutionContext, climb: Climb) -> dg.MaterializeResult:
        try:
            return body(context, climb)
        except ClimbError as error:
            raise plain_failure(error) from error

    run.__name__, run.__doc__ = body.__name__, body.__doc__
    return run


def plain_failure(error: ClimbError) -> dg.Failure:
    """Return the Dagster failure of an error of ours; only a transient one may be retried."""
    return dg.Failure(str(error), allow_retries=isinstance(error, TransientError))


def result(
    made: Made, metadata: Metadata | None = None, checks: Sequence[dg.AssetCheckResult] = ()
) -> dg.MaterializeResult:
    """Report an artefact: its own data version, its facts, and whether it was computed just now."""
    return dg.MaterializeResult(
        data_version=dg.DataVersion(made.artifact.data_version),
        metadata=facts(made.artifact) | {"computed_now": made.fresh} | dict(metadata or {}),
        check_results=list(checks),
    )


def facts(artifact: Artifact) -> dict[str, Any]:
    """Return what an artefact's manifest says that people want to see."""
    plain = {key: value for key, value in artifact.summary.items() if isinstance(value, int | float | str)}
    nested = {key: dg.JsonMetadataValue(value) for key, value in artifact.summary.items() if key not in plain}
    run = {key: value for key, value in artifact.run.items() if isinstance(value, int | float | str)}
    where = {"dagster/uri": str(artifact.path), "fingerprint": artifact.fingerprint}
    return plain | nested | run | where


def event_of(
    artifact: Artifact, instance: dg.DagsterInstance, metadata: Metadata | None = None
) -> dg.AssetMaterialization:
    """Return the event that reports an artefact outside a step's own result, with its exact versions.

    Dagster compares versions of an input without partitions, and events since a pointer of one with them.
    """
    tags = {
        DATA_VERSION_TAG: artifact.data_version,
        CODE_VERSION_TAG: asset_options(artifact.asset)["code_version"],
        DATA_VERSION_IS_USER_PROVIDED_TAG: "true",
    }
    versions: dict[str, str] = {}
    for name, version in artifact.manifest["inputs"].items():
        asset = name.partition("@")[0]
        versions[asset] = sha256_text(versions[asset] + version) if asset in versions else version
    for asset in {entry.asset for entry in SPEC[artifact.asset].inputs if entry.drawn} & versions.keys():
        key = dg.AssetKey(asset)
        events = instance.fetch_materializations(key, limit=1).records
        tags[get_input_data_version_tag(key)] = versions[asset]
        tags[get_input_event_pointer_tag(key)] = str(events[0].storage_id) if events else "NULL"
    return dg.AssetMaterialization(
        artifact.asset, partition=artifact.partition, tags=tags, metadata=facts(artifact) | dict(metadata or {})
    )


def table_metadata(table: pa.Table) -> dg.MetadataValue:
    """Return the head of a table as Dagster metadata; nested values become text."""
    records = [
        dg.TableRecord({key: _plain(value) for key, value in row.items()})
        for row in table.slice(0, TABLE_ROWS).to_pylist()
    ]
    if not records:
        return dg.MetadataValue.text("no rows")
    kinds = {int: "int", float: "float", bool: "bool"}
    columns = [dg.TableColumn(key, kinds.get(type(value), "string")) for key, value in records[0].data.items()]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns))


def _plain(value: Any) -> int | float | str | bool:
    if value is None:
        return ""
    return value if isinstance(value, int | float | str | bool) else str(value)


def image_metadata(png: bytes) -> dg.MetadataValue:
    """Return a small PNG as Dagster metadata."""
    return dg.MetadataValue.md(f"![](data:image/png;base64,{base64.b64encode(png).decode()})")
