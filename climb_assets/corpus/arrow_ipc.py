"""Arrow IPC files (.arrow, .feather) as records: the file format and the stream that Hugging Face's `datasets` writes.

What belongs here: reading record batches that strangers wrote. Columns are `columns`, opening files is `readers`.
"""

import os
from typing import BinaryIO

import pyarrow as pa

from climb_assets.config import Corpus
from climb_assets.corpus.columns import BATCH_BYTES, BATCH_ROWS, Rows, batch_rows, choose_columns
from climb_assets.corpus.unpacking import check_rows

MAGIC = b"ARROW1"  # begins the file format; a stream begins with a message


def read_arrow_rows(stream: BinaryIO, settings: Corpus) -> Rows:
    """Yield the rows of an open file, for `columns.read_table`. Memory holds one record batch.

    Raises
    ------
    BrokenFileError
        The file is a bomb or has other columns; whatever else Arrow raises is damage.
    """
    size, total = os.fstat(stream.fileno()).st_size, 0
    is_file = stream.read(len(MAGIC)) == MAGIC
    stream.seek(0)
    with pa.ipc.open_file(stream) if is_file else pa.ipc.open_stream(stream) as reader:
        columns = choose_columns(reader.schema, settings.text_column)
        for batch in map(reader.get_batch, range(reader.num_record_batches)) if is_file else reader:
            batch.validate(full=True)  # reading trusts offsets
            total += batch.num_rows
            check_rows(total, size, settings)
            chosen = batch.select(columns)
            rows = min(max(1, BATCH_BYTES // max(1, chosen.nbytes)), BATCH_ROWS)
            for start in range(0, chosen.num_rows, rows):
                yield from batch_rows(chosen.slice(start, rows))
