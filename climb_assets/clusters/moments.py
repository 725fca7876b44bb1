"""Sums over the documents of each domain: what drift, and the noise of it, is worked out from.

What belongs here: adding up train documents of clusters that are kept, a shard at a time. What the fit of the domains
keeps of that is `fit`, what differs between two corpora is `drift`.

A corpus becomes a `Sample` of a size that does not grow with it, in which each domain has a place and all documents
together have the last one. The sums are those that a bootstrap over documents needs: of what a document weighs and of
its square.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from climb_assets.clusters.kmeans import ROWS
from climb_assets.clusters.shards import EmbeddedShard
from climb_assets.corpus.membership import distinct, positions_in
from climb_assets.corpus.side_by_side import apply_splits, read_side_by_side
from climb_assets.corpus.signatures import first_halves
from climb_assets.errors import CorruptArtifact
from climb_assets.store.files import array_shape, take_rows
from climb_assets.tables import read_table

GROUPS = 256  # random parts of a domain, by the first byte of an id: they tell in how many dimensions it varies
BINS, FARTHEST = 4096, 2.0  # of distances: a unit vector is at most this far from a mean of unit vectors
FAR = 0.99  # share of the documents that are not far
BLOCK = 8192  # documents that are added up at a time: the last bits of sums follow it
DIMENSIONS = 32  # of vectors that are added up at a time; bounds memory only

Counts = NDArray[np.int64]
Sums = NDArray[np.float64]


@dataclass(frozen=True)
class Moments:
    """Sums over documents, a domain a row; they add up.

    Parameters
    ----------
    documents, vectors
        Number and sum of unit vectors in each of `GROUPS` random parts: (domains, groups), (domains, groups, dimension)
    tokens, tokens_squared, distance, distance_squared, near_duplicates
        (domains,); distances to the centroid, and documents that are nearly equal to another.
    distances
        Histogram of the distance, (domains, bins).
    """

    documents: Counts
    vectors: Sums
    tokens: Counts
    tokens_squared: Sums
    distance: Sums
    distance_squared: Sums
    near_duplicates: Counts
    distances: Counts

    @classmethod
    def of(
        cls,
        domains: int,
        domain: Counts,
        group: Counts,
        tokens: Counts,
        distance: Sums,
        near_duplicate: NDArray[np.bool_],
        vectors: NDArray[Any],
    ) -> "Moments":
        """Add up documents (n,), given the domain, the random part and what else is known of each."""
        from scipy.sparse import csr_array

        rows, cell = len(domain), domain * GROUPS + group
        member = csr_array((np.ones(rows), (cell, np.arange(rows))), shape=(domains * GROUPS, rows))
        length, summed = _lengths(vectors), np.empty((domains * GROUPS, vectors.shape[1]))
        for start in range(0, vectors.shape[1], DIMENSIONS):
            part = slice(start, start + DIMENSIONS)
            summed[:, part] = member @ (vectors[:, part].astype(np.float64) / length)
        places = np.minimum((distance * (BINS / FARTHEST)).astype(np.int64), BINS - 1)

        def add(values: NDArray[Any]) -> Sums:
            return np.asarray(np.bincount(domain, values.astype(np.float64), domains), np.float64)

        return cls(
            np.bincount(cell, minlength=domains * GROUPS).reshape(domains, GROUPS),
            summed.reshape(domains, GROUPS, vectors.shape[1]),
            add(tokens).astype(np.int64),
            add(np.square(tokens.astype(np.float64))),
            add(distance),
            add(np.square(distance)),
            add(near_duplicate).astype(np.int64),
            np.bincount(domain * BINS + places, minlength=domains * BINS).reshape(domains, BINS),
        )

    def __iadd__(self, other: "Moments") -> "Moments":
        for field in fields(self):
            np.add(getattr(self, field.name), getattr(other, field.name), out=getattr(self, field.name))
        return self

    def with_total(self) -> "Moments":
        """Return the same with a last row, of all documents together."""
        values = (getattr(self, field.name) for field in fields(self))
        return Moments(*(np.concatenate([value, value.sum(axis=0, keepdims=True)]) for value in values))

    def far_bin(self) -> int:
        """Return the first bin of the distances that are far: beyond a share of `FAR` of all documents."""
        counts = np.cumsum(self.distances.sum(axis=0))
        return int(np.searchsorted(counts, FAR * counts[-1])) + 1


@dataclass(frozen=True)
class Sample:
    """A corpus under a taxonomy: a place for each domain, and the last for all of them (places,).

    Parameters
    ----------
    far
        Documents whose distance is in `far_bin` of the fit or beyond.
    embedding
        Mean of the unit vectors, (places, dimension); zeros where there is no document.
    dimensions
        In how many dimensions embeddings vary: of so many equal ones the length of a sum would vary as it does. Worked
        out for the fit only, and 1 elsewhere.
    shards
        Documents by place, of each shard and version of it.
    """

    documents: Counts
    tokens: Counts
    tokens_squared: Sums
    distance: Sums
    distance_squared: Sums
    far: Counts
    near_duplicates: Counts
    embedding: Sums
    dimensions: Sums
    far_bin: int
    shards: Mapping[tuple[str, str], Counts]

    @classmethod
    def of(cls, moments: Moments, shards: Mapping[tuple[str, str], Counts], far_bin: int | None = None) -> "Sample":
        """Return what sums say.

        Parameters
        ----------
        far_bin
            Of the fit; None where this is the fit.
        """
        sums, is_fit = moments.with_total(), far_bin is None
        far_bin = moments.far_bin() if far_bin is None else far_bin
        documents = sums.documents.sum(axis=1)
        return cls(
            documents,
            sums.tokens,
            sums.tokens_squared,
            sums.distance,
            sums.distance_squared,
            sums.distances[:, far_bin:].sum(axis=1),
            sums.near_duplicates,
            sums.vectors.sum(axis=1) / np.maximum(documents, 1)[:, None],
            np.array([_dimensions(*one) if is_fit else 1 for one in zip(sums.documents, sums.vectors, strict=True)]),
            far_bin,
            shards,
        )

    def common(self, other: "Sample") -> Counts:
        """Return how many documents both have, by place: those of the shards that have one version in both."""
        same = self.shards.keys() & other.shards.keys()
        return sum((np.minimum(self.shards[key], other.shards[key]) for key in same), np.zeros_like(self.documents))


def _dimensions(counts: Counts, vectors: Sums) -> float:
    """Return in how many dimensions documents vary, by the random parts of them: (trace S)^2 / trace(S^2).

    S is the covariance of unit vectors. Its trace is what their mean lacks in length; the trace of its square is the
    mean square of the product of two centred parts, which are independent of each other.
    """
    documents = counts.sum()
    if documents < 2:
        return 1.0
    mean = vectors.sum(axis=0) / documents
    centred = vectors - counts[:, None] * mean
    products = np.square(centred @ centred.T)
    pairs = np.outer(counts, counts).astype(np.float64)
    np.fill_diagonal(products, 0)
    np.fill_diagonal(pairs, 0)
    spread, squared = 1 - mean @ mean, products.sum() / max(pairs.sum(), 1)
    # Fewer dimensions are more noise, so what says too little of it counts as few.
    return float(np.clip(spread**2 / squared, 1, len(mean))) if squared > 0 else 1.0


def sum_up(
    shards: Sequence[EmbeddedShard], clusters: Path, splits: Path, pairs: Path, far_bin: int | None = None
) -> Sample:
    """Return what a corpus holds under a taxonomy: its train documents in clusters that are kept.

    Memory holds 26 bytes a document of a shard and as many again for a moment, 8 a document that has a near-duplicate,
    `BLOCK` vectors, and sums.

    Parameters
    ----------
    clusters
        ``clusters.parquet`` of the domains.
    splits
        ``splits.parquet`` of the corpus manifest.
    pairs
        ``pairs.parquet`` of the near-duplicates.
    far_bin
        Of the fit; None where this is the fit.

    Raises
    ------
    CorruptArtifact
        The tables of a shard are not of the same documents.
    """
    domain_of = read_table(clusters)["domain"].fill_null(-1).to_numpy()
    domains = int(domain_of.max()) + 1
    found = read_table(pairs, ["id", "other"])
    alike = distinct(np.concatenate([first_halves(found[name]) for name in found.column_names]))
    total: Moments | None = None
    by_shard: dict[tuple[str, str], Counts] = {}
    for shard in shards:
        counts = np.zeros(domains, np.int64)
        for moments in _moments(shard, domains, domain_of, splits, alike):
            counts += moments.documents.sum(axis=1)
            if total is None:
                total = moments
            else:
                total += moments
        by_shard[shard.shard, shard.version] = np.append(counts, counts.sum())
    assert total is not None, "the supply of domains refuses a corpus without documents"
    return Sample.of(total, by_shard, far_bin)


def _lengths(vectors: NDArray[Any]) -> Sums:
    """Return the length of each vector, (n, 1)."""
    parts = (vectors[start : start + ROWS].astype(np.float64) for start in range(0, len(vectors), ROWS))
    return np.concatenate([np.empty((0, 1)), *(np.linalg.norm(part, axis=1, keepdims=True) for part in parts)])


def _moments(
    shard: EmbeddedShard, domains: int, domain_of: Counts, splits: Path, alike: NDArray[np.uint64]
) -> Iterator[Moments]:
    """Yield the moments of each `BLOCK` documents of a shard that count, at least one.

    Parameters
    ----------
    alike
        First halves of the ids of documents that are nearly equal to another, ascending.
    """
    columns = _read_counting(shard, domain_of, splits, alike)
    for start in range(0, max(len(columns[0]), 1), BLOCK):
        rows, domain, group, tokens, distance, near = (column[start : start + BLOCK] for column in columns)
        facts = (domain.astype(np.int64), group.astype(np.int64), tokens, distance.astype(np.float64), near)
        yield Moments.of(domains, *facts, take_rows(shard.vectors, rows))


def _read_counting(
    shard: EmbeddedShard, domain_of: Counts, splits: Path, alike: NDArray[np.uint64]
) -> list[NDArray[Any]]:
    """Return the rows of a shard that count and, of each, its domain, part, tokens, distance, and whether it is alike.

    Raises
    ------
    CorruptArtifact
        The tables and the vectors are not of the same documents.
    """
    tables = {shard.documents: ["split"], shard.assignments: ["cluster", "distance"], shard.tokens: ["tokens"]}
    parts = [tuple(np.empty(0, kind) for kind in (np.int64, np.int32, np.uint8, np.int64, np.float32, np.bool_))]
    start = 0
    for table in apply_splits(read_side_by_side(shard.shard, tables), shard.shard, splits):
        domain = domain_of[table["cluster"]].astype(np.int32)
        counts = np.flatnonzero(np.asarray(pc.equal(table["split"], "train")) & (domain >= 0))
        halves = first_halves(table["id"])[counts]
        group = (halves >> np.uint64(56)).astype(np.uint8)
        tokens, distance = (table[name].to_numpy()[counts] for name in ("tokens", "distance"))
        parts.append((start + counts, domain[counts], group, tokens, distance, positions_in(alike, halves) >= 0))
        start += len(table)
    if array_shape(shard.vectors)[0] != start:
        raise CorruptArtifact(
            f"the tables and the vectors of shard {shard.shard} are not of the same documents; delete the folder of "
            f"{shard.vectors} and run `climb up`"
        )
    return [np.concatenate(column) for column in zip(*parts, strict=True)]
