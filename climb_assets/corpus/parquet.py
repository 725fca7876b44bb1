"""Parquet files as records, in bounded memory.

What belongs here: row groups and the lies of Parquet files. Columns are `columns`, opening files is `readers`.
"""

import os
from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow.parquet as pq

from climb_assets.config import Corpus
from climb_assets.corpus.columns import BATCH_BYTES, BATCH_ROWS, batch_rows, choose_columns, damage_as_fault, read_rows
from climb_assets.corpus.records import BrokenFileError, Fault, Record
from climb_assets.corpus.unpacking import check_rows

BUFFER_BYTES = 2**20


def read_parquet(stream: BinaryIO, settings: Corpus) -> Iterator[Record | Fault]:
    """Yield the rows of an open file, counted from 1.

    Raises
    ------
    BrokenFileError
        The file is damaged, a bomb, or has other columns.
    TransientError
        This machine lacks the memory that the file needs.
    OSError
        The device failed.
    """
    with damage_as_fault(stream, settings):
        yield from _read(stream, settings)


def _read(stream: BinaryIO, settings: Corpus) -> Iterator[Record | Fault]:
    size = os.fstat(stream.fileno()).st_size
    allowed = size * settings.max_expansion
    with pq.ParquetFile(stream, buffer_size=BUFFER_BYTES, page_checksum_verification=True) as file:
        columns = choose_columns(file.schema_arrow, settings.text_column)
        if sum(file.metadata.row_group(group).total_byte_size for group in range(file.num_row_groups)) > allowed:
            raise BrokenFileError("bomb", f"unpacks to more than {settings.max_expansion} times its size")
        check_rows(file.metadata.num_rows, size, settings)
        yield from read_rows(_rows(file, columns), allowed, settings)


def _rows(file: pq.ParquetFile, columns: list[str]) -> Iterator[dict[str, Any]]:
    """Yield rows.

    A dictionary page can stand for any number of long rows, so a batch has as many rows as fit into `BATCH_BYTES`
    if each of them were as long as its whole row group.
    """
    for group in range(file.num_row_groups):
        rows = BATCH_BYTES // max(1, file.metadata.row_group(group).total_byte_size)
        for batch in file.iter_batches(min(max(1, rows), BATCH_ROWS), row_groups=[group], columns=columns):
            yield from batch_rows(batch)
