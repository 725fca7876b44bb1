"""The ledger: an append-only, hash-chained record of everything that a store commits, points to and removes.

What belongs here: what an entry is, the chain, and what follows from it: which manifests were recorded and what each
reference was moved to. Who appends, and where it lies, is `climb_assets.store.ledger.keeper`.

An entry is one line of canonical JSON. It has its number and the hash of the line before it, so whoever knows the last
number and hash, the head, can tell that no line before was changed, left out, moved or put in between. Entries are
written before what they tell of happens: what a store holds and its ledger does not know was put there by nobody's run.
"""

import contextlib
import hashlib
import itertools
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from climb_assets.errors import ArgumentError, CorruptLedger
from climb_assets.store.artifacts import canonical_json, sha256_text
from climb_assets.store.garbage import Key

BEGUN, MADE, FOUND, WITHDRAWN = "begun", "made", "found", "withdrawn"
POINTED, REMOVED, EXPORTED, ACCEPTED, HEALED = "pointed", "removed", "exported", "accepted", "healed"
HOLDING = (MADE, FOUND, ACCEPTED)  # the kinds that say that an artefact has this manifest
ALONE: frozenset[str] = frozenset()  # what tells of no artefact
_OF_ARTEFACT = frozenset({"asset", "partition", "fingerprint"})
NEEDED = {  # what an entry of each kind has
    **dict.fromkeys(HOLDING, _OF_ARTEFACT | {"manifest", "data_version"}),
    **dict.fromkeys((REMOVED, EXPORTED), _OF_ARTEFACT),
    WITHDRAWN: _OF_ARTEFACT | {"entry"},
    POINTED: _OF_ARTEFACT | {"before_it"},
    BEGUN: ALONE,
    HEALED: ALONE,
}
MOST_MOVES = 64  # of a reference that are remembered: as many may be under way at once, and all but one be withdrawn
MOST_CUT = 10**6  # entries that may be missing between two lines
TORN = b"torn "  # begins a line that has no end, so that it is no entry
Place = tuple[str, str | None]  # of a reference: asset, partition


@dataclass(frozen=True)
class Head:
    """The number and the hash of the last entry: all that must be known to tell that a ledger was not changed."""

    sequence: int = 0
    hash: str = "0" * 64

    def __str__(self) -> str:
        return f"{self.sequence}:{self.hash}"

    @staticmethod
    def parse(text: str) -> "Head":
        """Return the head that a text such as ``12:ab34...`` names.

        Raises
        ------
        ArgumentError
            It names none.
        """
        sequence, _, digest = text.strip().partition(":")
        if not sequence.isdigit() or len(digest) != 64 or digest.strip("0123456789abcdef"):
            raise ArgumentError(f"{text!r} is no head of a ledger; give it as `climb ledger head` printed it")
        return Head(int(sequence), digest)


@dataclass(frozen=True)
class Entry:
    """One line of a ledger."""

    head: Head
    record: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """What it tells of."""
        return str(self.record["kind"])

    @property
    def place(self) -> Place:
        """The asset and the partition that it tells of."""
        return self.record["asset"], self.record["partition"]

    @property
    def key(self) -> Key:
        """The artefact that it tells of."""
        return (*self.place, self.record["fingerprint"])


@dataclass(frozen=True)
class Recorded:
    """What an entry says of an artefact: the hashes of its manifest and of its run facts, and its data version."""

    head: Head
    kind: str
    manifest: str
    run: str | None
    data_version: str


@dataclass(frozen=True)
class Move:
    """A move of a reference: what it is to name, and what it named before; None stands for no reference."""

    sequence: int
    to: str | None
    before: str | None


def write_line(record: Mapping[str, Any], before: Head) -> tuple[bytes, Head]:
    """Return the line of a record that follows an entry, and the head that it makes."""
    text = canonical_json({**record, "sequence": before.sequence + 1, "before": before.hash})
    return f"{text}\n".encode(), Head(before.sequence + 1, sha256_text(text))


def read_line(line: bytes, before: Head) -> Entry:
    """Return the entry of a line, if it is the one that follows an entry.

    Raises
    ------
    CorruptLedger
        It is no entry, or follows another.
    """
    number = before.sequence + 1
    try:
        record = _parse(line)
        sequence, follows = record["sequence"], record["before"]
        entry = Entry(Head(sequence, hashlib.sha256(line).hexdigest()), record)
        needed = NEEDED[entry.kind]
        hash(entry.key if needed is not ALONE else None)
        if not needed <= record.keys():
            raise LookupError
    except (TypeError, LookupError, CorruptLedger):
        raise CorruptLedger(f"line {number} of the ledger is no entry") from None
    if sequence != number:
        raise CorruptLedger(f"entry {number} of the ledger calls itself {sequence}: lines were cut, added or reordered")
    if follows != before.hash:
        raise CorruptLedger(
            f"entry {number} of the ledger does not follow the one before it: entry {before.sequence} was changed, or "
            "lines were cut, added or reordered"
        )
    if entry.kind == BEGUN and number > 1:
        raise CorruptLedger(f"entry {number} of the ledger begins another one: no run of climb has written it")
    return entry


def _parse(line: bytes) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise CorruptLedger("it is no entry")
    return record


@dataclass
class Ledger:
    """What the entries of a ledger say, one after another.

    Attributes
    ----------
    hashes
        Of each entry, in order.
    recorded
        Of each artefact that is to be there, what entries say of it; several writers may have raced.
    removed
        Artefacts that were removed with a record.
    moves
        The last moves of each reference.
    found_at
        When it was begun over a lake that was there already; None where it is as old as its lake.
    """

    hashes: list[str] = field(default_factory=list)
    recorded: dict[Key, list[Recorded]] = field(default_factory=dict)
    removed: set[Key] = field(default_factory=set)
    moves: dict[Place, list[Move]] = field(default_factory=dict)
    versions: set[tuple[str, str | None, str]] = field(default_factory=set)
    found_at: str | None = None

    @property
    def head(self) -> Head:
        """The number and the hash of the last entry."""
        return Head(len(self.hashes), self.hashes[-1]) if self.hashes else Head()

    def holds(self, head: Head) -> bool:
        """Return whether an entry of this number has this hash; the one before the first counts."""
        if head.sequence == 0:
            return head == Head()
        return head.sequence <= len(self.hashes) and self.hashes[head.sequence - 1] == head.hash

    def extend(self, lines: Iterable[bytes]) -> list[Entry]:
        """Take in further lines, and return their entries.

        Raises
        ------
        CorruptLedger
            One is not the entry that follows.
        """
        entries = []
        for line in lines:
            entries.append(read_line(line, self.head))
            self.take(entries[-1])
        return entries

    def take(self, entry: Entry) -> None:
        """Take in the next entry."""
        self.hashes.append(entry.head.hash)
        record = entry.record
        if entry.kind in HOLDING:
            one = Recorded(entry.head, entry.kind, record["manifest"], record.get("run"), record["data_version"])
            before = self.recorded.get(entry.key, []) if entry.kind == MADE else []
            self.recorded[entry.key] = [*before, one]
            self.removed.discard(entry.key)
            self.versions.add((*entry.place, one.data_version))
        elif entry.kind == REMOVED:
            self.recorded.pop(entry.key, None)
            self.removed.add(entry.key)
        elif entry.kind == POINTED:
            moves = self.moves.setdefault(entry.place, [])
            moves.append(Move(entry.head.sequence, record["fingerprint"], record["before_it"]))
            del moves[:-MOST_MOVES]
        elif entry.kind == WITHDRAWN:
            self._withdraw(entry)
        elif entry.kind == BEGUN and record.get("found"):
            self.found_at = str(record.get("time"))

    def _withdraw(self, entry: Entry) -> None:
        """Undo an entry whose writer came too late."""
        sequence = entry.record["entry"]
        self.moves[entry.place] = [move for move in self.moves.get(entry.place, []) if move.sequence != sequence]
        left = [one for one in self.recorded.get(entry.key, []) if one.head.sequence != sequence]
        if left:
            self.recorded[entry.key] = left
        else:
            self.recorded.pop(entry.key, None)

    def knows(self, key: Key, manifest: str) -> bool:
        """Return whether an artefact was recorded with this manifest and not removed."""
        return manifest in self.manifests(key)

    def manifests(self, key: Key) -> set[str]:
        """Return the hashes of the manifests that an artefact was recorded with; it should be one."""
        return {one.manifest for one in self.recorded.get(key, ())}

    def last(self, key: Key) -> Recorded | None:
        """Return what was recorded last of an artefact that is to be there."""
        found = self.recorded.get(key)
        return found[-1] if found else None

    def named(self, place: Place) -> str | None:
        """Return what a reference is to name."""
        moves = self.moves.get(place)
        return moves[-1].to if moves else None

    def agrees(self, place: Place, named: str | None) -> bool:
        """Return whether a reference names what the last move says, or one that was made beside that at one time."""
        moves = self.moves.get(place, [])
        last = moves[-1] if moves else Move(0, None, None)
        beside = itertools.takewhile(lambda move: move.before == last.before, reversed(moves))
        return named == last.to or any(named == move.to for move in beside)

    def lost_moves(self, place: Place, named: str | None) -> list[Move]:
        """Return the moves after the one that a reference names, if none of them can have been made.

        A move is made only from what it says was named before. So these lost a race, and their writers died before
        they said so.
        """
        moves = self.moves.get(place, [])
        made = max((number for number, move in enumerate(moves) if move.to == named), default=len(moves))
        after = moves[made + 1 :]
        return [] if any(move.before == named for move in after) else after

    def is_under_way(self, place: Place, named: str | None) -> bool:
        """Return whether a reference names what one of the last moves began or ended with."""
        return any(named in (move.to, move.before) for move in self.moves.get(place, ()))


def examine(lines: Iterable[bytes]) -> tuple[Ledger, list[Entry], list[str]]:
    """Return a ledger as far as its lines can be read, its entries, and what is wrong with it, a sentence each.

    After a line that does not follow, the chain is taken up again at that line, so that one change is told once.
    """
    ledger, entries, faults = Ledger(), list[Entry](), list[str]()
    for line in lines:
        if line.startswith(TORN):
            faults.append(
                f"the last line of the ledger ends after {len(line) - len(TORN)} bytes: its writer was killed, and the "
                "next one cuts it and says so"
            )
            break
        try:
            entries += ledger.extend([line])
        except CorruptLedger as error:
            faults.append(str(error))
            with contextlib.suppress(CorruptLedger):
                entries.append(_take_up(ledger, line))
    return ledger, entries, faults


def _take_up(ledger: Ledger, line: bytes) -> Entry:
    """Take in a line that does not follow, at the place that it says that it has."""
    record = _parse(line)
    sequence = record.get("sequence")
    if type(sequence) is not int or not 0 < sequence <= len(ledger.hashes) + MOST_CUT:
        raise CorruptLedger("it says no place that it has")
    entry = read_line(line, Head(sequence - 1, record.get("before", "")))
    del ledger.hashes[sequence - 1 :]
    ledger.hashes += [""] * (sequence - 1 - len(ledger.hashes))
    ledger.take(entry)
    return entry
