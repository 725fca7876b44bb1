"""The roll-up of all shards: how much there is, which documents an earlier shard already has, where each may be used.

What belongs here: totals over finished shards. Splits are decided in `splits`. Nothing here reads a text.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from climb_assets.config import Corpus
from climb_assets.corpus.quarantine import explain_nothing_left
from climb_assets.corpus.splits import SplitTables, assign_splits
from climb_assets.errors import ComputeError, CorpusError
from climb_assets.executor.database import open_database
from climb_assets.tables import gather, give_back_memory, read_table, write_rows, write_table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

VERSIONS = ("corpus_version", "tokens_version", "embeddings_version", "quality_version")
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
        A shard's tokens and documents are not the same documents, or near-duplicates lie in two splits.
    CorpusError
        No shard holds a document.
    """
    ordered = sorted(shards, key=lambda parts: parts.shard)
    with open_database(out) as connection:
        connection.execute("SET enable_external_access = false")
        connection.execute("SET preserve_insertion_order = false")
        _load(connection, ordered)
        give_back_memory()
        connection.execute(
            "CREATE TABLE firsts AS SELECT id, min(shard) AS shard FROM documents GROUP BY id HAVING count(*) > 1"
        )
        uniques = connection.execute(
            "SELECT d.shard, count(*), sum(d.tokens)::BIGINT, sum(d.bytes)::BIGINT FROM documents d "
            "LEFT JOIN firsts f USING (id) WHERE f.shard IS NULL OR f.shard = d.shard GROUP BY d.shard"
        ).fetchall()
        duplicates = connection.sql(
            "SELECT d.shard, replace(d.id::VARCHAR, '-', '') AS id, f.shard AS first FROM documents d "
            "JOIN firsts f USING (id) WHERE d.shard > f.shard ORDER BY 1, 2"
        ).to_arrow_table()
    counted = {number: dict(zip(("documents", "tokens", "bytes"), counts, strict=True)) for number, *counts in uniques}
    repeated = {row["values"]: row["counts"] for row in pc.value_counts(duplicates["shard"]).to_pylist()}
    rows = [
        _shard_row(parts, counted.get(number, {"documents": 0, "tokens": 0, "bytes": 0}), repeated.get(number, 0))
        for number, parts in enumerate(ordered)
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


def _load(connection: "DuckDBPyConnection", shards: Sequence[ShardParts]) -> None:
    """Fill a table of the documents of all shards."""
    connection.execute("CREATE TABLE documents (shard INTEGER, id UUID, tokens BIGINT, bytes BIGINT)")
    for part in gather(_read_documents(number, parts) for number, parts in enumerate(shards)):
        connection.register("part", part)
        connection.execute("INSERT INTO documents SELECT shard, id::UUID, tokens, bytes FROM part")
        connection.unregister("part")


def _read_documents(number: int, parts: ShardParts) -> pa.Table:
    """Return id, bytes and tokens of a shard's documents, and the number of the shard."""
    documents = read_table(parts.documents, ["id", "bytes"])
    tokens = read_table(parts.tokens, ["id", "tokens"])
    if not documents["id"].equals(tokens["id"]):
        raise ComputeError(
            f"shard {parts.shard} has {documents.num_rows} documents and tokens of {tokens.num_rows}, not the same "
            "ones in the same order; run `climb up --to tokenized_shards`"
        )
    shard = pa.array(np.full(documents.num_rows, number, np.int32))
    return documents.append_column("tokens", tokens["tokens"]).append_column("shard", shard)


def _explain(shards: Sequence[ShardParts]) -> str:
    reasons = Counter[str]()
    for parts in shards:
        reasons.update(parts.reasons)
        reasons["filtered_short"] += sum(read_table(parts.accounts, ["filtered_short"])["filtered_short"].to_pylist())
    return explain_nothing_left(reasons)


def _shard_row(parts: ShardParts, counted: Mapping[str, int], repeated: int) -> dict[str, Any]:
    accounts = read_table(parts.accounts)
    total = {name: sum(accounts[name].to_pylist()) for name in accounts.column_names[1:]}
    row = {
        "shard": parts.shard,
        **counted,
        "duplicates": repeated,
        "read": total["read"],
        "filtered": total["filtered_short"] + total["filtered_duplicate"],
        "quarantined": total["quarantined"],
        "dropped_labels": total["dropped_labels"],
        **{name: parts.versions[name] for name in VERSIONS},
    }
    if row["documents"] + repeated + row["filtered"] + row["quarantined"] != row["read"]:
        raise ComputeError(f"the accounts of shard {parts.shard} do not add up ({row}); please report this")
    return row


def _flat(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
