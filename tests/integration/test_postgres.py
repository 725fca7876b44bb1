"""Dagster's history on a real PostgreSQL server: kept there alone, shared by hosts, and lost or restarted meanwhile."""

import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from climb_assets.config_file import load_config
from climb_assets.graph.materializer import Materializer
from dagster_project.cli import main
from dagster_project.instance import TEMPLATE, open_instance, report_missing_events
from tests.conftest import WORDS, write_source
from tests.integration.processes import Launch, climb, launch, wait_until
from tests.integration.test_servers import Server
from tests.other_host import ON_OTHER_HOST
from tests.postgres_server import PostgresServer, run_postgres

VARIABLE = "DAGSTER_POSTGRES_URL"
STORAGE = f"storage: {{postgres: {{postgres_url: {{env: {VARIABLE}}}}}}}\n"
CHEAP = ("--to", "document_signatures")  # of the shards alone, and without an encoder
STATUSES = "SELECT status, count(*) FROM runs GROUP BY 1 ORDER BY 1"


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """Return a running server; each test has a database of its own."""
    with run_postgres() as started:
        yield started


@pytest.fixture
def database(server: PostgresServer, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the name of an empty database, which the environment names too; the server runs before and after."""
    name = request.node.name.removeprefix("test_")[:40]
    monkeypatch.setenv(VARIABLE, server.create(name))
    yield name
    if server.process is None or server.process.poll() is not None:
        server.start()


@pytest.fixture
def on_postgres(project: Path, database: str) -> Path:
    """Return a project of which nothing is made, with its history on the server."""
    return move_history(project)


@pytest.fixture
def finished_on_postgres(finished_project: Path, database: str) -> Path:
    """Return a project that is finished apart from a shard that came, and of which Dagster knows nothing yet."""
    shard = finished_project / "data_lake" / "raw" / "fourth.jsonl"
    write_source(shard, "second", seed=4)
    os.utime(shard, (1e9, 1e9))  # it is whole for long
    return move_history(finished_project)


def move_history(project: Path) -> Path:
    """Leave a lake with the template for its history, and with a storage named in it."""
    home = project / "data_lake" / "dagster_home"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    (home / "dagster.yaml").write_text(TEMPLATE.read_text() + STORAGE)
    return project


def climb_up(project: Path, *options: str) -> str:
    """Run `climb up` in this process to its end; return what it printed."""
    result = CliRunner().invoke(main, ["--config", str(project / "climb.yaml"), "up", *options])
    assert result.exit_code == 0, result.output + result.stderr
    return result.output


def computed(lake: Path) -> Counter[tuple[str, str | None]]:
    """Count the events that say "computed now", of each asset and partition."""
    found: Counter[tuple[str, str | None]] = Counter()
    with open_instance(lake) as instance:
        for key in instance.get_asset_keys():
            for record in instance.fetch_materializations(key, limit=500).records:
                event = record.asset_materialization
                assert event is not None
                if (fresh := event.metadata.get("computed_now")) is not None and fresh.value:
                    found[key.to_user_string(), event.partition] += 1
    return found


@pytest.mark.slow
def test_history_is_on_the_server_alone(finished_on_postgres: Path, server: PostgresServer, database: str) -> None:
    lake = finished_on_postgres / "data_lake"
    assert "partition(s) materialised" in climb_up(finished_on_postgres)
    assert server.ask(database, "SELECT partition FROM dynamic_partitions ORDER BY 1") == [
        f"{name}.jsonl" for name in ("first", "fourth", "second", "third")
    ]
    (succeeded,) = server.ask(database, STATUSES)
    assert succeeded.startswith("SUCCESS|")
    whole = Materializer(load_config(finished_on_postgres / "climb.yaml"))
    assert computed(lake)["corpus_shards", "fourth.jsonl"] == 1
    with open_instance(lake) as instance:
        assert report_missing_events(instance, whole) == 0, "all that the lake holds was told"
    again = climb_up(finished_on_postgres)
    assert "Nothing is stale." in again and "reported" not in again
    assert server.ask(database, STATUSES) == [succeeded]
    assert list(lake.rglob("*.db*")) == []


@pytest.mark.slow
def test_of_two_hosts_with_homes_of_their_own_one_does_the_work(
    on_postgres: Path, server: PostgresServer, database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hosts = []
    try:
        for number in range(2):
            folder = tmp_path / f"host{number}"
            (folder / "home").mkdir(parents=True)
            shutil.copy(on_postgres / "data_lake" / "dagster_home" / "dagster.yaml", folder / "home")
            settings = yaml.safe_load((on_postgres / "climb.yaml").read_text())
            settings["lake"] = str(on_postgres / "data_lake")
            (folder / "climb.yaml").write_text(yaml.safe_dump(settings))
            monkeypatch.setenv("DAGSTER_HOME", str(folder / "home"))
            hosts.append(climb_of_a_host(folder, "up", *CHEAP))
        assert [host.finish() for host in hosts] == [0, 0], [host.log.read_text() for host in hosts]
    finally:
        for host in hosts:
            host.end_family()
    assert {host.log.read_text().count("Traceback") for host in hosts} == {0}
    assert set(server.ask(database, "SELECT DISTINCT status FROM runs")) == {"SUCCESS"}
    made = computed(on_postgres / "data_lake")
    assert set(made.values()) == {1} and set(made) >= {("document_signatures", f"{name}.jsonl") for name in WORDS}


def climb_of_a_host(folder: Path, *arguments: str) -> Launch:
    """Start `climb` on another host."""
    command = [sys.executable, "-m", "dagster_project.cli", "--config", folder / "climb.yaml", *arguments]
    return launch([*ON_OTHER_HOST, *command], folder / f"{arguments[0]}.log")


@pytest.mark.slow
def test_a_restarted_server_costs_what_was_not_finished(
    on_postgres: Path, server: PostgresServer, database: str
) -> None:
    finished = on_postgres / "data_lake" / "refs" / "corpus_shards" / "first.jsonl"
    running = climb(on_postgres, "up", *CHEAP)
    try:
        wait_until(finished.exists, 120, "a shard")
        server.stop(signal.SIGQUIT)
        said = "Dagster's storage failed"
        wait_until(lambda: said in running.log.read_text(), 120, "climb tells of it", 0.2)
        server.start()
        assert running.finish() == 0, running.log.read_text()
    finally:
        running.end_family()
    assert "Traceback" not in running.log.read_text()
    assert server.ask(database, STATUSES)[0] == "FAILURE|1"
    assert "Nothing is stale" in climb_up(on_postgres, *CHEAP)
    assert computed(on_postgres / "data_lake").most_common(1)[0][1] == 1, "nothing was made twice"


def test_a_server_that_is_down_is_told_of_in_one_line(
    on_postgres: Path, server: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.stop()
    result = CliRunner().invoke(main, ["--config", str(on_postgres / "climb.yaml"), "up"])
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("climb: Dagster's storage, which ") and "start that server" in line
    assert str(on_postgres / "data_lake" / "dagster_home" / "dagster.yaml") in line
    assert [record for record in caplog.records if record.levelname == "WARNING"] == []


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_refresh_is_launched_from_the_page(on_postgres: Path, server: PostgresServer, database: str) -> None:
    ui = Server(on_postgres)
    try:
        wait_until(ui.ready, 300, "the web server", 1)
        ui.launch_job("refresh_corpus", {"ops": {"bring_corpus_up_to_date": {"config": {"to": CHEAP[1]}}}})
        done = "SELECT status FROM runs WHERE pipeline_name = 'refresh_corpus'"
        wait_until(lambda: server.ask(database, done) in (["SUCCESS"], ["FAILURE"]), 900, "the refresh", 1)
        ui.stop()
    finally:
        ui.launch.end_family()
    assert set(server.ask(database, "SELECT DISTINCT status FROM runs")) == {"SUCCESS"}, ui.launch.log.read_text()
    made = computed(on_postgres / "data_lake")
    assert [made[CHEAP[1], f"{name}.jsonl"] for name in WORDS] == [1, 1, 1]
    assert list((on_postgres / "data_lake").rglob("*.db*")) == []
