"""The mixed corpus: the sampled documents' text, shuffled, in Parquet shards.

What belongs here: writing the data set in the lake's own form. Other forms are made from it by
`climb_assets.mixture.export`.
"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from climb_assets.clusters.shards import ShardTables
from climb_assets.errors import ComputeError
from climb_assets.executor.database import open_database
from climb_assets.mixture.realisation import Realisation
from climb_assets.simplex.mixtures import FloatArray
from climb_assets.tables import read_table, write_table

BATCH_DOCUMENTS = 1024  # documents that are in memory at a time beside the shard being filled

DOCUMENTS = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("text", pa.string(), nullable=False),
        pa.field("source", pa.string()),
        pa.field("licence", pa.string()),
        pa.field("domain", pa.int32(), nullable=False),
        pa.field("domain_name", pa.string(), nullable=False),
        pa.field("shard", pa.string(), nullable=False),
        pa.field("epoch", pa.int32(), nullable=False),
    ]
)

REALISED = pa.schema(
    [
        pa.field("domain", pa.int32(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("wanted", pa.float64(), nullable=False),
        pa.field("weight", pa.float64(), nullable=False),
        pa.field("tokens", pa.int64(), nullable=False),
        pa.field("planned", pa.int64(), nullable=False),
        pa.field("epochs", pa.float64(), nullable=False),
    ]
)

# The place of a copy is a hash of seed, document and copy: the same whatever the shards' order or the machine, and
# whatever else is in the data set.
_SHUFFLED = """
SELECT document.id, document.text, document.source, document.licence, sample.domain, name.name AS domain_name,
       sample.shard, copy.epoch::INTEGER AS epoch, md5($seed || ':' || document.id || ':' || copy.epoch) AS place
FROM read_parquet($documents, hive_partitioning = false, filename = true) AS document
JOIN files ON files.path = document.filename
JOIN read_parquet($sample, hive_partitioning = false) AS sample
    ON sample.shard = files.shard AND sample.id = document.id
JOIN names AS name ON name.domain = sample.domain,
LATERAL (SELECT unnest(range(sample.copies)) AS epoch) AS copy
ORDER BY place, document.id, copy.epoch
"""


def write_mixed_corpus(
    sample: Path, shards: Sequence[ShardTables], names: Sequence[str], out: Path, shard_documents: int, seed: int
) -> int:
    """Write the sampled documents into ``part-00000.parquet``, ... in the folder and return the number of rows.

    Rows are in one global shuffled order, which the hash of seed, document and copy gives, and a file holds a range of
    hashes: a document that stays in the data set stays where it was. The sort spills to disk, so memory does not grow
    with the corpus.

    Parameters
    ----------
    sample
        What `climb_assets.mixture.pool.Pool.sample` wrote.
    shards
        Tables of every shard in the sample.
    names
        Names of the domains (K).
    shard_documents
        About the most rows in one file; the number of files is a power of two.

    Raises
    ------
    ComputeError
        A document of the sample is not to be found, or is there twice.
    """
    used = sorted(shards, key=lambda shard: shard.shard)
    with open_database(out) as connection:
        connection.execute(
            "CREATE TABLE files AS SELECT unnest($shards) AS shard, unnest($paths) AS path",
            {"shards": [shard.shard for shard in used], "paths": [str(shard.documents) for shard in used]},
        )
        connection.execute(
            "CREATE TABLE names AS SELECT unnest($domains)::INTEGER AS domain, unnest($names) AS name",
            {"domains": list(range(len(names))), "names": list(names)},
        )
        asked = pc.sum(read_table(sample, ["copies"])["copies"]).as_py() or 0
        bits = max(0, math.ceil(math.log2(max(asked, 1) / shard_documents)))
        values = {"documents": [str(shard.documents) for shard in used], "sample": str(sample), "seed": str(seed)}
        rows = connection.sql(_SHUFFLED, params=values).to_arrow_reader(BATCH_DOCUMENTS)
        parts = _cut(rows, bits)
        written = sum(write_table(out / f"part-{number:05d}.parquet", part) for number, part in parts)
    if written != asked:
        raise ComputeError(f"the sample asks for {asked} rows and {written} were written; run `climb verify`")
    return written


def _cut(batches: Any, bits: int) -> Iterator[tuple[int, pa.Table]]:
    """Yield the number and the rows of each file: those whose places begin with the same bits, of rows in order."""
    held: list[pa.RecordBatch] = []
    current = 0
    for batch in batches:
        numbers = np.array([int(place[:8], 16) for place in batch["place"].to_pylist()], dtype=np.int64) >> (32 - bits)
        for number in np.unique(numbers).tolist():
            if number != current and held:
                yield current, pa.Table.from_batches(held).select(DOCUMENTS.names).cast(DOCUMENTS)
                held = []
            current = number
            first, last = np.searchsorted(numbers, [number, number + 1]).tolist()
            held.append(batch.slice(first, last - first))
    if held:
        yield current, pa.Table.from_batches(held).select(DOCUMENTS.names).cast(DOCUMENTS)


def write_realised(
    path: Path, names: Sequence[str], wanted: FloatArray, plan: Realisation, tokens: npt.NDArray[np.int64]
) -> None:
    """Write the table of domains: the wanted weight, and the share, tokens and epochs that are in the corpus.

    Parameters
    ----------
    wanted
        The mixture (K,).
    tokens
        Tokens (K,) that the sample has.
    """
    met = np.divide(tokens, plan.tokens, out=np.zeros(len(names)), where=plan.tokens > 0)
    columns = {
        "domain": range(len(names)),
        "name": names,
        "wanted": wanted,
        "weight": tokens / tokens.sum(),
        "tokens": tokens,
        "planned": plan.tokens,
        "epochs": plan.epochs * met,
    }
    write_table(
        path,
        pa.table([pa.array(column) for column in columns.values()], list(columns)).cast(REALISED),
    )
