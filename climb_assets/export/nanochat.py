"""Shards as nanochat reads them: Parquet of text only, the last of which is validation (docs/sources.md).

What belongs here: the rows of each shard.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from climb_assets.errors import ComputeError
from climb_assets.export.data_set import DataSet, Exported
from climb_assets.export.folder import unless_there
from climb_assets.tables import count_rows, iterate_batches, read_table

ROW_GROUP = 1024  # nanochat's repackage_data_reference.py; also the rows that are in memory at a time
PROCESSES = 8  # each reads row groups of its own, and waits for ever where it has none: as many as a node has GPUs
SHARD_CHARACTERS = 250_000_000  # the same
MOST_SHARDS = 100_000  # nanochat takes shards in the order of their names, whose numbers have five digits
VALIDATION_IDS = "0290"  # ids are hex hashes: 1 % of the documents have one up to this


def write_nanochat(data: DataSet, out: Path) -> Exported:
    """Write ``shard_00000.parquet``, ...; the last one is validation.

    Validation is every document whose id is among the lowest 1 %, once, and no copy of it is left in training; the
    smallest corpus gives one document. Where it was broken off the shards that are there are not written again, though
    their text is read.

    Raises
    ------
    ComputeError
        There are too few documents to hold any out, or more text than nanochat's names of shards can number.
    """
    lowest = min(pc.min(read_table(part, ["id"])["id"]).as_py() for part in data.parts)
    last_id = max(VALIDATION_IDS, lowest)

    def training(batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch.filter(pc.greater(batch["id"], last_id))

    def held_out(batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch.filter(pc.and_(pc.less_equal(batch["id"], last_id), pc.equal(batch["epoch"], 0)))

    def copies_of_them(batch: pa.RecordBatch) -> pa.RecordBatch:
        return batch.filter(pc.and_(pc.less_equal(batch["id"], last_id), pc.greater(batch["epoch"], 0)))

    parts = (training, held_out, copies_of_them)
    rows, documents, copies = (sum(map(len, map(part, _rows(data, ["id", "epoch"])))) for part in parts)
    if not rows:
        raise ComputeError("the mixed corpus is too small to hold out validation documents; raise mixture.tokens")
    shards = _write_text(map(training, _rows(data)), out, 0, _group_rows(rows))
    last = _write_text(map(held_out, _rows(data)), out, len(shards), _group_rows(documents))
    trained, validated = (sum(map(count_rows, paths)) for paths in (shards, last))
    return Exported(trained, validated, copies, [f"`shard_{len(shards):05d}.parquet`, the last shard, is validation."])


def _rows(data: DataSet, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    for part in data.parts:
        yield from iterate_batches(part, ROW_GROUP, columns or ["id", "text", "epoch"])


def _group_rows(rows: int) -> int:
    """Return how many of so many rows a row group has: where there are few, each process still gets one."""
    return max(1, min(ROW_GROUP, rows // PROCESSES))


def _write_text(batches: Iterator[pa.RecordBatch], out: Path, first: int, group_rows: int) -> list[Path]:
    """Write the text column in shards numbered from `first`, with even row groups; return their paths."""
    groups, paths = _regroup(batches, group_rows), list[Path]()
    group = next(groups, None)
    while group is not None:
        number = first + len(paths)
        if number >= MOST_SHARDS:
            raise ComputeError(
                f"the mixed corpus fills more than the {MOST_SHARDS:,} shards that nanochat's names number; lower "
                "mixture.tokens, or export with --format huggingface"
            )
        paths.append(out / f"shard_{number:05d}.parquet")
        group = _write_shard(paths[-1], group, groups)
    return paths


def _write_shard(path: Path, group: pa.Array | None, groups: Iterator[pa.Array]) -> pa.Array | None:
    """Write row groups until a shard is full, unless it is there; return the first of the next one."""
    schema, characters = pa.schema([pa.field("text", pa.string())]), 0
    with unless_there(path) as temporary, _open_writer(temporary, schema) as writer:
        while group is not None and characters < SHARD_CHARACTERS:
            if writer is not None:
                writer.write_table(pa.table([group], schema=schema), row_group_size=ROW_GROUP)
            characters += pc.sum(pc.utf8_length(group)).as_py()
            group = next(groups, None)
    return group


def _open_writer(path: Path | None, schema: pa.Schema) -> AbstractContextManager[pq.ParquetWriter | None]:
    """Open a file of a shard; None where it is there already, and so has no path to write to."""
    if path is None:
        return nullcontext()
    writer: AbstractContextManager[pq.ParquetWriter] = pq.ParquetWriter(
        path, schema, compression="zstd", compression_level=3
    )
    return writer


def _regroup(batches: Iterator[pa.RecordBatch], rows: int) -> Iterator[pa.Array]:
    """Yield text in arrays of so many rows, the last one of what is left."""
    held: list[str] = []
    for batch in batches:
        held += batch["text"].to_pylist()
        whole = len(held) - len(held) % rows
        yield from (pa.array(held[first : first + rows], pa.string()) for first in range(0, whole, rows))
        held = held[whole:]
    if held:
        yield pa.array(held, pa.string())
