"""Dagster's SQLite engines: one for each database, not one for each statement."""

from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy.pool import NullPool

from dagster_project.instance import open_instance
from dagster_project.sqlite_engines import MOST_ENGINES, KnownEngines


@pytest.fixture
def engines() -> KnownEngines:
    return KnownEngines(sqlalchemy.create_engine)


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"


def count_rows(engine: sqlalchemy.Engine) -> int:
    """Add a row to a table, which is made where it is not there, and return how many it has."""
    with engine.connect() as connection, connection.begin():
        connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS numbers (number INTEGER)")
        connection.exec_driver_sql("INSERT INTO numbers VALUES (1)")
        return connection.exec_driver_sql("SELECT count(*) FROM numbers").scalar_one()


def test_a_database_has_one_engine_and_another_has_another(engines: KnownEngines, tmp_path: Path) -> None:
    urls = [url_of(tmp_path / name) for name in ("one.db", "two.db")]
    one, two = (engines(url, poolclass=NullPool) for url in urls)
    assert one is engines(urls[0], poolclass=NullPool) and one is not two
    assert [count_rows(one), count_rows(one), count_rows(two)] == [1, 2, 1]


def test_a_database_that_was_removed_is_found_anew(engines: KnownEngines, tmp_path: Path) -> None:
    path = tmp_path / "one.db"
    assert [count_rows(engines(url_of(path), poolclass=NullPool)) for _ in range(2)] == [1, 2]
    path.unlink()
    assert count_rows(engines(url_of(path), poolclass=NullPool)) == 1


def test_those_that_were_not_asked_for_long_are_made_again(engines: KnownEngines, tmp_path: Path) -> None:
    often, once = url_of(tmp_path / "often.db"), url_of(tmp_path / "once.db")
    first, second = engines(often), engines(once)
    for number in range(MOST_ENGINES):
        engines(url_of(tmp_path / f"{number}.db"))
        assert engines(often) is first
    assert engines(once) is not second


def test_dagster_makes_one_engine_for_all_statements_over_its_history(tmp_path: Path) -> None:
    from dagster._core.storage.event_log.sqlite import sqlite_event_log

    with open_instance(tmp_path / "lake") as instance:
        made = sqlite_event_log.create_engine
        assert isinstance(made, KnownEngines)
        url = instance.event_log_storage.conn_string_for_shard("index")
        before = made(url)
        assert instance.get_dynamic_partitions("shard") == []
        instance.add_dynamic_partitions("shard", ["a"])
        assert instance.get_dynamic_partitions("shard") == ["a"] and made(url) is before
