"""Parquet files as records, in bounded memory.

What belongs here: row groups and the lies of Parquet files. Columns are `columns`, opening files is `readers`.
"""

import os
from typing import BinaryIO

import pyarrow.parquet as pq

from climb_assets.config import Corpus
from climb_assets.corpus.columns import BATCH_BYTES, BATCH_ROWS, Rows, batch_rows, choose_columns
from climb_assets.corpus.records import BrokenFileError
from climb_assets.corpus.unpacking import check_rows

BUFFER_BYTES = 2**20


def read_parquet_rows(stream: BinaryIO, settings: Corpus) -> Rows:
    """Yield the rows of an open file, for `columns.read_table`.

    A dictionary page can stand for any number of long rows, so a batch has as many rows as fit into `BATCH_BYTES`
    if each of them were as long as its whole row group.

    Raises
    ------
    BrokenFileError
        The file is a bomb or has other columns; whatever else Arrow raises is damage.
    """
    size = os.fstat(stream.fileno()).st_size
    with pq.ParquetFile(stream, buffer_size=BUFFER_BYTES, page_checksum_verification=True) as file:
        columns = choose_columns(file.schema_arrow, settings.text_column)
        group_bytes = [file.metadata.row_group(group).total_byte_size for group in range(file.num_row_groups)]
        if sum(group_bytes) > size * settings.max_expansion:
            raise BrokenFileError("bomb", f"unpacks to more than {settings.max_expansion} times its size")
        check_rows(file.metadata.num_rows, size, settings)
        for group, unpacked in enumerate(group_bytes):
            rows = min(max(1, BATCH_BYTES // max(1, unpacked)), BATCH_ROWS)
            for batch in file.iter_batches(rows, row_groups=[group], columns=columns):
                yield from batch_rows(batch)
