"""The rows of a data set, a file a domain.

What belongs here: one pass over the data set that fills the files of many domains. What a file looks like is said by
whoever asks.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from climb_assets.export.data_set import DataSet, Domain
from climb_assets.store.files import atomic_file, make_folder
from climb_assets.tables import iterate_batches

READ_ROWS = 4096  # rows that are in memory at a time, besides those that wait for their row group
MOST_OPEN = 256  # files; there are as many passes as that takes
TEXT_ROWS = 1024  # rows in a row group: what a reader holds at a time
LABELS = ["source", "licence", "domain_name", "shard"]  # columns of few values

Write = Callable[[pa.RecordBatch], None]
Open = Callable[[Path], AbstractContextManager[Write]]


def write_by_domain(
    data: DataSet, paths: Mapping[int, Path], open_file: Open, columns: Sequence[str] | None = None
) -> None:
    """Write the rows of each domain into its file, in the order of the data set; files that are there stay.

    Parameters
    ----------
    paths
        The file of each domain, by its number.
    open_file
        Opens one, and hands out what writes rows into it.
    columns
        Those that are needed; None: all.
    """
    asked = None if columns is None else list(columns)
    waiting = [number for number, path in paths.items() if not path.exists()]
    for first in range(0, len(waiting), MOST_OPEN):
        some = waiting[first : first + MOST_OPEN]
        with ExitStack() as files:
            writers = {number: files.enter_context(_whole(paths[number], open_file)) for number in some}
            for part in data.parts:
                for batch in iterate_batches(part, READ_ROWS, asked):
                    numbers = batch["domain"].to_numpy()
                    for number in np.unique(numbers).tolist():
                        if number in writers:
                            writers[number](batch.filter(pa.array(numbers == number)))


@contextmanager
def _whole(path: Path, open_file: Open) -> Iterator[Write]:
    make_folder(path.parent)
    with atomic_file(path) as temporary, open_file(temporary) as write:
        yield write


def paths_by_domain(domains: Sequence[Domain], folder: Path, suffix: str) -> dict[int, Path]:
    """Return the file of each domain in a folder."""
    return {domain.number: folder / f"{domain.key}{suffix}" for domain in domains}


@contextmanager
def open_parquet(path: Path) -> Iterator[Write]:
    """Hand out what writes rows into a Parquet file with row groups of `TEXT_ROWS`, however the rows come."""
    held: list[pa.RecordBatch] = []
    writer: pq.ParquetWriter | None = None

    with ExitStack() as opened:

        def write_groups(*, last: bool) -> None:
            nonlocal held, writer
            table = pa.Table.from_batches(held)
            while table.num_rows >= TEXT_ROWS or (last and table.num_rows):
                group, table = table.slice(0, TEXT_ROWS).combine_chunks(), table.slice(TEXT_ROWS)
                if writer is None:  # only now is its schema known
                    writer = opened.enter_context(_open_writer(path, group.schema))
                writer.write_table(group, TEXT_ROWS)
            held = table.to_batches()

        def write(batch: pa.RecordBatch) -> None:
            held.append(batch)
            if sum(map(len, held)) >= TEXT_ROWS:
                write_groups(last=False)

        yield write
        if held:
            write_groups(last=True)


def _open_writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """Open a file for rows of text: dictionaries and bounds for labels alone, as no two texts are equal."""
    labels = [name for name in LABELS if name in schema.names]
    return pq.ParquetWriter(
        path, schema, compression="zstd", use_dictionary=labels, write_statistics=labels, write_page_checksum=True
    )
