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

from climb_assets.errors import ComputeError, MissingArtifact
from climb_assets.executor.database import open_database
from climb_assets.store.artifacts import canonical_json
from climb_assets.store.files import MappedArrays, write_array, write_atomically
from climb_assets.tables import count_rows, read_table, write_table

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


_TABLE = """
CREATE TABLE document(
    ordinal INT, shard TEXT, id TEXT, split TEXT, source TEXT,
    bytes BIGINT, start BIGINT, length BIGINT, domain INT
)
"""
_LOAD = """
INSERT INTO document
SELECT $ordinal, $name, d.id, coalesce(o.split, d.split), d.source,
       d.bytes, t.start, t.tokens, c.domain
FROM read_parquet($documents, hive_partitioning = false) d
JOIN read_parquet($tokens, hive_partitioning = false) t USING (id)
JOIN read_parquet($assignments, hive_partitioning = false) a USING (id)
LEFT JOIN read_parquet($clusters, hive_partitioning = false) c USING (cluster)
LEFT JOIN read_parquet($splits, hive_partitioning = false) o ON o.shard = $name AND o.id = d.id
"""
_TRAIN = """
SELECT domain, ordinal, start, length FROM document
WHERE split = 'train' AND domain IS NOT NULL ORDER BY domain, id
"""
_EVALUATION = """
SELECT split, source, shard, id, start, length, bytes FROM document
WHERE split IN (SELECT unnest($splits)) ORDER BY split, source, id
"""


@dataclass(frozen=True)
class ShardSpans:
    """What one shard gives to the index.

    Parameters
    ----------
    shard
        Name of the shard.
    documents, tokens, assignments
        ``documents.parquet`` of `corpus_shards`, ``documents.parquet`` of `tokenized_shards`, ``assignments.parquet``.
    tokens_version
        Data version of the shard's tokens.
    """

    shard: str
    documents: Path
    tokens: Path
    assignments: Path
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
    """
    with open_database(out) as database:
        _load_documents(database, shards, splits, domain_of_cluster)
        spans = _collect_spans(database)
        evaluation = database.sql(_EVALUATION, params={"splits": list(EVALUATION_SPLITS)}).to_arrow_table()
    named = read_table(domains, ["domain", "name"])
    tokens = _count_tokens(spans, named.num_rows)
    write_array(out / "spans.npy", spans)
    listing = [{"shard": shard.shard, "tokens_version": shard.tokens_version} for shard in shards]
    write_atomically(out / "shards.json", canonical_json(listing).encode())
    write_table(out / "evaluation.parquet", evaluation.cast(EVALUATION_SCHEMA))
    supply = {"domain": named["domain"], "name": named["name"], "tokens": tokens, "prior": tokens / tokens.sum()}
    write_table(out / "supply.parquet", pa.table(supply))
    return {
        "documents": len(spans),
        "tokens": int(tokens.sum()),
        "domains": named.num_rows,
        "evaluation_documents": evaluation.num_rows,
    }


def _load_documents(
    database: "duckdb.DuckDBPyConnection", shards: Sequence[ShardSpans], splits: Path, domain_of_cluster: Path
) -> None:
    """Load every document of the shards, one shard after another, with its split, its tokens and its domain."""
    database.execute(_TABLE)
    for ordinal, shard in enumerate(shards):
        values = {
            "ordinal": ordinal,
            "name": shard.shard,
            "documents": str(shard.documents),
            "tokens": str(shard.tokens),
            "assignments": str(shard.assignments),
            "clusters": str(domain_of_cluster),
            "splits": str(splits),
        }
        database.execute(_LOAD, values)
    _require_all(database, shards)


def _collect_spans(database: "duckdb.DuckDBPyConnection") -> np.ndarray:
    """Return the spans of the train documents, int64 (documents, 4), sorted by domain, then document id."""
    train = database.execute(_TRAIN).fetchnumpy()
    columns = ("domain", "ordinal", "start", "length")
    return np.stack([np.asarray(train[name], dtype=np.int64) for name in columns], axis=1)


def _require_all(database: "duckdb.DuckDBPyConnection", shards: Sequence[ShardSpans]) -> None:
    """Check that the joins of a shard's tables lost no document."""
    wanted = sum(count_rows(shard.documents) for shard in shards)
    [(joined,)] = database.execute("SELECT count(*) FROM document").fetchall()
    if joined != wanted:
        raise ComputeError(f"{wanted} documents were read and {joined} have tokens and a cluster; please report this")


def _count_tokens(spans: np.ndarray, domains: int) -> np.ndarray:
    """Return the training tokens of each domain, int64 (domains,), after checking that each has some."""
    tokens = np.bincount(spans[:, 0], weights=spans[:, 3], minlength=domains).astype(np.int64)
    for domain in np.flatnonzero(tokens == 0).tolist():
        raise ComputeError(f"domain {domain} has no training text; put it back, or run `climb renew taxonomy`")
    return tokens
