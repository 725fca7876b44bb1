"""Dagster's storage where it is a server, as PostgreSQL: its faults in words, and waiting until it answers again.

What belongs here: what goes wrong between `climb` and the storage that dagster.yaml names. SQLite's faults are those of
a disk (`climb_assets.device_faults`). Nothing that was made is lost with an event: an artefact is in the lake before
Dagster is told of it, and is reported again.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import sqlalchemy.exc

from climb_assets.device_faults import device_fault
from climb_assets.errors import ClimbError, ConfigError
from climb_assets.printable import printable

PATIENCE = 300.0  # seconds; a server restarts in less, and what takes longer somebody has to look at
PAUSE = 1.0  # seconds between two looks; Dagster's own tries of a connection take some 7 seconds besides
RETRYING = "Retrying failed database"  # how a warning of dagster-postgres begins, of four lines, six times over
OF_SERVERS = {"DBAPIError", "OperationalError", "InterfaceError", "InternalError", "DagsterPostgresException"}


class StorageFault(ClimbError):
    """The server of Dagster's storage did not do what was asked; what is in the lake is whole."""


def storage_fault(error: BaseException) -> str | None:
    """Return what a database server said, on one line; None where an error is of another kind, or of SQLite."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, sqlalchemy.exc.DBAPIError) and device_fault(cause) is None:
            return printable(" ".join(str(cause.orig).split()))
        cause = cause.__cause__
    return None


def step_lost_storage(failure: dg.DagsterEvent) -> bool:
    """Return whether a step failed because the server did not take an event of it, which Dagster keeps as text."""
    error = failure.step_failure_data.error
    while error is not None and error.cls_name not in OF_SERVERS:
        error = error.cause
    return error is not None


@contextlib.contextmanager
def opening_plainly(file: Path) -> Iterator[None]:
    """Say in one sentence why no instance can be opened by a dagster.yaml.

    Raises
    ------
    ConfigError
        It is not one that Dagster takes, or names something that is not installed.
    StorageFault
        The server that it names refuses, or does not answer.
    """
    try:
        yield
    except Exception as error:
        if device_fault(error) is not None or isinstance(error, ClimbError):
            raise
        if (said := storage_fault(error)) is not None:
            raise StorageFault(_advise(said, file)) from error
        raise ConfigError(f"Dagster cannot open its instance by {file}: {_reason(error)}") from error


@contextlib.contextmanager
def naming_storage(file: Path) -> Iterator[None]:
    """Let a fault of the server within the block be a `StorageFault` that names the dagster.yaml."""
    try:
        yield
    except Exception as error:
        if isinstance(error, ClimbError) or (said := storage_fault(error)) is None:
            raise
        raise StorageFault(_advise(said, file)) from error


@contextlib.contextmanager
def trying_quietly() -> Iterator[None]:
    """Keep to itself what dagster-postgres warns of while it tries to connect: what comes of it is said once."""

    def is_other(record: logging.LogRecord) -> bool:
        return not str(record.msg).startswith(RETRYING)

    logger = logging.getLogger()
    logger.addFilter(is_other)
    try:
        yield
    finally:
        logger.removeFilter(is_other)


def close_after_fault(
    instance: dg.DagsterInstance, run_id: str, fault: str, report: Callable[[str], None], patience: float = PATIENCE
) -> None:
    """Wait until the storage answers again, and mark a run as failed that it has lost the end of.

    Raises
    ------
    StorageFault
        It did not answer in time.
    """
    report(f"Dagster's storage failed ({fault}); going on once it answers")
    end = time.monotonic() + patience
    while True:
        try:
            run = instance.get_run_by_id(run_id)
            if run is not None and not run.is_finished:
                instance.report_run_failed(run, f"Dagster's storage failed meanwhile: {fault}")
            return
        except Exception as error:
            if storage_fault(error) is None or time.monotonic() > end:
                raise
            time.sleep(PAUSE)


def _advise(said: str, file: Path) -> str:
    return (
        f"Dagster's storage, which {file} names, failed: {said}; start that server or correct the file, and give the "
        "same command again: what is finished is in the lake"
    )


def _reason(error: Exception) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name == "psycopg":
        return "dagster-postgres brings the driver psycopg2, so write postgresql+psycopg2:// in the URL (scheme)"
    text = str(error)
    if "dagster_postgres" in text and "import" in text:
        return "PostgreSQL needs pip install 'climb[postgres]'"
    lines = text.splitlines() or [type(error).__name__]
    telling = [line for sign in ("PostProcessingError: ", "Error 1: ") for line in lines if sign in line]
    return printable((telling or lines)[0].rpartition("PostProcessingError: ")[2].partition(" Expected: ")[0].strip())
