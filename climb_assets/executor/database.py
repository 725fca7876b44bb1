"""A database within what this process may use: its share of the cores and of the memory, and a folder for the rest.

What belongs here: opening it, and handing rows to it. What is asked of it belongs to the stage that asks.
"""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from climb_assets.executor.capacity import measure_capacity, thread_count
from climb_assets.store.files import UNFINISHED

if TYPE_CHECKING:
    import duckdb

SCRATCH = f".duckdb{UNFINISHED}"  # so it goes with what else a dead writer left half written
SHARE = 2  # half of this process's share of the memory: Arrow, NumPy and the tables that are handed over need some too


@contextlib.contextmanager
def open_database(folder: Path | None = None) -> Iterator["duckdb.DuckDBPyConnection"]:
    """Hand out an empty DuckDB; what its share of the memory does not hold goes to a hidden folder in `folder`.

    Left to itself it takes most of the machine's memory, whoever else works there, and writes the rest into the folder
    that the process was started in. It fetches no extension.

    Parameters
    ----------
    folder
        Where something is being made, on the lake's disk; DuckDB makes its folder when it is needed, and removes it.
        None: nothing is put down, and what does not fit fails.
    """
    import duckdb

    capacity, threads = measure_capacity(), thread_count()
    memory = capacity.memory_bytes * min(threads, capacity.cores) // capacity.cores // SHARE
    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "memory_limit": f"{memory}B",
        "temp_directory": "" if folder is None else str(folder / SCRATCH),
        "threads": threads,
    }
    with duckdb.connect(config=config) as connection:
        yield connection


@contextlib.contextmanager
def stream_rows(connection: "duckdb.DuckDBPyConnection", tables: Iterable[pa.Table]) -> Iterator[None]:
    """Let one query read Arrow tables as ``rows``, one after another; memory holds one of them.

    What a query has built is used for all of them, where a query for each would build it again. At least one table is
    needed. What fails while they are made is raised as it was.
    """
    import duckdb

    failures: list[BaseException] = []

    def batches() -> Iterator[pa.RecordBatch]:
        try:
            yield from first.to_batches()
            for table in tables:
                yield from table.to_batches()
        except GeneratorExit:  # the query reads no further
            raise
        except BaseException as error:
            failures.append(error)  # DuckDB makes one of its own of it, of Ctrl-C too
            raise

    tables = iter(tables)
    first = next(tables)
    connection.register("rows", pa.RecordBatchReader.from_batches(first.schema, batches()))
    try:
        yield
    except duckdb.Error:
        for error in failures:
            raise error from None
        raise
    finally:
        connection.unregister("rows")


def insert_table(connection: "duckdb.DuckDBPyConnection", name: str, table: pa.Table) -> None:
    """Add an Arrow table's rows to a table of the database."""
    connection.register("rows", table)
    connection.table("rows").insert_into(name)
    connection.unregister("rows")
