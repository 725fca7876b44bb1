"""Dagster's databases without what it costs to reach them: no test outlives a power cut, and none needs it done anew.

What belongs here: what a process that runs tests saves at each of its thousands of connections. Processes that a test
starts (`climb up`, workers, servers) do as users' do.
"""

import functools
import sqlite3
from typing import Any

import sqlalchemy
from alembic.script import ScriptDirectory

MOST = 64  # databases of which an engine is kept; each run has one of its own

_make_engine = sqlalchemy.create_engine


@sqlalchemy.event.listens_for(sqlalchemy.Engine, "connect")
def wait_for_no_disk(connection: object, record: object) -> None:
    """Let Dagster's databases write without waiting for the disk."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


@functools.lru_cache(MOST)
def _engine_of_file(url: str, timeout: float | None) -> sqlalchemy.Engine:
    settings = {} if timeout is None else {"timeout": timeout}
    return _make_engine(url, poolclass=sqlalchemy.NullPool, connect_args=settings)


def create_engine(url: Any, **options: Any) -> sqlalchemy.Engine:
    """Return the engine of a SQLite file that was asked for before, or a new one.

    Dagster makes one for each connection, and with it compiles each statement anew. Connections are not kept: each is
    opened when it is asked for, and closed behind it.
    """
    settings = options.get("connect_args", {})
    of_file = str(url).startswith("sqlite:///") and options.get("poolclass") is sqlalchemy.NullPool
    if of_file and options.keys() <= {"poolclass", "connect_args"} and settings.keys() <= {"timeout"}:
        return _engine_of_file(str(url), settings.get("timeout"))
    return _make_engine(url, **options)


def reach_them_quickly() -> None:
    """Keep engines, and Dagster's migration scripts, which it reads for each new database; before Dagster is loaded."""
    sqlalchemy.create_engine = create_engine
    ScriptDirectory.from_config = functools.lru_cache(ScriptDirectory.from_config)
