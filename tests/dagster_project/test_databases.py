"""Dagster's databases: half-made ones heal, whole ones and what others keep are left alone."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import dagster as dg
import pytest

from climb_assets.errors import DeviceFault
from dagster_project.databases import HAS_DATA, heal_databases, home_in_environment, make_databases
from dagster_project.instance import TEMPLATE, open_instance


@pytest.fixture(scope="module")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    shutil.copyfile(TEMPLATE, home / "dagster.yaml")
    make_databases(home)
    return home


@pytest.fixture
def home(made_once: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made_once, tmp_path / "lake" / "dagster_home"))


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


def forget_version(path: Path) -> None:
    change(path, "DELETE FROM alembic_version")


def forget_table_of_versions(path: Path) -> None:
    change(path, "DROP TABLE alembic_version")


def double_version(path: Path) -> None:
    change(path, "INSERT INTO alembic_version VALUES ('5771160a95ad')")


def empty(path: Path) -> None:
    path.write_bytes(b"")


def forget_marks(path: Path) -> None:
    change(path, "DELETE FROM secondary_indexes")


def remove(path: Path) -> None:
    path.unlink()


HALVES = [forget_version, forget_table_of_versions, double_version, empty, forget_marks, remove]


@pytest.mark.parametrize("halve", HALVES)
@pytest.mark.parametrize("name", HAS_DATA)
def test_a_half_made_database_heals(halve: Callable[[Path], None], name: str, home: Path) -> None:
    halve(home / name)
    assert heal_databases(home, TEMPLATE) == [name]
    assert heal_databases(home, TEMPLATE) == []
    with home_in_environment(home), dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions("shard", ["one"])
        assert instance.get_runs_count() == 0
    assert not list(home.glob(".*"))


def test_two_versions_in_a_database_that_is_used_become_one_and_nothing_is_lost(home: Path) -> None:
    with open_instance(home.parent) as instance:
        instance.add_dynamic_partitions("shard", ["one"])
    double_version(home / "history/runs/index.db")
    with open_instance(home.parent) as instance:
        assert instance.get_dynamic_partitions("shard") == ["one"]


def test_a_whole_home_is_left_as_it_is(home: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*.db")}
    assert heal_databases(home, TEMPLATE) == []
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*.db")} == before


def test_what_is_no_database_is_said_in_one_sentence_and_kept(home: Path) -> None:
    path = home / "history/runs.db"
    path.write_bytes(b"what a disk made of it" * 100)
    with pytest.raises(DeviceFault, match=r"runs\.db is no database"), open_instance(home.parent):
        pass
    assert path.read_bytes().startswith(b"what a disk")


def test_databases_that_are_kept_elsewhere_are_not_made_here(home: Path, tmp_path: Path) -> None:
    shutil.rmtree(home / "history")
    elsewhere = tmp_path / "elsewhere"
    (home / "dagster.yaml").write_text(f"storage: {{sqlite: {{base_dir: {elsewhere}}}}}\n")
    with open_instance(home.parent):
        pass
    assert (elsewhere / "history/runs.db").exists() and not (home / "history").exists()
