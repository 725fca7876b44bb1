"""Pairs of near-duplicates in the whole corpus, by locality-sensitive hashing of the shards' signatures.

What belongs here: which pairs there are. What follows from them for splits belongs to `splits`.

Documents whose signatures agree in a band lie in one bucket of that band. In a bucket, in the order of ids, each
document is compared with the next `NEIGHBOURS`, so a bucket costs what it holds and not its square; a pair is a near-
duplicate where the bytes of enough slots agree. So the pairs of a bucket follow from what lies in it, and the pairs
of the corpus are those of its buckets: when shards come or go, only the buckets of their documents are looked at
again, all others keep the pairs they had, and the table is the same, byte for byte, as one from scratch.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from climb_assets.corpus.membership import distinct, find_repeated, places_among, positions_in
from climb_assets.corpus.signatures import BANDS, SLOTS, join_halves, split_ids
from climb_assets.store.artifacts import canonical_json
from climb_assets.store.files import take_rows, write_atomically
from climb_assets.tables import read_table, write_table

NEIGHBOURS = 8
UNVERIFIED = 4_000_000  # pairs that may wait; bounds memory only
VERIFIED = 16_384  # at a time; the same: each time the signatures of all their shards are opened
KEYS = 1_000_000  # that are held at a time, of so many bands as that is or of one; the same
PAIRS = pa.schema([("id", pa.string()), ("other", pa.string()), ("similarity", pa.float32()), ("bands", pa.uint64())])


@dataclass(frozen=True)
class ShardSignatures:
    """The signatures of a shard: the files of one `document_signatures` artefact, and its data version.

    A file is mapped into memory when it is asked for and as long as it is looked at, so that a corpus may have more
    shards than a process may have open files.
    """

    shard: str
    version: str
    ids_file: Path
    keys_file: Path
    slots_file: Path

    @property
    def ids(self) -> NDArray[np.uint64]:
        """The halves of the ids (documents, 2)."""
        return _map(self.ids_file)

    @property
    def keys(self) -> NDArray[np.uint32]:
        """The keys of the documents in each band (`BANDS`, documents)."""
        return _map(self.keys_file)

    @property
    def slots(self) -> NDArray[np.uint8]:
        """The bytes of the signatures (documents, `SLOTS`)."""
        return _map(self.slots_file)


def _map(path: Path) -> NDArray[Any]:
    array: NDArray[Any] = np.load(path, "r", allow_pickle=False).view(np.ndarray)  # slices of memmap are slow
    return array


def _join(arrays: Iterable[NDArray[Any]]) -> NDArray[Any]:
    """Return parts of mapped arrays as one, documents behind documents; each map is closed before the next one opens.

    Parameters
    ----------
    arrays
        Documents are their last dimension.
    """
    return np.concatenate([array.copy() for array in arrays], axis=-1)


@dataclass(frozen=True)
class EarlierPairs:
    """The table of an earlier corpus, and the signatures of its shards that are no longer there in that version."""

    pairs: Path
    versions: dict[str, str]
    gone: Sequence[ShardSignatures]


@dataclass(frozen=True)
class _Pairs:
    """Pairs by `code`, ascending: row of the smaller id * rows of the corpus + row of the other.

    Similarities that are not known yet are NaN; `bands` has the bit of each band in whose buckets the pair was met.
    """

    codes: NDArray[np.int64]
    similarities: NDArray[np.float32]
    bands: NDArray[np.uint64]

    def take(self, which: NDArray[Any]) -> "_Pairs":
        """Return some of the pairs, or all in another order."""
        return _Pairs(self.codes[which], self.similarities[which], self.bands[which])


def find_near_duplicates(
    shards: Sequence[ShardSignatures], threshold: float, out: Path, earlier: EarlierPairs | None = None
) -> dict[str, Any]:
    """Write ``pairs.parquet`` and ``shards.json`` (the version of each shard's signatures) into `out`.

    Equal documents of several shards count as one. What is written does not depend on `earlier`, the work does:
    without it all buckets are looked at, with it those that hold a document that came or went.

    Parameters
    ----------
    shards
        All shards.
    threshold
        Least estimated Jaccard similarity of a pair.
    earlier
        What this function wrote before, under the same settings and code.

    Returns
    -------
    pairs, documents (that are in one).
    """
    corpus = _Corpus(sorted(shards, key=lambda entry: entry.shard))
    pairs = corpus.locate(earlier)
    for bands in corpus.bands_at_a_time():
        keys = _join(shard.keys[bands] for shard in corpus.shards)
        moved = _keys_of_changes(corpus.shards, earlier, bands) if earlier else None
        for place, band in enumerate(range(bands.start, bands.stop)):
            touched = find_repeated(keys[place]) if moved is None else distinct(moved[place])
            pairs = corpus.renew(pairs, band, keys[place], touched)
            if np.isnan(pairs.similarities).sum() > UNVERIFIED or band == BANDS - 1:
                pairs = corpus.verify(pairs, threshold)
    versions = {shard.shard: shard.version for shard in corpus.shards}
    write_atomically(out / "shards.json", canonical_json(versions).encode())
    return corpus.write(pairs, out / "pairs.parquet")


def _keys_of_changes(shards: Sequence[ShardSignatures], earlier: EarlierPairs, bands: slice) -> NDArray[np.uint32]:
    """Return the keys of all documents that came or went in some bands (bands, documents)."""
    came = [shard for shard in shards if earlier.versions.get(shard.shard) != shard.version]
    none = np.empty((bands.stop - bands.start, 0), np.uint32)
    return _join([none, *(shard.keys[bands] for shard in [*came, *earlier.gone])])


class _Corpus:
    """The documents of all shards, one row each."""

    def __init__(self, shards: Sequence[ShardSignatures]) -> None:
        self.shards = shards
        halves = [shard.ids[:, 0].copy() for shard in shards]  # half an id names a document well enough
        self._starts = np.cumsum([0, *map(len, halves)])
        self._rows = int(self._starts[-1])
        self._ids = np.concatenate(halves)

    def bands_at_a_time(self) -> Iterator[slice]:
        """Yield all bands, as many at a time as `KEYS` holds: each time the keys of every shard are opened."""
        step = min(max(KEYS // max(self._rows, 1), 1), BANDS)
        yield from (slice(first, min(first + step, BANDS)) for first in range(0, BANDS, step))

    def locate(self, earlier: EarlierPairs | None) -> _Pairs:
        """Return those earlier pairs whose documents are both still there.

        Of a shard whose signatures changed no similarity is known any more: its texts may be signed in another way.
        """
        pairs = read_table(earlier.pairs) if earlier else PAIRS.empty_table()
        halves = [split_ids(pairs[name].to_pylist())[:, 0] for name in ("id", "other")]
        wanted = distinct(np.concatenate(halves))
        rows = places_among(self._ids, wanted)
        there, first = np.unique(self._ids[rows], return_index=True)
        ends = [positions_in(there, half) for half in halves]
        kept = (ends[0] >= 0) & (ends[1] >= 0)
        small, large = (rows[first[end[kept]]] for end in ends)
        order = np.argsort(codes := small * self._rows + large)
        similarities, bands = (pairs[name].to_numpy()[kept][order] for name in ("similarity", "bands"))
        versions = earlier.versions if earlier else {}
        changed = np.array([versions.get(shard.shard) != shard.version for shard in self.shards])
        renewed = changed[self._owners(small[order])] | changed[self._owners(large[order])]
        return _Pairs(codes[order], np.where(renewed, np.float32(np.nan), similarities), bands)

    def renew(self, pairs: _Pairs, band: int, keys: NDArray[np.uint32], touched: NDArray[np.uint32]) -> _Pairs:
        """Look again at the buckets of a band whose keys were touched."""
        bit = np.uint64(1 << band)
        stale = positions_in(touched, keys[pairs.codes // max(self._rows, 1)]) >= 0
        bands = np.where(stale, pairs.bands & ~bit, pairs.bands)
        found = distinct(self._neighbours(keys, places_among(keys, touched)))
        known = positions_in(pairs.codes, found)
        bands[known[known >= 0]] |= bit
        new = found[known < 0]
        together = _Pairs(
            np.concatenate([pairs.codes, new]),
            np.concatenate([pairs.similarities, np.full(len(new), np.nan, np.float32)]),
            np.concatenate([bands, np.full(len(new), bit)]),
        )
        return together.take(np.argsort(together.codes, kind="stable"))

    def verify(self, pairs: _Pairs, threshold: float) -> _Pairs:
        """Estimate what is not known yet and return the pairs that are similar enough."""
        similarities = pairs.similarities.copy()
        unknown = np.flatnonzero(np.isnan(similarities))
        for start in range(0, len(unknown), VERIFIED):
            part = unknown[start : start + VERIFIED]
            small, large = np.divmod(pairs.codes[part], self._rows)
            agreeing = (self._take("slots", small) == self._take("slots", large)).sum(axis=1) / SLOTS
            similarities[part] = (agreeing - 1 / 256) / (1 - 1 / 256)  # two bytes agree by chance in 1 of 256 cases
        return _Pairs(pairs.codes, similarities, pairs.bands).take(similarities >= threshold)

    def _neighbours(self, keys: NDArray[np.uint32], rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the codes of the pairs that are compared in the buckets of these rows."""
        rows = rows[np.lexsort((self._ids[rows], keys[rows]))]  # stable: of equal documents the first row comes first
        repeats = (np.diff(self._ids[rows]) == 0) & (np.diff(keys[rows]) == 0)
        rows = rows[np.append(True, ~repeats)[: len(rows)]]
        codes = []
        for distance in range(1, NEIGHBOURS + 1):
            small, large = rows[:-distance], rows[distance:]
            same = keys[small] == keys[large]
            codes.append(small[same] * self._rows + large[same])
        return np.concatenate(codes)

    def _take(self, name: Literal["ids", "slots"], rows: NDArray[np.int64]) -> NDArray[Any]:
        """Return these rows of the arrays of that name, as if all shards were one."""
        first: NDArray[Any] = getattr(self.shards[0], name)
        taken = np.empty((len(rows), first.shape[1]), first.dtype)
        owners = self._owners(rows)
        for owner in np.unique(owners):
            mine = np.flatnonzero(owners == owner)
            taken[mine] = take_rows(getattr(self.shards[owner], f"{name}_file"), rows[mine] - self._starts[owner])
        return taken

    def _owners(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of the shard of each row."""
        return np.searchsorted(self._starts, rows, "right") - 1

    def write(self, pairs: _Pairs, path: Path) -> dict[str, int]:
        """Write the pairs that a bucket holds, by id."""
        held = pairs.bands > 0
        ends = np.divmod(pairs.codes[held], max(self._rows, 1))
        ids = [join_halves(self._take("ids", end)) for end in ends]
        columns = [*ids, pairs.similarities[held], pairs.bands[held]]
        write_table(path, pa.table(columns, schema=PAIRS).sort_by([("id", "ascending"), ("other", "ascending")]))
        return {"pairs": int(held.sum()), "documents": len(np.unique(np.concatenate(ends)))}
