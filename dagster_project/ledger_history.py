"""Dagster's history as a witness of the ledger: it keeps, of each artefact that was reported, the entry of then.

What belongs here: events that the ledger does not know, and what the ledger knows and was never reported. What lies in
the lake is compared in `climb_assets.audit.differences.reconciliation`.
"""

import os
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import dagster as dg

from climb_assets.audit.differences.reconciliation import Difference, LedgerReading
from climb_assets.audit.verification import History
from climb_assets.errors import ArgumentError, ClimbError
from climb_assets.graph.assets import SPECS
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.spec import Spec, artefact_name
from climb_assets.store.ledger.chain import Head
from dagster_project.databases import HOME_VARIABLE
from dagster_project.event_tags import LEDGER_ENTRY, LEDGER_HEAD, LEDGER_PLACE
from dagster_project.event_versions import data_version_of
from dagster_project.instance import open_instance

PAGE = 1000  # events a call, the most that Dagster gives


def history_of(materializer: Materializer, note: list[str]) -> History:
    """Return what compares a ledger with the history of a lake; where there is none, that is noted or a difference."""
    lake = materializer.config.lake

    def compare(reading: LedgerReading) -> Iterator[Difference]:
        if _has_home(lake) and not os.access(home := _home(lake), os.W_OK):
            note.append(f"{home} may not be written, so Dagster's history could not be opened and compared.")
        elif _has_home(lake):
            with open_instance(lake) as instance:
                here, elsewhere = materializer.store.keeper.place, list[str]()
                for spec in SPECS:
                    yield from _events(instance, spec, reading, here, elsewhere)
                    yield from _not_reported(instance, materializer, spec, reading)
            for place, events in sorted(Counter(elsewhere).items()):
                note.append(f"{events} events are of the ledger of {place}, which was not compared.")
        elif runs := sum("run_id" in entry.record for entry in reading.entries):
            yield Difference(f"Dagster's history is gone, and runs of it made {runs} artefacts by the ledger")
        else:
            note.append("Dagster has no history of this lake, so the ledger was not compared with one.")

    return compare


def _has_home(lake: Path) -> bool:
    """Return whether there is a history; to look for one makes none."""
    return bool(os.environ.get(HOME_VARIABLE)) or (lake / "dagster_home").is_dir()


def _home(lake: Path) -> Path:
    return Path(os.environ.get(HOME_VARIABLE) or lake / "dagster_home")


def _events(
    instance: dg.DagsterInstance, spec: Spec, reading: LedgerReading, here: str, elsewhere: list[str]
) -> Iterator[Difference]:
    """Yield what events of an asset say that the ledger does not.

    Parameters
    ----------
    here, elsewhere
        The place of this ledger; and, to be added to, that of each event of another one.
    """
    since, ledger = 0.0, reading.ledger
    if ledger.found_at is not None:  # what was before was not recorded
        since = datetime.fromisoformat(ledger.found_at.replace("Z", "+00:00")).timestamp()
    known = {entry.head.sequence: entry for entry in reading.entries}
    for record in _records(instance, spec.asset):
        event = record.asset_materialization
        if event is None or reading.read_at <= record.timestamp <= time.time():  # of somebody who is at work meanwhile
            continue
        of_ledger = event.metadata.get(LEDGER_PLACE)
        if of_ledger is not None and of_ledger.value != here:
            elsewhere.append(str(of_ledger.value))
            continue
        version, place = data_version_of(record), (spec.asset, record.partition_key)
        name = f"an event of {artefact_name(*place)} in Dagster's history"
        heads = {key: event.metadata[key].value for key in (LEDGER_ENTRY, LEDGER_HEAD) if key in event.metadata}
        for head in map(_parse, heads.values()):
            if head is None or not ledger.holds(head):
                yield Difference(
                    f"{name} names entry {head or 'unknown'} of the ledger, which is not in it: the ledger was "
                    "rewritten or cut, or the event was invented",
                    *place,
                )
        entry = _parse(heads.get(LEDGER_ENTRY))
        told = known.get(entry.sequence) if entry is not None and ledger.holds(entry) else None
        if told is not None and (told.record.get("asset"), told.record.get("partition")) != place:
            yield Difference(f"{name} names an entry of the ledger about something else: it was invented", *place)
        elif (*place, version) not in ledger.versions and ledger.hashes and record.timestamp > since:
            yield Difference(
                f"{name} has the version {version or 'none'}, which the ledger never recorded: it was invented", *place
            )


def _parse(text: object) -> Head | None:
    try:
        return Head.parse(str(text))
    except ArgumentError:
        return None


def _not_reported(
    instance: dg.DagsterInstance, materializer: Materializer, spec: Spec, reading: LedgerReading
) -> Iterator[Difference]:
    """Yield the current artefacts of which Dagster has no event, or knows another version last.

    What was moved since the look began may not be reported yet.
    """
    ledger = reading.ledger
    try:
        partitions = materializer.partitions(spec)
    except ClimbError:  # there is no raw folder any more, which is told already
        return
    current = {
        partition: recorded.data_version
        for partition in partitions
        if (fingerprint := ledger.named((spec.asset, partition))) is not None
        and ledger.moves[spec.asset, partition][-1].sequence <= reading.settled
        and (recorded := ledger.last((spec.asset, partition, fingerprint))) is not None
    }
    latest: dict[str | None, str] = {}
    for record in _records(instance, spec.asset) if current else ():
        if reading.read_at <= record.timestamp <= time.time():
            continue
        latest.setdefault(record.partition_key, data_version_of(record))
        if current.keys() <= latest.keys():
            break
    for partition, version in current.items():
        name = artefact_name(spec.asset, partition)
        if partition not in latest:
            sentence = f"Dagster's history has no event of {name}, which the ledger says is current"
        elif latest[partition] != version:
            sentence = f"the last event of {name} in Dagster's history is not of the version that is current"
        else:
            continue
        sentence += ": it was deleted, or its run was killed before; `climb up` reports it"
        yield Difference(sentence, spec.asset, partition)


def _records(instance: dg.DagsterInstance, asset: str) -> Iterator[dg.EventLogRecord]:
    """Yield the materializations of an asset, the newest first."""
    key, cursor = dg.AssetKey(asset), None
    while True:
        page = instance.fetch_materializations(key, limit=PAGE, cursor=cursor)
        yield from page.records
        if not page.has_more:
            return
        cursor = page.cursor
