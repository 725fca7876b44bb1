"""The mixed corpus: the sampled documents' text, shuffled, in Parquet shards.

What belongs here: writing the data set in the lake's own form. Other forms are made from it by
`climb_assets.export`.
"""

import contextlib
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from climb_assets.clusters.shards import ShardTables
from climb_assets.errors import ComputeError
from climb_assets.executor.database import open_database
from climb_assets.mixture.pool import load_sample
from climb_assets.mixture.realisation import Realisation
from climb_assets.numbered_names import pad_number
from climb_assets.simplex.mixtures import FloatArray
from climb_assets.store.files import scratch_folder
from climb_assets.tables import give_back_memory, read_table, write_table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

PART = "part-"  # begins the names of the files of rows
BUCKETS = "buckets"
BUCKET_BITS = 6  # of places that tell the bucket, at most
BATCH_DOCUMENTS = 1024  # documents that are in memory at a time beside the shard being filled

MIXED_DOCUMENTS = pa.schema(
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

# Shards are read one after another, each with its rows of the sample: a file of each at once would be too many. The
# place of a copy is a hash of seed, document and copy: the same whatever the shards' order or the machine, and whatever
# else is in the data set. Its first 32 bits tell the bucket.
_COPIES = """
WITH copies AS (
    SELECT document.id, document.text, document.source, document.licence, sample.domain, name.name AS domain_name,
           sample.shard, copy.epoch::INTEGER AS epoch, md5($seed || ':' || document.id || ':' || copy.epoch) AS place
    FROM read_parquet($documents, hive_partitioning = false) AS document
    JOIN sample ON sample.shard = $shard AND sample.id = document.id
    JOIN names AS name ON name.domain = sample.domain,
    LATERAL (SELECT unnest(range(sample.copies)) AS epoch) AS copy
)
SELECT *, (('0x' || place[:8])::UBIGINT >> (32 - $bits::INTEGER))::INTEGER AS bucket FROM copies
"""
_SORTED = "SELECT * FROM bucket ORDER BY place, id, epoch"


def write_mixed_corpus(
    sample: Path, shards: Sequence[ShardTables], names: Sequence[str], out: Path, shard_documents: int, seed: int
) -> int:
    """Write the sampled documents into ``part-00000.parquet``, ... in the folder and return the number of rows.

    Rows are in one global shuffled order, which the hash of seed, document and copy gives, and a file holds a range of
    hashes: a document that stays in the data set stays where it was. Copies go to buckets first, which are ranges of
    hashes too, and one bucket after another is sorted. What does not fit into memory spills to disk.

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
    asked = pc.sum(read_table(sample, ["copies"])["copies"]).as_py() or 0
    bits = max(0, math.ceil(math.log2(max(asked, 1) / shard_documents)))
    with open_database(out) as connection, scratch_folder(out / BUCKETS) as folder:
        load_sample(connection, sample)
        connection.execute(
            "CREATE TABLE names AS SELECT unnest($domains)::INTEGER AS domain, unnest($names) AS name",
            {"domains": list(range(len(names))), "names": list(names)},
        )
        buckets = _fill_buckets(connection, shards, folder, min(bits, BUCKET_BITS), seed)
        connection.execute("DROP TABLE sample")
        written = 0
        for bucket in buckets:
            with pa.memory_map(str(bucket)) as file, pa.ipc.open_stream(file) as rows:
                connection.register("bucket", rows)
                for number, part in _cut(connection.sql(_SORTED).to_arrow_reader(BATCH_DOCUMENTS), bits):
                    written += write_table(out / f"{PART}{pad_number(number, 2**bits)}.parquet", part)
                connection.unregister("bucket")
            bucket.unlink()
            give_back_memory()
    if written != asked:
        raise ComputeError(f"the sample asks for {asked} rows and {written} were written; run `climb verify`")
    return written


def part_names(files: Iterable[str]) -> list[str]:
    """Return which of the files of a mixed corpus hold its rows, in their order."""
    # By length first: earlier versions gave all numbers five digits, and more only to those that have more.
    return sorted((name for name in files if name.startswith(PART)), key=lambda name: (len(name), name))


def _fill_buckets(
    connection: "DuckDBPyConnection", shards: Sequence[ShardTables], folder: Path, bits: int, seed: int
) -> list[Path]:
    """Write each copy into the file of its bucket, shard after shard; return the files in the order of their hashes.

    Parameters
    ----------
    bits
        How many of a place tell its bucket; as many files as that gives are open at once.
    """
    columns = [*MIXED_DOCUMENTS, pa.field("place", pa.string())]
    schema = pa.schema([field.with_nullable(True) for field in columns])
    files = [folder / f"{number:03d}.arrow" for number in range(2**bits)]
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with contextlib.ExitStack() as opened:
        writers = [opened.enter_context(pa.ipc.new_stream(str(file), schema, options=options)) for file in files]
        for shard in shards:
            values = {"documents": str(shard.documents), "shard": shard.shard, "seed": str(seed), "bits": bits}
            for batch in connection.sql(_COPIES, params=values).to_arrow_reader(BATCH_DOCUMENTS):
                rows, numbers = batch.select(schema.names).cast(schema), batch["bucket"].to_numpy()
                for number in np.unique(numbers).tolist():
                    writers[number].write_batch(rows.filter(pa.array(numbers == number)))
    return files


def _cut(batches: Any, bits: int) -> Iterator[tuple[int, pa.Table]]:
    """Yield the number and the rows of each file: those whose places begin with the same bits, of rows in order."""
    held: list[pa.RecordBatch] = []
    current = 0
    for batch in batches:
        numbers = np.array([int(place[:8], 16) for place in batch["place"].to_pylist()], dtype=np.int64) >> (32 - bits)
        for number in np.unique(numbers).tolist():
            if number != current and held:
                yield current, pa.Table.from_batches(held).select(MIXED_DOCUMENTS.names).cast(MIXED_DOCUMENTS)
                held = []
            current = number
            first, last = np.searchsorted(numbers, [number, number + 1]).tolist()
            held.append(batch.slice(first, last - first))
    if held:
        yield current, pa.Table.from_batches(held).select(MIXED_DOCUMENTS.names).cast(MIXED_DOCUMENTS)


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
