"""The database of a stage: bounded by the process's share of the machine, and it leaves nothing behind."""

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from climb_assets.errors import CorruptArtifact
from climb_assets.executor.capacity import THREADS, measure_capacity
from climb_assets.executor.database import open_database, stream_rows
from climb_assets.store.artifacts import Draft, Order
from climb_assets.store.local import LocalStore
from tests.dead_writer import die_while_writing

LARGE = "CREATE TABLE t AS SELECT md5(i::VARCHAR) AS id FROM range(2_000_000) AS r(i)"
SMALL_MEMORY = "SET memory_limit = '40MB'"


def setting(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    """The value of a setting."""
    [(value,)] = connection.execute(f"SELECT current_setting('{name}')").fetchall()
    return str(value)


def test_it_takes_the_threads_of_its_process_and_half_of_their_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(THREADS, "1")
    capacity = measure_capacity()
    with open_database() as connection:
        assert setting(connection, "threads") == "1"
        number, unit = setting(connection, "memory_limit").split()
    gibibytes = capacity.memory_bytes / capacity.cores / 2 / 2**30
    assert unit == "GiB" and float(number) == pytest.approx(gibibytes, rel=0.05)


def test_what_memory_does_not_hold_goes_to_the_folder_and_is_gone_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "draft"
    folder.mkdir()
    with open_database(folder) as connection:
        connection.execute(SMALL_MEMORY)
        connection.execute(LARGE)
        [first] = connection.execute("SELECT id FROM t ORDER BY id LIMIT 1 OFFSET 1_000_000").fetchall()
        assert first and any(folder.iterdir())
    assert list(tmp_path.iterdir()) == [folder] and not any(folder.iterdir())


def test_without_a_folder_it_fails_and_writes_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with open_database() as connection:
        connection.execute(SMALL_MEMORY)
        with pytest.raises(duckdb.OutOfMemoryException):
            connection.execute(LARGE)
    assert not any(tmp_path.iterdir())


def test_what_a_killed_process_left_of_it_enters_no_artefact(tmp_path: Path) -> None:
    store, order, open_still = LocalStore(tmp_path), Order("embeddings", "shard", {}, {}, {}), []

    def spill(draft: Draft) -> None:
        (draft.path / "one").write_text("1")
        open_still.append(open_database(draft.path))
        connection = open_still[0].__enter__()
        connection.execute(SMALL_MEMORY)
        connection.execute(LARGE)
        assert len(list(draft.path.iterdir())) == 2

    die_while_writing(store, order, spill)
    (left,) = tmp_path.glob("artifacts/embeddings/shard/.*")
    assert len(list(left.iterdir())) == 2
    made, _ = store.put(order, lambda draft: None, resumable=True)
    assert list(made.manifest["files"]) == ["one"] and made.unnamed_files() == []


DAMAGED = CorruptArtifact("this table is damaged")


def rows_until(failure: int | None, error: BaseException = DAMAGED) -> Iterator[pa.Table]:
    """Ten tables of ten numbers, or an error in the place of one."""
    for number in range(10):
        if number == failure:
            raise error
        yield pa.table({"number": range(10 * number, 10 * number + 10)})


def test_one_query_reads_all_tables_of_a_stream() -> None:
    with open_database() as connection:
        with stream_rows(connection, rows_until(None)):
            connection.execute("CREATE TABLE found AS SELECT number FROM rows WHERE number >= 5")
        assert connection.execute("SELECT count(*), min(number), max(number) FROM found").fetchall() == [(95, 5, 99)]


@pytest.mark.parametrize("failure", [0, 5])
@pytest.mark.parametrize("error", [DAMAGED, KeyboardInterrupt()], ids=["damage", "interruption"])
def test_what_fails_while_a_stream_is_read_is_raised_as_it_was(failure: int, error: BaseException) -> None:
    with open_database() as connection:
        with pytest.raises(type(error)) as caught, stream_rows(connection, rows_until(failure, error)):
            connection.execute("CREATE TABLE found AS FROM rows")
        assert caught.value is error
        assert not connection.execute("SHOW TABLES").fetchall()


def test_a_query_that_fails_of_itself_keeps_its_error_where_it_read_a_part_of_a_stream() -> None:
    with open_database() as connection, pytest.raises(duckdb.ConversionException):  # noqa: SIM117
        with stream_rows(connection, rows_until(None)):
            connection.execute("SELECT (number - 50)::UTINYINT FROM rows")


def test_an_error_in_the_query_stays_one() -> None:
    with open_database() as connection, pytest.raises(duckdb.BinderException, match="nothing"):  # noqa: SIM117
        with stream_rows(connection, rows_until(None)):
            connection.execute("SELECT nothing FROM rows")
