"""The documents of a data set, one row each, and the root that stands for all of them.

What belongs here: the table and what is hashed of a row. The hashes are `merkle`.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from climb_assets.audit.merkle import RUN, hash_runs, root_of
from climb_assets.errors import ComputeError
from climb_assets.executor.database import open_database
from climb_assets.mixture.pool import load_sample
from climb_assets.store.artifacts import canonical_json
from climb_assets.tables import ROW_GROUP, count_rows, iterate_batches, write_table

DOCUMENTS_TABLE, ROOT = "documents.parquet", "documents_root.json"

SCHEMA = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("source", pa.string()),
        pa.field("licence", pa.string()),
        pa.field("sha256", pa.string(), nullable=False),  # of the text's UTF-8 bytes
        pa.field("shard", pa.string(), nullable=False),
        pa.field("file", pa.string(), nullable=False),  # the raw file, by its path under corpus.raw
        pa.field("record", pa.int64(), nullable=False),  # its number in that file
        pa.field("domain", pa.int32(), nullable=False),
        pa.field("domain_name", pa.string(), nullable=False),
        pa.field("weight", pa.float64(), nullable=False),  # of the domain in the mixture
        pa.field("copies", pa.int64(), nullable=False),  # how often it stands in the data set
        pa.field("tokens", pa.int64(), nullable=False),  # of one copy
    ]
)

_ORIGIN = """
CREATE TABLE origin (
    shard VARCHAR, id VARCHAR, file VARCHAR, record BIGINT, source VARCHAR, licence VARCHAR, sha256 VARCHAR
)
"""
_COLLECT = """
INSERT INTO origin SELECT $shard, id, file, record, source, licence, sha256(text)
FROM read_parquet($documents, hive_partitioning = false) WHERE id IN (SELECT id FROM sample WHERE shard = $shard)
"""
_DOCUMENTS = """
SELECT sample.id, source, licence, sha256, sample.shard, file, record, sample.domain, realised.name AS domain_name,
       realised.wanted AS weight, copies, sample.tokens
FROM sample JOIN origin USING (shard, id)
JOIN read_parquet($realised, hive_partitioning = false) AS realised USING (domain)
ORDER BY sample.id, sample.shard
"""


def write_documents(sample: Path, shards: Mapping[str, Path], realised: Path, out: Path) -> int:
    """Write every document of a data set, sorted by id, and return their number.

    Parameters
    ----------
    sample
        What `climb_assets.mixture.pool.Pool.sample` wrote.
    shards
        ``documents.parquet`` of each shard by name; they are read one after another.
    realised
        ``realised.parquet`` of the data set: the domains with their weights.

    Raises
    ------
    ComputeError
        One is not to be found in its shard.
    """
    with open_database(out.parent) as connection:
        load_sample(connection, sample)
        connection.execute(_ORIGIN)
        for shard, documents in shards.items():
            connection.execute(_COLLECT, {"shard": shard, "documents": str(documents)})
        found = connection.sql(_DOCUMENTS, params={"realised": str(realised)}).to_arrow_reader(ROW_GROUP)
        written = write_table(out, (rows.cast(SCHEMA) for rows in found), SCHEMA)
    if written != count_rows(sample):
        raise ComputeError(f"{count_rows(sample)} documents were drawn and {written} are there; run `climb verify`")
    return written


def rows_of(documents: Path) -> Iterator[bytes]:
    """Yield what is hashed of each row, in order: its JSON text with sorted keys and without spaces, as UTF-8."""
    for batch in iterate_batches(documents, RUN, SCHEMA.names):
        for row in batch.to_pylist():
            yield row_bytes(row)


def row_bytes(row: Mapping[str, Any]) -> bytes:
    """Return what is hashed of one row."""
    return canonical_json(dict(row)).encode()


def describe_root(documents: Path) -> dict[str, Any]:
    """Return the root over a table of documents, and of each run of rows its hash, which a proof is made from."""
    rows, runs = count_rows(documents), hash_runs(rows_of(documents))
    return {"root": root_of(runs, rows), "rows": rows, "run": RUN, "runs": [one.hex() for one in runs]}
