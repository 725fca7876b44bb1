"""Parquet files as records, in bounded memory.

What belongs here: columns, batches and the lies of Parquet files. Opening files is `readers`.
"""

import os
from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from climb_assets.config import Corpus
from climb_assets.corpus.records import LICENCE_KEYS, BrokenFileError, Fault, Record, make_record

BUFFER_BYTES = 2**20
BATCH_ROWS = 1024
BATCH_BYTES = 2**28


def read_parquet(stream: BinaryIO, settings: Corpus) -> Iterator[Record | Fault]:
    """Yield the rows of an open file, counted from 1.

    Raises
    ------
    BrokenFileError
        The file is damaged, a bomb, or has other columns.
    OSError
        The device failed.
    """
    try:
        yield from _parquet_rows(stream, settings)
    except (pa.ArrowException, MemoryError) as error:
        raise BrokenFileError("corrupt", str(error)) from None
    except OSError as error:  # Arrow reports damaged bytes so too, but without an error number
        if error.errno is not None:
            raise
        raise BrokenFileError("corrupt", str(error)) from None


def _parquet_rows(stream: BinaryIO, settings: Corpus) -> Iterator[Record | Fault]:
    text = settings.text_column
    allowed = os.fstat(stream.fileno()).st_size * settings.max_expansion
    bomb = BrokenFileError("bomb", f"unpacks to more than {settings.max_expansion} times its size")
    with pq.ParquetFile(stream, buffer_size=BUFFER_BYTES, page_checksum_verification=True) as file:
        columns = _parquet_columns(file.schema_arrow, text)
        if sum(file.metadata.row_group(group).total_byte_size for group in range(file.num_row_groups)) > allowed:
            raise bomb
        for row, cells in enumerate(_parquet_cells(file, columns), start=1):
            size = sum(len(cell) for cell in cells.values() if isinstance(cell, bytes))
            allowed -= size
            if allowed < 0:
                raise bomb
            if size > settings.max_record_bytes:
                yield Fault(row, "record_too_long", f"more than {settings.max_record_bytes} bytes")
            else:
                yield _decode_row(row, cells, text)


def _parquet_cells(file: pq.ParquetFile, columns: list[str]) -> Iterator[dict[str, Any]]:
    """Yield rows, their strings as bytes.

    A dictionary page can stand for any number of long rows, so a batch has as many rows as fit into `BATCH_BYTES`
    if each of them were as long as its whole row group.
    """
    for group in range(file.num_row_groups):
        rows = BATCH_BYTES // max(1, file.metadata.row_group(group).total_byte_size)
        for batch in file.iter_batches(min(max(1, rows), BATCH_ROWS), row_groups=[group], columns=columns):
            values = [_column_bytes(column) for column in batch.columns]
            for cells in zip(*values, strict=True):
                yield dict(zip(batch.schema.names, cells, strict=True))


def _parquet_columns(schema: pa.Schema, text: str) -> list[str]:
    """Return the columns to read; the text column must be there once and hold strings."""
    index = schema.get_field_index(text)
    if index < 0 or not _is_text(schema.field(index).type):
        found = ", ".join(f"{field.name} {field.type}" for field in schema)
        raise BrokenFileError("wrong_columns", f"needs one string column {text}, has {found}")
    labels = [name for name in ("source", *LICENCE_KEYS, "article") if schema.get_field_index(name) >= 0]
    return [text, *(name for name in labels if not pa.types.is_nested(schema.field(name).type))]


def _is_text(kind: pa.DataType) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _column_bytes(column: pa.Array) -> list[Any]:
    """Return a column's values, strings as their bytes: Arrow does not check that they are UTF-8."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if _is_text(column.type):
        column = column.cast(pa.large_binary())
    return list(column.to_pylist())


def _decode_row(row: int, cells: dict[str, Any], text: str) -> Record | Fault:
    try:
        values = {name: cell.decode() if isinstance(cell, bytes) else cell for name, cell in cells.items()}
    except UnicodeDecodeError as error:
        return Fault(row, "bad_utf8", f"byte {error.start}: {error.reason}")
    return make_record(row, values, text)
