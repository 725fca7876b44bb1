"""The training index: which stretches of the tokenized shards belong to which domain, without a copy of the tokens.

What belongs here: writing and opening the `training_tokens` artefact. How sequences are drawn from it belongs to
`sequence_plan`, how held-out documents become a task to `tasks`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from climb_assets.clusters.domain_documents import read_domain_documents
from climb_assets.clusters.shards import ShardTables
from climb_assets.corpus.side_by_side import ROWS
from climb_assets.errors import ComputeError, MissingArtifact
from climb_assets.executor.database import insert_table, open_database
from climb_assets.store.artifacts import canonical_json
from climb_assets.store.files import MappedArrays, open_array, write_atomically
from climb_assets.tables import gather, give_back_memory, read_table, write_table

if TYPE_CHECKING:
    import duckdb

EVALUATION_SPLITS = ("search_eval", "report_eval")
EVALUATION_SCHEMA = pa.schema(
    [
        ("split", pa.string()),
        ("source", pa.string()),
        ("shard", pa.string()),
        ("id", pa.string()),
        ("start", pa.int64()),
        ("length", pa.int64()),
        ("bytes", pa.int64()),
    ]
)

_TRAIN = ["domain", "id", "shard", "start", "tokens"]
_HELD_OUT = ["split", "source", "shard", "id", "start", "tokens", "bytes"]
# What was sorted or dropped is given back before more is held; DuckDB would keep half a GB of it.
_GIVE_BACK = "SET allocator_flush_threshold = '1MB'; SET allocator_bulk_deallocation_flush_threshold = '1MB'"
_TABLES = """
    CREATE TABLE train (domain INTEGER, id UUID, shard INTEGER, start BIGINT, tokens BIGINT);
    CREATE TABLE held_out (
        split VARCHAR, source VARCHAR, shard INTEGER, id UUID, start BIGINT, tokens BIGINT, bytes BIGINT
    );
"""
_SUPPLY = "SELECT domain, sum(tokens)::BIGINT FROM train GROUP BY domain"
_SPANS = "SELECT domain, shard, start, tokens FROM train ORDER BY domain, id"
# Names and digits are made of rows that are in order already, which stay in it, so that no more than these is sorted.
_EVALUATION = """
    SELECT split, source, $shards[shard + 1], replace(id::VARCHAR, '-', ''), start, tokens, bytes
    FROM (FROM held_out ORDER BY split, source, id)
"""


@dataclass(frozen=True)
class ShardSpans(ShardTables):
    """What one shard gives to the index: its tables, and the data version of its tokens."""

    tokens_version: str


@dataclass(frozen=True)
class TrainingIndex:
    """The opened index.

    Parameters
    ----------
    spans
        int64 (documents, 4): domain, shard ordinal, first token, number of tokens; sorted by domain.
    tokens
        The token array of each shard, memory-mapped, in shard ordinal order.
    shards
        Shard names in ordinal order.
    evaluation
        Held-out documents, one row each (`EVALUATION_SCHEMA`).
    """

    spans: np.ndarray
    tokens: Sequence[np.ndarray]
    shards: tuple[str, ...]
    evaluation: pa.Table

    @property
    def supply(self) -> np.ndarray:
        """int64 (domains,): training tokens that each domain holds."""
        return np.bincount(self.spans[:, 0], weights=self.spans[:, 3]).astype(np.int64)

    def documents(self, domain: int) -> np.ndarray:
        """Return the spans of one domain, int64 (documents, 4)."""
        first, last = np.searchsorted(self.spans[:, 0], [domain, domain + 1])
        return self.spans[first:last]

    def text(self, shard: str, start: int, length: int) -> np.ndarray:
        """Return the token ids of one stretch of a shard."""
        return self.tokens[self.shards.index(shard)][start : start + length]


def load_training_index(folder: Path, tokens: Mapping[str, Path]) -> TrainingIndex:
    """Open a `training_tokens` artefact; `tokens` names each shard's ``tokens.npy``.

    Raises
    ------
    MissingArtifact
        A shard of the index has no token file.
    """
    shards = tuple(record["shard"] for record in json.loads((folder / "shards.json").read_text(encoding="utf-8")))
    absent = [shard for shard in shards if shard not in tokens]
    if absent:
        raise MissingArtifact(f"no token file was given for shard {absent[0]!r}; run `climb up --to tokenized_shards`")
    return TrainingIndex(
        spans=np.load(folder / "spans.npy", mmap_mode="r", allow_pickle=False),
        tokens=MappedArrays(tokens[shard] for shard in shards),
        shards=shards,
        evaluation=read_table(folder / "evaluation.parquet"),
    )


def build_training_index(
    shards: Sequence[ShardSpans], splits: Path, domains: Path, domain_of_cluster: Path, out: Path
) -> dict[str, int]:
    """Write the `training_tokens` artefact: ``shards.json``, ``spans.npy``, ``evaluation.parquet``, ``supply.parquet``.

    Train documents whose cluster was kept become spans, sorted by domain then document id. Held-out documents are all
    kept for evaluation, whatever their cluster. Documents that the manifest leaves out (duplicates and the like) count
    in neither.

    Parameters
    ----------
    shards
        All shards, in name order.
    splits
        ``splits.parquet`` of `corpus_manifest`.
    domains, domain_of_cluster
        ``domains.parquet`` and ``clusters.parquet`` of `domains`.

    Returns
    -------
    Facts: documents, tokens, domains, and evaluation documents.

    Raises
    ------
    ComputeError
        A domain has no training text.
    CorruptArtifact
        The tables of a shard are not of the same documents.
    """
    named = read_table(domains, ["domain", "name"])
    with open_database(out) as database:
        database.execute(_GIVE_BACK)
        _load_documents(database, shards, splits, domain_of_cluster)
        give_back_memory()
        tokens = _count_tokens(database, named.num_rows)
        documents = _write_spans(database, out / "spans.npy")
        held_out = _write_evaluation(database, [shard.shard for shard in shards], out / "evaluation.parquet")
    listing = [{"shard": shard.shard, "tokens_version": shard.tokens_version} for shard in shards]
    write_atomically(out / "shards.json", canonical_json(listing).encode())
    supply = {"domain": named["domain"], "name": named["name"], "tokens": tokens, "prior": tokens / tokens.sum()}
    write_table(out / "supply.parquet", pa.table(supply))
    return {
        "documents": documents,
        "tokens": int(tokens.sum()),
        "domains": named.num_rows,
        "evaluation_documents": held_out,
    }


def _load_documents(
    database: "duckdb.DuckDBPyConnection", shards: Sequence[ShardSpans], splits: Path, domain_of_cluster: Path
) -> None:
    """Load the train documents of kept clusters and those held out, one shard after another."""
    database.execute(_TABLES)
    columns = (["source", "bytes"], ["start", "tokens"])
    for rows in gather(read_domain_documents(shards, splits, domain_of_cluster, *columns), ROWS):
        train = pc.and_(pc.equal(rows["split"], "train"), pc.is_valid(rows["domain"]))
        held_out = pc.is_in(rows["split"], pa.array(EVALUATION_SPLITS))
        insert_table(database, "train", rows.select(_TRAIN).filter(train))
        insert_table(database, "held_out", rows.select(_HELD_OUT).filter(held_out))


def _count_tokens(database: "duckdb.DuckDBPyConnection", domains: int) -> NDArray[np.int64]:
    """Return the training tokens of each domain (domains,), after checking that each has some."""
    tokens = np.zeros(domains, np.int64)
    for domain, counted in database.execute(_SUPPLY).fetchall():
        tokens[domain] = counted
    for domain in np.flatnonzero(tokens == 0).tolist():
        raise ComputeError(f"domain {domain} has no training text; put it back, or run `climb renew taxonomy`")
    return tokens


def _write_spans(database: "duckdb.DuckDBPyConnection", path: Path) -> int:
    """Write the spans of the train documents, int64 (documents, 4), by domain, then document id; return their number.

    They are written as they come, so that memory holds no array of them.
    """
    [(documents,)] = database.execute("SELECT count(*) FROM train").fetchall()
    with open_array(path, np.dtype(np.int64), (documents, 4)) as stream:
        for batch in database.sql(_SPANS).to_arrow_reader(ROWS):
            columns = [column.to_numpy() for column in batch.columns]
            stream.write(np.stack(columns, axis=1, dtype=np.int64).tobytes())
    database.execute("DROP TABLE train; CHECKPOINT")
    return int(documents)


def _write_evaluation(database: "duckdb.DuckDBPyConnection", shards: list[str], path: Path) -> int:
    """Write the documents that are held out, by split, source and id; return their number."""
    batches = database.sql(_EVALUATION, params={"shards": shards}).to_arrow_reader(ROWS)
    rows = (pa.RecordBatch.from_arrays(batch.columns, schema=EVALUATION_SCHEMA) for batch in batches)
    return write_table(path, rows, EVALUATION_SCHEMA)
