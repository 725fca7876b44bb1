"""A dagster.yaml by which Dagster cannot open its instance is told of in one sentence; a server that answers again."""

import sqlite3
from pathlib import Path

import pytest
import sqlalchemy.exc

from climb_assets.errors import ConfigError
from dagster_project.instance import open_instance
from dagster_project.storage_faults import storage_fault


def write_instance(lake: Path, text: str) -> Path:
    """Write the dagster.yaml of a lake."""
    file = lake / "dagster_home" / "dagster.yaml"
    file.parent.mkdir(parents=True)
    file.write_text(text + "\n")
    return file


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("storage: {postgres: {postgres_url: {env: NO_SUCH_VARIABLE}}}", 'environment variable "NO_SUCH_VARIABLE"'),
        ("storage: {postgres: {postgres_url: 'postgresql://name:very-secret@h/climb'}}", "postgresql+psycopg2://"),
        ("storage: {postgres: {postgres_url: 'name:very-secret@h'}}", "Could not parse"),
        ("storage: {postgres: {url: x}}", 'unexpected config entry "url"'),
        ("storge: {}", 'unexpected config entry "storge"'),
        ("storage: {}", "Expected one of"),
    ],
)
def test_a_dagster_yaml_that_opens_nothing_is_named_with_the_reason(tmp_path: Path, text: str, said: str) -> None:
    pytest.importorskip("dagster_postgres")
    file = write_instance(tmp_path, text)
    with pytest.raises(ConfigError) as refused, open_instance(tmp_path):
        pass
    sentence = str(refused.value)
    assert said in sentence and str(file) in sentence and "very-secret" not in sentence and len(sentence) < 500


def test_a_storage_that_is_not_installed_is_named(tmp_path: Path) -> None:
    write_instance(tmp_path, "storage: {mysql: {mysql_url: 'mysql://name:very-secret@h/climb'}}")
    with pytest.raises(ConfigError, match=r"dagster\.yaml: .*dagster_mysql"), open_instance(tmp_path):
        pass


def test_only_what_a_server_said_is_a_fault_of_the_storage() -> None:
    refused = sqlalchemy.exc.OperationalError("SELECT 1", None, Exception("server closed\n\tthe connection"))
    wrapped = RuntimeError("too many retries")
    wrapped.__cause__ = refused
    locked = sqlalchemy.exc.OperationalError("SELECT 1", None, sqlite3.OperationalError("database is locked"))
    assert storage_fault(wrapped) == "server closed the connection"
    assert [storage_fault(error) for error in (locked, ValueError("no"))] == [None, None]
