"""A database within what this process may use: its share of the cores and of the memory, and a folder for the rest.

What belongs here: opening it. What is asked of it belongs to the stage that asks.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

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
