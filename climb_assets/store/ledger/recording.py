"""What a store writes into its ledger, and what it refuses because its ledger does not know it.

What belongs here: the records of commits and moves, the first ones of a lake that is older than its ledger, and the look
at the ledger before something is used. `climb_assets.audit.reconciliation` compares all of a store with its ledger.
"""

import platform
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from climb_assets.errors import CorruptArtifact
from climb_assets.store.ledger.source import source_state
from climb_assets.store.artifacts import MANIFEST, RUN_FACTS, Artifact, Draft, sha256_file
from climb_assets.store.garbage import Key
from climb_assets.store.ledger.keeper import Record
from climb_assets.store.ledger.chain import FOUND, MADE, Ledger, Place
from climb_assets.store.ledger.records import holding, pointing

if TYPE_CHECKING:
    from climb_assets.store.store import Store

AT_ONCE = 16  # manifests that are read of a lake that is older than its ledger
ADVICE = "run `climb verify`, which says what it touches"


def made(draft: Draft, manifest: dict[str, Any]) -> Record:
    """Return the record of a sealed draft."""
    order = draft.order
    key = (order.asset, order.partition, order.fingerprint)
    digest, run = (sha256_file(draft.path / name) for name in (MANIFEST, RUN_FACTS))
    who: dict[str, Any] = {"host": platform.node(), "source": source_state()}
    if "run_id" in draft.run:
        who["run_id"] = draft.run["run_id"]
    return holding(MADE, key, manifest, digest, run) | who


def moved(ledger: Ledger, place: Place, to: str | None, before: str | None) -> Record:
    """Return the record of a move; where somebody had moved the reference without one, it says so."""
    recorded = ledger.named(place)
    return pointing(place, to, before, **({} if recorded == before else {"unrecorded_after": recorded}))


def lies_there(store: "Store") -> Iterator[Record]:
    """Yield records of all that lies in a store, as found: nobody has recorded who made it."""

    def look(key: Key) -> Record | None:
        try:
            artifact = store.look(*key)
        except CorruptArtifact:
            return None
        return None if artifact is None else holding(FOUND, key, artifact.manifest, artifact.digest, None)

    with ThreadPoolExecutor(AT_ONCE) as readers:
        yield from (record for record in readers.map(look, store.keys()) if record is not None)
    for place in store.referred():
        try:
            named = store.named(*place)
        except CorruptArtifact:
            continue
        if named is not None:
            yield pointing(place, named, None, found=True)


def require_recorded(store: "Store", key: Key, artifact: Artifact) -> None:
    """Refuse an artefact whose manifest the ledger does not know.

    Raises
    ------
    CorruptArtifact
        It was changed, or put there by no run of climb.
    """
    if not store.guarded or store.keeper.known().knows(key, artifact.digest):
        return
    ledger = store.ledger()
    if ledger.hashes and not ledger.knows(key, artifact.digest):
        raise CorruptArtifact(f"{unknown(ledger, key, store.where(artifact))}; {ADVICE}")


def unknown(ledger: Ledger, key: Key, where: str) -> str:
    """Return what an artefact is that the ledger does not know with this manifest."""
    recorded = ledger.last(key)
    if recorded is not None:
        return f"{where} has another manifest than the one that entry {recorded.head.sequence} of the ledger recorded"
    if key in ledger.removed:
        return f"{where} was removed by the ledger and is there again"
    return f"{where} is in no entry of the ledger: no run of climb has put it there"


def require_moved(store: "Store", place: Place, named: str | None) -> None:
    """Refuse a reference that was moved without a record; one that is gone is for the planner, who finds it missing.

    Raises
    ------
    CorruptArtifact
        It was.
    """
    if not store.guarded or named is None or store.keeper.known().is_under_way(place, named):
        return
    ledger = store.ledger()
    if not ledger.hashes or ledger.is_under_way(place, named) or store.named(*place, now=True) != named:
        return
    raise CorruptArtifact(f"{strange_reference(ledger, place, named)}; {ADVICE}")


def strange_reference(ledger: Ledger, place: Place, named: str | None) -> str:
    """Return what a reference is that does not name what the ledger says."""
    asset, partition = place
    recorded, name = ledger.named(place), asset if partition is None else f"{asset}@{partition}"
    says = "names nothing" if named is None else f"names {named}"
    return f"the reference of {name} {says}, and the last entry of the ledger about it {recorded or 'nothing'}"


def complete_moves(store: "Store") -> list[str]:
    """Complete the moves of references that were recorded and whose mover died just then; return one line for each.

    Raises
    ------
    CorruptArtifact
        A reference was moved without a record.
    """
    done = []
    for place in store.referred():
        named, ledger = store.named(*place), store.keeper.known()
        if ledger.agrees(place, named) or (ledger := store.ledger()).agrees(place, named) or not ledger.hashes:
            continue
        now = store.named(*place, now=True)
        if now is None or store.ledger().agrees(place, now):
            continue
        move = ledger.moves[place][-1] if place in ledger.moves else None
        if move is None or now != move.before:
            raise CorruptArtifact(f"{strange_reference(ledger, place, now)}; {ADVICE}")
        if store.swap(*place, now, move.to):
            done.append(f"{strange_reference(ledger, place, now)}: its mover died, so it was moved now")
    return done
