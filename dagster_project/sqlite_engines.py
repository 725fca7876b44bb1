"""One engine for each of Dagster's SQLite databases, in place of one for each statement.

What belongs here: keeping what Dagster makes and throws away. With an engine goes the SQL that was compiled, and the
dialect that asks the database what it is: a sixth of the processor time of a `climb up` in which little is trained.
Connections are opened and closed as before, since the engines have no pool; so a database that is removed and made anew
is found.
"""

import functools
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any

from sqlalchemy.engine import Engine

MOST_ENGINES = 32  # there is a database for each run, of which few are read at once
MAKE = "create_engine"  # what each storage of Dagster's calls to make one


class KnownEngines:
    """Makes engines, and returns the same one for the same database.

    Parameters
    ----------
    make
        SQLAlchemy's `create_engine`.
    """

    def __init__(self, make: Callable[..., Engine]) -> None:
        self._make = make
        self._engines: OrderedDict[str, Engine] = OrderedDict()  # the one that was asked for last at the end
        self._lock = Lock()

    def __call__(self, url: str, **options: Any) -> Engine:
        """Return the engine of a database; `options` are the same for each of its URLs."""
        with self._lock:
            engine = self._engines.pop(url, None) or self._make(url, **options)
            self._engines[url] = engine
            if len(self._engines) > MOST_ENGINES:
                self._engines.popitem(last=False)
        return engine


@functools.cache
def keep_engines() -> None:
    """Let Dagster's SQLite storages in this process keep their engines."""
    import dagster._core.storage.event_log.sqlite.sqlite_event_log as events
    import dagster._core.storage.runs.sqlite.sqlite_run_storage as runs
    import dagster._core.storage.schedules.sqlite.sqlite_schedule_storage as schedules

    for storage in (events, runs, schedules):
        setattr(storage, MAKE, KnownEngines(getattr(storage, MAKE)))
