"""The databases that Dagster keeps in its home: made once, and put right where a kill left half of one.

What belongs here: SQLite files, as Dagster lays them out where dagster.yaml names no storage. Dagster makes each of
them in several transactions, in whichever process comes first: one that is killed on the way, or two at once, leave a
database that no later process can open. Whoever calls this holds the lease of the home.
"""

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import dagster as dg
import yaml

from climb_assets.errors import ConfigError, DeviceFault
from climb_assets.store.files import atomic_file, make_folder, remove_unfinished, scratch_folder

State = Literal["whole", "without data", "of several versions"]  # the last two are put right

HOME_VARIABLE = "DAGSTER_HOME"
STORAGE_KEYS = {"storage", "run_storage", "event_log_storage", "schedule_storage"}  # of dagster.yaml
BUSY_SECONDS = 30.0  # as Dagster waits for a locked database
HAS_DATA = {  # each database, and what asks whether anything was ever kept in it
    "history/runs.db": "SELECT EXISTS (SELECT 1 FROM runs) OR EXISTS (SELECT 1 FROM bulk_actions)",
    "history/runs/index.db": "SELECT EXISTS (SELECT 1 FROM event_logs) OR EXISTS (SELECT 1 FROM dynamic_partitions)",
    "schedules/schedules.db": "SELECT EXISTS (SELECT 1 FROM jobs) OR EXISTS (SELECT 1 FROM instigators)",
}


@contextlib.contextmanager
def home_in_environment(home: Path) -> Iterator[None]:
    """Let DAGSTER_HOME name a folder within the block."""
    before = os.environ.get(HOME_VARIABLE)
    os.environ[HOME_VARIABLE] = str(home)
    try:
        yield
    finally:
        if before is None:
            del os.environ[HOME_VARIABLE]
        else:
            os.environ[HOME_VARIABLE] = before


def make_databases(home: Path) -> None:
    """Have Dagster make its databases in a folder that has a dagster.yaml."""
    with home_in_environment(home), dg.DagsterInstance.get():
        pass


def _keeps_databases(home: Path) -> bool:
    """Return whether Dagster keeps its databases in this very folder: its dagster.yaml names no other storage."""
    file = home / "dagster.yaml"
    try:
        settings = yaml.safe_load(file.read_text(encoding="utf-8")) if file.exists() else None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} is not YAML: {' '.join(str(error).split())}") from None
    return not (isinstance(settings, dict) and STORAGE_KEYS & settings.keys())


def heal_databases(home: Path, template: Path) -> list[str]:
    """Put right the databases of a home that are missing or half made; return their names.

    One that holds nothing gives way to a new one, made aside. In one that holds something, of several versions (two
    processes made it at once) the newest stays. A home whose dagster.yaml names another storage is left alone.

    Parameters
    ----------
    template
        The dagster.yaml by which new ones are made.

    Raises
    ------
    DeviceFault
        One is no database at all, and nobody knows what it held.
    """
    if not _keeps_databases(home):
        return []
    aside = home / "databases"
    remove_unfinished(aside)
    states = {name: _look_at(home, name) for name in HAS_DATA}
    broken = {name: state for name, state in states.items() if state != "whole"}
    if not broken:
        return []
    with scratch_folder(aside) as fresh:
        shutil.copyfile(template, fresh / "dagster.yaml")
        make_databases(fresh)
        for name, state in broken.items():
            if state == "of several versions":
                _keep_version(home / name, _versions(fresh / name)[0])
            else:
                _replace(home / name, fresh / name)
    return list(broken)


def _look_at(home: Path, name: str) -> State:
    path = home / name
    if not path.exists():
        return "without data"
    try:
        versions = _versions(path)
        with contextlib.closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection:
            has_data = _answers(connection, HAS_DATA[name])
            ready = _answers(connection, "SELECT EXISTS (SELECT 1 FROM secondary_indexes)")
    except sqlite3.OperationalError:  # locked, or the disk: not for us to mend
        raise
    except sqlite3.DatabaseError as error:
        raise DeviceFault(
            f"{path} is no database ({error}); move the folder {path.parent} away and run again: Dagster's history is "
            "made anew, and what lies in the lake is reported to it"
        ) from None
    if has_data:
        return "whole" if len(versions) <= 1 else "of several versions"
    return "whole" if len(versions) == 1 and ready else "without data"


def _versions(path: Path) -> list[str]:
    with contextlib.closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection:
        if not _answers(connection, "SELECT EXISTS (SELECT 1 FROM alembic_version)"):
            return []
        return [str(row[0]) for row in connection.execute("SELECT version_num FROM alembic_version")]


def _answers(connection: sqlite3.Connection, question: str) -> bool:
    """Return the answer to a question with yes or no; no where the tables that it asks are not there yet."""
    try:
        return bool(connection.execute(question).fetchone()[0])
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise
        return False


def _keep_version(path: Path, version: str) -> None:
    with contextlib.closing(sqlite3.connect(path, timeout=BUSY_SECONDS)) as connection, connection:
        connection.execute("DELETE FROM alembic_version")
        connection.execute("INSERT INTO alembic_version VALUES (?)", [version])


def _replace(path: Path, fresh: Path) -> None:
    make_folder(path.parent)
    for suffix in ("-wal", "-shm", "-journal"):  # of the old one: SQLite would play them into the new one
        Path(f"{path}{suffix}").unlink(missing_ok=True)
    with atomic_file(path) as temporary:
        shutil.copyfile(fresh, temporary)
