"""The Dagster instance: where its history lies, and keeping it in step with the lake.

What belongs here: everything that is said to Dagster outside a run. The lake is the truth and Dagster's event
log its index: an artefact whose event is missing is reported again, never computed again.
"""

import os
import shutil
from pathlib import Path

import dagster as dg
from dagster._core.definitions.data_version import DATA_VERSION_TAG

from climb_assets.graph.assets import SPECS
from climb_assets.graph.materializer import Materializer
from dagster_project.events import event_of

TEMPLATE = Path(__file__).parent / "instance" / "dagster.yaml"
PROCESS_TAG = "climb/process"
UNFINISHED = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.NOT_STARTED]


def prepare_home(lake: Path) -> Path:
    """Make DAGSTER_HOME under the lake from the tracked template, set the variable, and return the folder."""
    home = lake / "dagster_home"
    home.mkdir(parents=True, exist_ok=True)
    target = home / "dagster.yaml"
    if not target.exists() or target.read_bytes() != TEMPLATE.read_bytes():
        shutil.copyfile(TEMPLATE, target)
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def process_identity(pid: int) -> str | None:
    """Return a name of a living process that no later one shares, or None if there is none."""
    try:
        started = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return f"{pid}-{started}"


def close_dead_runs(instance: dg.DagsterInstance) -> int:
    """Mark runs as failed whose process died before it could say so; return their number."""
    dead = 0
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=UNFINISHED)):
        identity = run.tags.get(PROCESS_TAG)
        if identity is not None and process_identity(int(identity.partition("-")[0])) != identity:
            instance.report_run_failed(run, "its process died")
            dead += 1
    return dead


def synchronise_shards(instance: dg.DagsterInstance, materializer: Materializer) -> tuple[list[str], list[str]]:
    """Bring the shard partitions in step with the raw folder; return the keys that came and that went.

    The sensor, the schedule and `climb up` all come here.
    """
    materializer.refresh()
    have, want = set(instance.get_dynamic_partitions("shard")), set(materializer.listing().shards)
    came, went = sorted(want - have), sorted(have - want)
    if came:
        instance.add_dynamic_partitions("shard", came)
    for key in went:
        instance.delete_dynamic_partition("shard", key)
    observe_corpus(instance, materializer)
    return came, went


def observe_corpus(instance: dg.DagsterInstance, materializer: Materializer) -> None:
    """Report the listing's version if Dagster does not have it as the latest."""
    key, version = dg.AssetKey("raw_corpus"), materializer.corpus_version()
    latest = instance.fetch_observations(key, limit=1).records
    if not latest or _version(latest[0]) != version:
        instance.report_runless_asset_event(dg.AssetObservation(key, tags={DATA_VERSION_TAG: version}))


def _version(record: dg.EventLogRecord) -> str | None:
    observation = record.asset_observation
    return observation.tags.get(DATA_VERSION_TAG) if observation else None


def report_missing_events(instance: dg.DagsterInstance, materializer: Materializer) -> int:
    """Report every current artefact whose version is not the latest one Dagster knows; return their number."""
    reported = 0
    for spec in SPECS:
        known = _known_versions(instance, spec.asset)
        for partition in materializer.partitions(spec):
            artifact = materializer.store.current(spec.asset, partition)
            if artifact is not None and known.get(partition) != artifact.data_version:
                instance.report_runless_asset_event(event_of(artifact, instance))
                reported += 1
    return reported


def _known_versions(instance: dg.DagsterInstance, asset: str) -> dict[str | None, str]:
    """Return the latest data version that Dagster has of each partition (None: of an asset without partitions)."""
    key = dg.AssetKey(asset)
    if any(spec.asset == asset and spec.dimension is None for spec in SPECS):
        event = instance.get_latest_materialization_event(key)
        materialization = event.asset_materialization if event else None
        return {None: (materialization.tags or {}).get(DATA_VERSION_TAG, "")} if materialization else {}
    tags = instance.event_log_storage.get_latest_tags_by_partition(
        key, dg.DagsterEventType.ASSET_MATERIALIZATION, [DATA_VERSION_TAG]
    )
    return {partition: found.get(DATA_VERSION_TAG, "") for partition, found in tags.items()}
