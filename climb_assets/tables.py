"""Parquet in and out, one way: zstd, page checksums, row groups of bounded size.

What belongs here: reading and writing tables of the lake. Schemas belong to the stage that writes them.
"""

import contextlib
from collections.abc import Iterable, Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from climb_assets.store.files import atomic_file

ROW_GROUP = 65_536
GIVEN_BACK = 2  # row groups of texts after which memory is given back, for a twentieth of the time at most
TEXTS = 256  # of documents, that a stage of one shard holds at a time; bounds memory only


def write_table(path: Path, table: pa.Table | Iterable[pa.RecordBatch], schema: pa.Schema | None = None) -> int:
    """Write a table, or a stream of batches of one schema, atomically; return the number of rows.

    Memory holds `ROW_GROUP` rows.
    """
    batches: Iterable[pa.RecordBatch] = table.to_batches() if isinstance(table, pa.Table) else table
    schema = table.schema if isinstance(table, pa.Table) else schema
    assert schema is not None, "a stream of batches needs its schema"
    rows = 0
    with open_table(path, schema) as writer:
        for group in _row_groups(batches):
            writer.write_table(group, ROW_GROUP)
            rows += group.num_rows
    return rows


def _row_groups(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Yield tables of exactly `ROW_GROUP` rows in one chunk, the last one of what is left.

    So the bytes of a file follow from its rows alone, whatever the parts in which they came.
    """
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        held.append(batch)
        rows += batch.num_rows
        while rows >= ROW_GROUP:
            table = pa.Table.from_batches(held)
            yield table.slice(0, ROW_GROUP).combine_chunks()
            held, rows = table.slice(ROW_GROUP).to_batches(), rows - ROW_GROUP
    if rows:
        yield pa.Table.from_batches(held).combine_chunks()


def gather(tables: Iterable[pa.Table], least: int = ROW_GROUP) -> Iterator[pa.Table]:
    """Yield tables end to end, `least` rows at least but for the last, so that a thousand small ones cost little.

    Memory holds as many rows, and the largest table.
    """
    held: list[pa.Table] = []
    rows = 0
    for table in tables:
        held.append(table)
        rows += table.num_rows
        if rows >= least:
            yield pa.concat_tables(held)
            held, rows = [], 0
    if held:
        yield pa.concat_tables(held)


def give_back_memory() -> None:
    """Give to the system what was freed: Arrow and C keep tens of MiB of it, which nothing else can use."""
    pa.default_memory_pool().release_unused()


@contextlib.contextmanager
def open_table(path: Path, schema: pa.Schema) -> Iterator[pq.ParquetWriter]:
    """Hand out a writer of batches; the table is there when the block ends, the old one if it raises."""
    with (
        atomic_file(path) as temporary,
        pq.ParquetWriter(temporary, schema, compression="zstd", write_page_checksum=True) as writer,
    ):
        yield writer


def write_rows(path: Path, rows: list[dict[str, Any]], schema: pa.Schema) -> int:
    """Write a list of records under a schema; return their number."""
    return write_table(path, pa.Table.from_pylist(rows, schema=schema))


def read_table(path: Path, columns: list[str] | None = None) -> pa.Table:
    """Read a whole table, page checksums verified."""
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        return file.read(columns=columns)


def read_rows(path: Path, column: str, value: str) -> pa.Table:
    """Read the rows that have a value in a text column; of a table that is sorted by it, only where they may lie."""
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        place = file.schema_arrow.get_field_index(column)
        groups = [number for number in range(file.num_row_groups) if _may_hold(file, number, place, value)]
        rows = file.read_row_groups(groups)
    return rows.filter(pc.equal(rows[column], value))


def _may_hold(file: pq.ParquetFile, group: int, place: int, value: str) -> bool:
    found = file.metadata.row_group(group).column(place).statistics
    return found is None or not found.has_min_max or found.min <= value <= found.max


def read_span(path: Path, first: int, rows: int, columns: list[str]) -> pa.Table:
    """Read so many rows from the one at place `first` on, page checksums verified, and of the rest what they lie in."""
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        sizes = [file.metadata.row_group(number).num_rows for number in range(file.num_row_groups)]
        ends = list(accumulate(sizes))
        groups = [number for number, end in enumerate(ends) if end > first and end - sizes[number] < first + rows]
        before = ends[groups[0]] - sizes[groups[0]] if groups else 0
        return file.read_row_groups(groups, columns=columns).slice(first - before, rows)


def count_rows(path: Path) -> int:
    """Return the number of rows that a file's footer states."""
    return int(pq.read_metadata(path).num_rows)


def iterate_batches(path: Path, rows: int, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """Yield batches of at most `rows` rows in file order, page checksums verified."""
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        yield from file.iter_batches(batch_size=rows, columns=columns)


def iterate_texts(path: Path, rows: int, columns: list[str]) -> Iterator[pa.RecordBatch]:
    """Yield batches of at most `rows` rows in file order, none of two row groups, page checksums verified.

    Memory holds a row group: what pyarrow has read of one stays until the stream ends that it belongs to. What was
    freed between what others keep is given back now and then.
    """
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        for group in range(file.num_row_groups):
            yield from file.iter_batches(batch_size=rows, row_groups=[group], columns=columns)
            if group % GIVEN_BACK == GIVEN_BACK - 1:
                give_back_memory()
