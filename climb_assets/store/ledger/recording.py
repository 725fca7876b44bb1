"""What a store writes into its ledger, and what it refuses because its ledger does not know it.

What belongs here: the records of commits and moves, the first ones of a lake that is older than its ledger, and the
look at the ledger before something is used. The whole is compared in `climb_assets.audit.differences.reconciliation`.
"""

import contextlib
import platform
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from climb_assets.errors import CorruptArtifact
from climb_assets.store.artifacts import MANIFEST, RUN_FACTS, Artifact, Draft, sha256_file
from climb_assets.store.garbage import Key
from climb_assets.store.ledger.chain import ACCEPTED, FOUND, MADE, REMOVED, Ledger, Place
from climb_assets.store.ledger.keeper import EntryRecord
from climb_assets.store.ledger.records import about, holding, pointing, withdrawn
from climb_assets.store.ledger.source import source_state

if TYPE_CHECKING:
    from climb_assets.store.store import Store

AT_ONCE = 16  # manifests that are read of a lake that is older than its ledger
STRANGE = "is in no entry of the ledger; `climb verify` says more"
ADVICE = "run `climb verify`, which says what it touches"


def made(draft: Draft, manifest: dict[str, Any]) -> EntryRecord:
    """Return the record of a sealed draft."""
    order = draft.order
    key = (order.asset, order.partition, order.fingerprint)
    digest, run = (sha256_file(draft.path / name) for name in (MANIFEST, RUN_FACTS))
    who: dict[str, Any] = {"host": platform.node(), "source": source_state()}
    if "run_id" in draft.run:
        who["run_id"] = draft.run["run_id"]
    return holding(MADE, key, manifest, digest, run) | who


def moved(ledger: Ledger, place: Place, to: str | None, before: str | None) -> EntryRecord:
    """Return the record of a move; where somebody had moved the reference without one, it says so."""
    recorded = ledger.named(place)
    return pointing(place, to, before, **({} if recorded == before else {"unrecorded_after": recorded}))


def lies_there(store: "Store") -> Iterator[EntryRecord]:
    """Yield records of all that lies in a store, as found: nobody has recorded who made it."""

    def look(key: Key) -> EntryRecord | None:
        try:
            artifact = store.look(*key)
        except CorruptArtifact:
            return None
        return None if artifact is None else holding(FOUND, key, artifact.manifest, artifact.digest, None)

    with ThreadPoolExecutor(AT_ONCE) as readers:
        yield from (record for record in readers.map(look, store.present()) if record is not None)
    for place in store.referred():
        try:
            named = store.named(*place)
        except CorruptArtifact:
            continue
        if named is not None:
            yield pointing(place, named, None, found=True)


def is_recorded(store: "Store", key: Key, artifact: Artifact) -> bool:
    """Return whether an artefact counts: not where the ledger removed it, and who was to remove it was killed.

    Raises
    ------
    CorruptArtifact
        The ledger does not know its manifest: it was changed, or put there by no run of climb.
    """
    if not store.guarded or store.keeper.known().knows(key, artifact.digest):
        return True
    ledger = store.keeper.lately()
    if not ledger.hashes or ledger.knows(key, artifact.digest):
        return True
    if key in ledger.removed:
        return False
    raise CorruptArtifact(f"{unknown(ledger, key, store.where(artifact))}; {ADVICE}")


def unknown(ledger: Ledger, key: Key, where: str) -> str:
    """Return what an artefact is that the ledger does not know with this manifest."""
    recorded = ledger.last(key)
    if recorded is not None:
        return f"{where} has another manifest than the one that entry {recorded.head.sequence} of the ledger recorded"
    if key in ledger.removed:
        return f"{where} was removed by the ledger and is there: a `climb gc` was killed, or somebody put it back"
    return f"{where} is in no entry of the ledger: no run of climb has put it there"


def is_strange(ledger: Ledger, key: Key) -> bool:
    """Return whether a ledger that has begun knows nothing of an artefact, not even that it was removed."""
    return bool(ledger.hashes) and key not in ledger.recorded and key not in ledger.removed


def accept_as_it_lies(store: "Store", place: Place, reason: str, by: str) -> list[str]:
    """Record that what lies there of a partition counts although it was not recorded; return a line for each entry."""
    store, ledger = store.unguarded(), store.ledger()
    who, records = {"reason": reason, "by": by, "host": platform.node()}, list[dict[str, Any]]()
    there = {key for key in store.present() if key[:2] == place}
    for key in sorted(there, key=str):
        artifact = store.look(*key)
        if artifact is not None and ledger.manifests(key) != {artifact.digest}:
            records.append(holding(ACCEPTED, key, artifact.manifest, artifact.digest, None) | who)
    gone = [key for key in ledger.recorded if key[:2] == place and key not in there]
    records += [about(REMOVED, key, **who) for key in gone]
    named = store.named(*place)
    if not ledger.agrees(place, named):
        records.append(pointing(place, named, ledger.named(place), **who))
    if records:
        store.record(records)
    return [f"{record['kind']}: {artefact(place)} {record['fingerprint'] or 'nothing'}" for record in records]


def artefact(place: Place) -> str:
    """Return the name of a partition of an asset, as manifests write it."""
    asset, partition = place
    return asset if partition is None else f"{asset}@{partition}"


def require_moved(store: "Store", place: Place, named: str | None) -> None:
    """Refuse a reference that was moved without a record; one that is gone is for the planner, who finds it missing.

    Raises
    ------
    CorruptArtifact
        It was.
    """
    if not store.guarded or named is None or store.keeper.known().is_under_way(place, named):
        return
    ledger = store.keeper.lately()
    if not ledger.hashes or ledger.is_under_way(place, named) or store.named(*place, now=True) != named:
        return
    raise CorruptArtifact(f"{strange_reference(ledger, place, named)}; {ADVICE}")


def strange_reference(ledger: Ledger, place: Place, named: str | None) -> str:
    """Return what a reference is that does not name what the ledger says."""
    says = "names nothing" if named is None else f"names {named}"
    recorded = ledger.named(place) or "nothing"
    return f"the reference of {artefact(place)} {says}, and the last entry of the ledger about it {recorded}"


def complete_moves(store: "Store") -> list[str]:
    """Complete the moves of references that were recorded and whose mover died just then; return one line for each.

    Raises
    ------
    CorruptArtifact
        A reference was moved without a record.
    """
    ledger, there = store.ledger(), dict[Place, str | None]()
    with store.glance():
        for place in store.referred():
            if place not in ledger.moves:  # nobody's: who reads it is told
                continue
            with contextlib.suppress(CorruptArtifact):  # who reads it is told
                there[place] = store.named(*place)
    return [
        line
        for place, named in there.items()
        if not ledger.agrees(place, named) and (line := _complete_move(store, place))
    ]


def _complete_move(store: "Store", place: Place) -> str | None:
    """Complete the last move of a reference, if it was begun and not ended; return what was done."""
    named, ledger = store.named(*place, now=True), store.ledger()
    if named is None or ledger.agrees(place, named):  # somebody was moving it
        return None
    told, moves = strange_reference(ledger, place, named), ledger.moves.get(place)
    if lost := ledger.lost_moves(place, named):
        store.record([withdrawn((*place, move.to), move.sequence) for move in lost])
        return f"{told}: who wanted to move it began from what it no longer named, so it stays"
    if not moves or named != moves[-1].before:
        raise CorruptArtifact(f"{told}; {ADVICE}")
    if moves[-1].to is not None and (*place, moves[-1].to) in ledger.removed:
        store.record([withdrawn((*place, moves[-1].to), moves[-1].sequence)])
        return f"{told}: that was removed, so it stays"
    return f"{told}: its mover died, so it was moved now" if store.swap(*place, named, moves[-1].to) else None
