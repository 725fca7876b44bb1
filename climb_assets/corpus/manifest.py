"""The roll-up of all shards: how much there is, which documents an earlier shard already has, where each may be used.

What belongs here: totals over finished shards. Splits are decided in `splits`. Nothing here reads a text.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from climb_assets.config import Corpus
from climb_assets.corpus.membership import find_repeated, places_among
from climb_assets.corpus.quarantine import explain_nothing_left
from climb_assets.corpus.side_by_side import read_side_by_side
from climb_assets.corpus.signatures import first_halves
from climb_assets.corpus.splits import SplitTables, assign_splits
from climb_assets.errors import ComputeError, CorpusError
from climb_assets.executor.database import insert_table, open_database
from climb_assets.tables import gather, read_table, write_rows, write_table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

VERSIONS = ("corpus_version", "tokens_version", "embeddings_version", "quality_version")
COUNTED = ("documents", "tokens", "bytes")  # of which duplicates are taken off
COUNTS = ("documents", "duplicates", "tokens", "bytes", "read", "filtered", "quarantined", "dropped_labels")

SHARDS = pa.schema(
    [("shard", pa.string()), *((name, pa.int64()) for name in COUNTS), *((name, pa.string()) for name in VERSIONS)]
)
DUPLICATES = pa.schema([("shard", pa.string()), ("id", pa.string()), ("first_shard", pa.string())])


@dataclass(frozen=True)
class ShardParts(SplitTables):
    """The finished tables of one shard.

    Parameters
    ----------
    tokens, accounts
        ``documents.parquet`` of the tokenized shard, ``accounts.parquet`` of the corpus shard.
    versions
        Data version of each artefact: the keys are `VERSIONS`.
    reasons
        Quarantined records by their reason.
    """

    tokens: Path
    accounts: Path
    versions: Mapping[str, str]
    reasons: Mapping[str, int] = field(default_factory=dict)


def build_manifest(shards: Sequence[ShardParts], pairs: Path, settings: Corpus, out: Path) -> dict[str, Any]:
    """Write ``shards.parquet`` and ``duplicates.parquet`` into `out`, and what `splits.assign_splits` writes.

    A document counts where it comes first in the order of shard names; elsewhere it is a duplicate and is in no
    total. So per shard documents + duplicates + filtered + quarantined = read.

    Parameters
    ----------
    pairs
        ``pairs.parquet`` of `near_duplicates`.

    Returns
    -------
    shards, and the totals of `COUNTS`; splits: the facts of `assign_splits`.

    Raises
    ------
    ComputeError
        Near-duplicates lie in two splits.
    CorruptArtifact
        A shard's tokens and documents are not the same documents.
    CorpusError
        No shard holds a document.
    """
    ordered = sorted(shards, key=lambda parts: parts.shard)
    counts, halves = _count(ordered)
    with open_database(out) as connection:
        connection.execute("SET enable_external_access = false")
        _find_duplicates(connection, ordered, counts[:, 0], halves)
        taken_off = {number: counted for number, *counted in connection.execute(_COUNT_DUPLICATES).fetchall()}
        duplicates = connection.sql(_DUPLICATES).to_arrow_table()
    rows = [
        _shard_row(parts, counted, taken_off.get(number, [0] * len(COUNTED)))
        for number, (parts, counted) in enumerate(zip(ordered, counts.tolist(), strict=True))
    ]
    facts = {name: sum(row[name] for row in rows) for name in COUNTS}
    if not facts["documents"]:
        raise CorpusError(f"no document is left of {facts['read']} records in {len(rows)} shards; {_explain(ordered)}")
    names = pa.array([parts.shard for parts in ordered])
    columns = [names.take(_flat(duplicates["shard"])), _flat(duplicates["id"]), names.take(_flat(duplicates["first"]))]
    write_table(out / "duplicates.parquet", pa.Table.from_arrays(columns, schema=DUPLICATES))
    write_rows(out / "shards.parquet", rows, SHARDS)
    splits = assign_splits(ordered, pairs, out / "duplicates.parquet", settings, out)
    if splits["crossing_after"]:
        raise ComputeError(
            f"{splits['crossing_after']} pairs of near-duplicates lie in train and held out; please report this"
        )
    return {"shards": len(rows), **facts, "splits": splits}


_CANDIDATES = "CREATE TABLE candidate (shard INTEGER, id UUID, tokens BIGINT, bytes BIGINT)"
_FIND_DUPLICATES = """
    CREATE TABLE duplicate AS
    SELECT c.shard, c.id, f.shard AS first, c.tokens, c.bytes
    FROM candidate c JOIN (SELECT id, min(shard) AS shard FROM candidate GROUP BY id) f USING (id)
    WHERE c.shard > f.shard
"""
_DUPLICATES = "SELECT shard, replace(id::VARCHAR, '-', '') AS id, first FROM duplicate ORDER BY shard, duplicate.id"
_COUNT_DUPLICATES = "SELECT shard, count(*), sum(tokens)::BIGINT, sum(bytes)::BIGINT FROM duplicate GROUP BY shard"


def _count(shards: Sequence[ShardParts]) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Return `COUNTED` of each shard (shards, 3), and the first halves of all ids in document order (documents,)."""
    counts = np.zeros((len(shards), len(COUNTED)), np.int64)
    halves = [np.empty(0, np.uint64)]
    for number, parts in enumerate(shards):
        for table in _read_documents(parts):
            counts[number] += [len(table), *(pc.sum(table[name]).as_py() for name in COUNTED[1:])]
            halves.append(first_halves(table["id"]))
    return counts, np.concatenate(halves)


def _find_duplicates(
    connection: "DuckDBPyConnection",
    shards: Sequence[ShardParts],
    documents: NDArray[np.int64],
    halves: NDArray[np.uint64],
) -> None:
    """Make a table of the documents that an earlier shard has; only those whose half an id repeats are looked at.

    Parameters
    ----------
    documents, halves
        What `_count` says of the shards: how many documents each has (shards,), and half an id of each (documents,).
    """
    places = places_among(halves, find_repeated(halves))  # of all shards at once: what is wanted may be much

    def candidates() -> Iterator[pa.Table]:
        for number, (parts, end) in enumerate(zip(shards, np.cumsum(documents), strict=True)):
            start = end - documents[number]
            if np.searchsorted(places, start) < np.searchsorted(places, end):
                for table in _read_documents(parts):
                    first, last = np.searchsorted(places, [start, start + len(table)])
                    rows = table.take(pa.array(places[first:last] - start))
                    yield rows.add_column(0, "shard", pa.repeat(pa.scalar(number, pa.int32()), len(rows)))
                    start += len(table)

    connection.execute(_CANDIDATES)
    for part in gather(candidates()):
        insert_table(connection, "candidate", part.select(["shard", "id", "tokens", "bytes"]))
    connection.execute(_FIND_DUPLICATES)


def _read_documents(parts: ShardParts) -> Iterator[pa.Table]:
    """Yield id, bytes and tokens of a shard's documents."""
    return read_side_by_side(parts.shard, {parts.documents: ["bytes"], parts.tokens: ["tokens"]})


def _explain(shards: Sequence[ShardParts]) -> str:
    reasons = Counter[str]()
    for parts in shards:
        reasons.update(parts.reasons)
        reasons["filtered_short"] += sum(read_table(parts.accounts, ["filtered_short"])["filtered_short"].to_pylist())
    return explain_nothing_left(reasons)


def _shard_row(parts: ShardParts, counted: Sequence[int], taken_off: Sequence[int]) -> dict[str, Any]:
    """Return the row of a shard, given `COUNTED` of its documents and of those that are duplicates."""
    accounts = read_table(parts.accounts)
    total = {name: sum(accounts[name].to_pylist()) for name in accounts.column_names[1:]}
    row = {
        "shard": parts.shard,
        **{name: of_all - of_these for name, of_all, of_these in zip(COUNTED, counted, taken_off, strict=True)},
        "duplicates": taken_off[0],
        "read": total["read"],
        "filtered": total["filtered_short"] + total["filtered_duplicate"],
        "quarantined": total["quarantined"],
        "dropped_labels": total["dropped_labels"],
        **{name: parts.versions[name] for name in VERSIONS},
    }
    if row["documents"] + row["duplicates"] + row["filtered"] + row["quarantined"] != row["read"]:
        raise ComputeError(f"the accounts of shard {parts.shard} do not add up ({row}); please report this")
    return row


def _flat(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
