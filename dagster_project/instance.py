"""The Dagster instance: where its history lies, and keeping it in step with the lake.

What belongs here: everything that is said to Dagster outside a run. The lake is the truth and Dagster's event
log its index: an artefact whose event is missing is reported again, never computed again.
"""

import contextlib
import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from urllib.parse import unquote

import dagster as dg

from climb_assets.errors import ConfigError
from climb_assets.graph.assets import SPECS
from climb_assets.graph.materializer import Materializer
from climb_assets.store.files import atomic_folder, remove_unfinished, write_atomically
from climb_assets.store.local import LocalStore
from dagster_project.databases import HOME_VARIABLE, heal_databases, home_in_environment, make_databases
from dagster_project.dead_runs import UNFINISHED
from dagster_project.event_tags import (
    DATA_VERSION,
    INPUT_DATA_VERSION,
    INPUT_EVENT_POINTER,
    PARTITION,
    RANGE_END,
    RANGE_START,
)
from dagster_project.event_versions import data_version_of, latest_versions
from dagster_project.events import event_of
from dagster_project.storage_faults import naming_storage, opening_plainly, trying_quietly

TEMPLATE = Path(__file__).parent / "instance" / "dagster.yaml"
LEASE = "dagster_home"


def prepare_home(lake: Path, notice: Callable[[str], None] | None = None) -> Path:
    """Return the folder of the Dagster instance: DAGSTER_HOME where it is set, else dagster_home in the lake.

    The lake's own gets a dagster.yaml from the template if it has none. What is there belongs to the user and is
    never written again, and a DAGSTER_HOME is the user's altogether. Dagster's databases in it are made by one process,
    and put right where one was killed before they were whole. `notice` is told, in one line, that an instance is
    without our settings or has those of an older template.

    Raises
    ------
    ConfigError
        If DAGSTER_HOME is no absolute path of a folder, or Dagster cannot use the path.
    """
    chosen = os.environ.get(HOME_VARIABLE)
    home = Path(chosen).expanduser() if chosen else lake.absolute() / "dagster_home"
    if chosen and not (home.is_absolute() and home.is_dir()):
        raise ConfigError(
            f"{HOME_VARIABLE}={chosen} is no absolute path of a folder; make it, or unset {HOME_VARIABLE} to keep "
            "Dagster's history in the lake"
        )
    if "?" in str(home) or unquote(str(home)) != str(home):  # SQLAlchemy reads the path as a part of a URL
        raise ConfigError(f"{home}: Dagster's databases cannot lie below a folder with '?' or such as '%20'; rename it")
    file = home / "dagster.yaml"
    with LocalStore(lake).lease(LEASE):  # of several first starts one makes it
        if chosen:
            heal_databases(home, TEMPLATE)
        else:
            _make_home(home)
    if notice is not None and (advice := _advise(file)):
        notice(advice)
    return home


def _make_home(home: Path) -> None:
    """Make the lake's own home, which is there whole or not at all, or put right what an older one lacks."""
    remove_unfinished(home)
    if not home.exists():
        with atomic_folder(home) as folder:
            write_atomically(folder / "dagster.yaml", TEMPLATE.read_bytes())
            make_databases(folder)
        return
    if not (home / "dagster.yaml").exists():
        write_atomically(home / "dagster.yaml", TEMPLATE.read_bytes())
    heal_databases(home, TEMPLATE)


def _advise(file: Path) -> str | None:
    if not file.exists():
        return f"{file} is not there, so Dagster's defaults apply; the settings made for climb are in {TEMPLATE}"
    theirs, ours = _template_version(file), _template_version(TEMPLATE)
    if theirs is not None and ours is not None and theirs < ours:
        return f"{file} is from an older template and stays as it is; compare it with {TEMPLATE}"
    return None


def _template_version(file: Path) -> int | None:
    """Return the version that a file's comment names; a user who removes the line is not told of newer ones."""
    found = re.search(r"^# template (\d+)\b", file.read_text(encoding="utf-8"), re.MULTILINE)
    return int(found[1]) if found else None


@contextlib.contextmanager
def open_instance(lake: Path, notice: Callable[[str], None] | None = None) -> Iterator[dg.DagsterInstance]:
    """Open the instance of a lake; within, processes that are started find it by DAGSTER_HOME.

    Raises
    ------
    ConfigError
        Dagster cannot open it by its dagster.yaml.
    StorageFault
        The server that keeps its history fails, now or within.
    """
    home = prepare_home(lake, notice)
    file = home / "dagster.yaml"
    with home_in_environment(home), trying_quietly():
        with LocalStore(lake).lease(LEASE), opening_plainly(file):  # a storage of the user's own may be made by this
            opened = dg.DagsterInstance.get()
        with naming_storage(file), opened as instance:
            yield instance


def synchronise_shards(instance: dg.DagsterInstance, materializer: Materializer) -> tuple[list[str], list[str]]:
    """Look at the raw folder and bring the shard partitions in step; return the keys that came and that went.

    The sensor, the schedule and `climb ui` come here.
    """
    materializer.refresh()
    return register_shards(instance, materializer)


def register_shards(instance: dg.DagsterInstance, materializer: Materializer) -> tuple[list[str], list[str]]:
    """Bring the shard partitions in step with the raw folder as it was last seen; return those that came and went.

    What was planned from one look is run with the partitions of the same look. What went while a run makes it is left
    for the next time, since Dagster ends a run whose partition it no longer knows.
    """
    keys, want = instance.get_dynamic_partitions("shard"), set(materializer.listing().shards)
    came, went = sorted(want - set(keys)), sorted(set(keys) - want)
    if went:
        being_made = _being_made(instance, keys)
        went = [key for key in went if key not in being_made]
    if came:
        instance.add_dynamic_partitions("shard", came)
    for key in went:
        instance.delete_dynamic_partition("shard", key)
    observe_corpus(instance, materializer)
    return came, went


def _being_made(instance: dg.DagsterInstance, keys: Sequence[str]) -> set[str]:
    """Return those of the shard partitions that runs which have not ended make, or are to make."""
    found: set[str] = set()
    positions = {key: position for position, key in enumerate(keys)}
    for run in instance.get_runs(filters=dg.RunsFilter(statuses=[*UNFINISHED, dg.DagsterRunStatus.QUEUED])):
        named = [run.tags.get(tag) for tag in (PARTITION, RANGE_START, RANGE_END)]
        found_at = [positions[key] for key in named if key in positions]
        found |= set(keys[min(found_at) : max(found_at) + 1]) if found_at else set()
    return found


def observe_corpus(instance: dg.DagsterInstance, materializer: Materializer) -> None:
    """Report the listing's version if Dagster does not have it as the latest."""
    key, version = dg.AssetKey("raw_corpus"), materializer.raw.listing_version()
    latest = instance.fetch_observations(key, limit=1).records
    if not latest or data_version_of(latest[0]) != version:
        instance.report_runless_asset_event(dg.AssetObservation(key, tags={DATA_VERSION: version}))


def report_missing_events(
    instance: dg.DagsterInstance, materializer: Materializer, seen: dict[tuple[str, str | None], str] | None = None
) -> int:
    """Report every current artefact whose version is not the latest one Dagster knows; return their number.

    Parameters
    ----------
    seen
        The version of each asset and partition that Dagster was last seen to know, which is not looked up again; what
        it knows now is added.
    """
    with materializer.store.glance():
        return _report_missing_events(instance, materializer, {} if seen is None else seen)


def _report_missing_events(
    instance: dg.DagsterInstance, materializer: Materializer, seen: dict[tuple[str, str | None], str]
) -> int:
    reported = 0
    for spec in SPECS:
        current = {key: materializer.store.current(spec.asset, key) for key in materializer.partitions(spec)}
        artifacts = {
            key: artifact
            for key, artifact in current.items()
            if artifact is not None and seen.get((spec.asset, key)) != artifact.data_version
        }
        known = latest_versions(instance, spec.asset, artifacts)
        for partition, artifact in artifacts.items():
            if known.get(partition) != artifact.data_version:
                instance.report_runless_asset_event(event_of(artifact, instance))
                reported += 1
            seen[spec.asset, partition] = artifact.data_version
    return reported


def reaffirm_kept(instance: dg.DagsterInstance, materializer: Materializer) -> None:
    """Report what is kept again where its inputs have moved on, so that Dagster does not call it stale by them."""
    with materializer.store.glance():
        for spec in SPECS:
            if spec.kept is not None:
                _reaffirm(instance, materializer, spec.asset)


def _reaffirm(instance: dg.DagsterInstance, materializer: Materializer, asset: str) -> None:
    try:
        artifact = materializer.kept(asset)
    except ConfigError:  # of a file that this asset needs; whoever plans it is told
        return
    if artifact is None:
        return
    latest = instance.fetch_materializations(dg.AssetKey(asset), limit=1).records
    known = (latest[0].asset_materialization.tags if latest and latest[0].asset_materialization else None) or {}
    event = event_of(artifact, instance)
    of_inputs = (INPUT_DATA_VERSION, INPUT_EVENT_POINTER)  # of an input with partitions, events count
    inputs = {tag: version for tag, version in (event.tags or {}).items() if tag.startswith(of_inputs)}
    if any(known.get(tag) != version for tag, version in inputs.items()):
        instance.report_runless_asset_event(event)
