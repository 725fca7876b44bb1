"""Arrow IPC files (.arrow, .feather) as records: the file format and the stream that Hugging Face's `datasets` writes.

What belongs here: reading record batches that strangers wrote. Columns are `columns`, opening files is `readers`.
"""

import os
from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa

from climb_assets.config import Corpus
from climb_assets.corpus.columns import BATCH_BYTES, BATCH_ROWS, batch_rows, choose_columns, damage_as_fault, read_rows
from climb_assets.corpus.records import Fault, Record
from climb_assets.corpus.unpacking import check_rows

MAGIC = b"ARROW1"  # begins the file format; a stream begins with a message


def read_arrow(stream: BinaryIO, settings: Corpus) -> Iterator[Record | Fault]:
    """Yield the rows of an open file, counted from 1. Memory holds one record batch.

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
    is_file = stream.read(len(MAGIC)) == MAGIC
    stream.seek(0)
    with pa.ipc.open_file(stream) if is_file else pa.ipc.open_stream(stream) as reader:
        columns = choose_columns(reader.schema, settings.text_column)
        yield from read_rows(_rows(reader, columns, size, settings), size * settings.max_expansion, settings)


def _rows(reader: Any, columns: list[str], size: int, settings: Corpus) -> Iterator[dict[str, Any]]:
    """Yield rows of validated batches; reading trusts offsets that only a full validation checks."""
    number = reader.num_record_batches if hasattr(reader, "num_record_batches") else None
    batches = iter(reader) if number is None else (reader.get_batch(place) for place in range(number))
    total = 0
    for batch in batches:
        batch.validate(full=True)
        total += batch.num_rows
        check_rows(total, size, settings)
        chosen = batch.select(columns)
        rows = min(max(1, BATCH_BYTES // max(1, chosen.nbytes)), BATCH_ROWS)
        for start in range(0, chosen.num_rows, rows):
            yield from batch_rows(chosen.slice(start, rows))
