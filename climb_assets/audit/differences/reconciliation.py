"""Reconciliation: a store held against its ledger, and exports against what was recorded of them.

What belongs here: what lies there and was not recorded, what was recorded and lies there otherwise or not at all.
Whether bytes are what a manifest promises is `climb_assets.audit.verification`.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from climb_assets.errors import ClimbError, CorruptArtifact
from climb_assets.graph.spec import artefact_name
from climb_assets.store.artifacts import Artifact
from climb_assets.store.garbage import Key
from climb_assets.store.ledger.chain import ACCEPTED, FOUND, POINTED, REMOVED, Entry, Head, Ledger, Place, examine
from climb_assets.store.ledger.recording import strange_reference, unknown
from climb_assets.store.store import Store


@dataclass(frozen=True)
class Difference:
    """Something that is not as recorded, in one sentence, and the artefact that it is of, if it is of one.

    Parameters
    ----------
    everywhere
        Whether every answer rests on it.
    """

    sentence: str
    asset: str | None = None
    partition: str | None = None
    fingerprint: str | None = None
    everywhere: bool = False


@dataclass(frozen=True)
class LedgerReading:
    """A ledger as it was read line by line, and what is wrong with its chain.

    Parameters
    ----------
    read_at
        When it was read, in seconds since 1970: what is younger cannot be in it.
    settled
        The number of its last entry when the look at the store began: who wrote later ones may still be at it.
    """

    ledger: Ledger
    entries: tuple[Entry, ...]
    faults: tuple[Difference, ...]
    read_at: float
    settled: int

    @property
    def notes(self) -> list[str]:
        """What it cannot say, and what it says because somebody answers for it."""
        if not self.entries:
            return ["There is no ledger, so who made what is not known; the next command that writes begins one."]
        notes = [
            f"{artefact_name(*entry.place)} counts as it lies there, or is missing, because {entry.record.get('by')} "
            f"answered for it at {entry.record.get('time')} (entry {entry.head.sequence}): {entry.record['reason']}"
            for entry in self.entries
            if "reason" in entry.record and entry.kind in (ACCEPTED, REMOVED, POINTED)
        ]
        if self.ledger.found_at is not None:
            found = sum(entry.kind == FOUND for entry in self.entries)
            notes.append(
                f"The ledger was begun at {self.ledger.found_at} over a lake that was there: {found} artefacts were "
                "found, and who made them is not recorded."
            )
        return notes


def read_ledger(store: Store, published: Head | None = None, before: LedgerReading | None = None) -> LedgerReading:
    """Read a ledger anew, whatever this process knows of it.

    Parameters
    ----------
    published
        A head that was written down elsewhere.
    before
        The same ledger as it was read when the look at the store began.
    """
    read_at = time.time()
    ledger, entries, faults = examine(store.keeper.lines())
    told = [Difference(fault, everywhere=True) for fault in faults]
    if published is not None and not ledger.holds(published):
        there = f"has {len(ledger.hashes)} entries" if published.sequence > len(ledger.hashes) else "has another hash"
        told.append(
            Difference(
                f"the ledger is not the one whose head was {published}: at that entry it {there}, so it was rewritten "
                "or cut since",
                everywhere=True,
            )
        )
    if before is not None and not ledger.holds(before.ledger.head):
        told.append(Difference("the ledger was rewritten or cut while it was compared", everywhere=True))
    settled = before.ledger.head.sequence if before is not None else ledger.head.sequence
    return LedgerReading(ledger, tuple(entries), tuple(told), read_at, settled)


@dataclass(frozen=True)
class Seen:
    """What a store held at one moment: artefacts, and what each reference named or why that cannot be read."""

    there: frozenset[Key]
    named: Mapping[Place, str | CorruptArtifact | None]


def look(store: Store) -> Seen:
    """Look at a store before its ledger is read: what is done first is recorded before that."""
    named: dict[Place, str | CorruptArtifact | None] = {}
    for place in store.referred():
        try:
            named[place] = store.named(*place, now=True)
        except CorruptArtifact as error:
            named[place] = error
    return Seen(frozenset(store.present()), named)


def reconcile(store: Store, seen: Seen, reading: LedgerReading) -> Iterator[Difference]:
    """Yield what lies in a store and was not recorded, and what was recorded and lies there otherwise or not at all.

    Somebody may be at work meanwhile. What he recorded after the look began may be under way, so that it is no
    difference where it is not there yet.
    """
    ledger, there = reading.ledger, seen.there
    for stranger in store.strangers():
        yield Difference(f"{stranger} is neither an artefact nor part of the ledger, and lies among them; remove it")
    if not ledger.hashes:
        return
    for key in sorted(there, key=str):
        try:
            artifact = store.look(*key)
        except ClimbError as error:
            yield Difference(str(error), *key)
            continue
        if artifact is not None and not ledger.knows(key, artifact.digest):
            yield Difference(f"{unknown(ledger, key, store.where(artifact))}", *key)
    for key, recorded in ledger.recorded.items():
        if len(ledger.manifests(key)) > 1 and recorded[-1].head.sequence <= reading.settled:
            yield Difference(
                f"{artefact_name(*key[:2])} ({key[2]}) was recorded by entry {recorded[-1].head.sequence} of the "
                f"ledger with another manifest than by entry {recorded[0].head.sequence}, which still held: it was "
                f"made again after damage, or changed by hand; {_accept(key)} records which",
                *key,
            )
        if key not in there and recorded[-1].head.sequence <= reading.settled:
            yield Difference(
                f"{artefact_name(*key[:2])} ({key[2]}) was recorded by entry {recorded[-1].head.sequence} of the "
                "ledger and is not there: it was removed by hand, or its writer died just before it came; `climb up` "
                f"makes it again if it is needed; if not, {_accept(key)} records that it may be missing",
                *key,
            )
    yield from _references(seen, reading)


def _accept(key: Key) -> str:
    return f"`climb ledger accept {artefact_name(*key[:2])} --reason ...`"


def _references(seen: Seen, reading: LedgerReading) -> Iterator[Difference]:
    ledger = reading.ledger
    for place in sorted({*ledger.moves, *seen.named}, key=str):
        named = seen.named.get(place)
        if isinstance(named, CorruptArtifact):
            yield Difference(str(named), *place, ledger.named(place))
            continue
        late = [move for move in ledger.moves.get(place, ()) if move.sequence > reading.settled]
        if not ledger.agrees(place, named) and not any(named in (move.to, move.before) for move in late):
            sentence = strange_reference(ledger, place, named)
            if named is None:
                sentence = f"the reference of {artefact_name(*place)} is gone: {sentence}; run `climb up`"
            yield Difference(sentence, *place, ledger.named(place))


def run_facts_differ(artifact: Artifact, ledger: Ledger, digest: str) -> bool:
    """Return whether what is said of the run that made an artefact is not what was recorded."""
    recorded = [one.run for one in ledger.recorded.get(artifact.key, ()) if one.manifest == artifact.digest]
    return bool(recorded) and None not in recorded and digest not in recorded


def strange_nodes(folder: Path, named: list[Key], ledger: Ledger) -> Iterator[Difference]:
    """Yield what the lineage of an exported bundle names and the ledger does not know."""
    if not ledger.hashes or ledger.found_at is not None:
        return
    for key in named:
        if key not in ledger.recorded and key not in ledger.removed:
            name = artefact_name(*key[:2])
            yield Difference(f"{folder} rests on {name} ({key[2]}), which is in no entry of the ledger", *key)
