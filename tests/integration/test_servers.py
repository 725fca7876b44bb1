"""The real web server and daemon: "Materialize all" on an empty lake, and `climb up` beside it, which is faster."""

import json
import socket
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from climb_assets.config_file import load_config
from climb_assets.graph.assets import SPECS
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.planner import make_plan
from dagster_project.instance import open_instance, prepare_home
from tests.conftest import WORDS
from tests.integration.processes import EVERY_MOMENT, Launch, climb, trained, wait_until
from tests.postgres_server import run_postgres

LISTENING, LOOPBACK = "0A", {"0100007F", "00000000000000000000000001000000"}
ASSETS = "{assetNodes{assetKey{path} isMaterializable}}"
LAUNCH = """mutation($p: LaunchBackfillParams!) {launchPartitionBackfill(backfillParams: $p) {
  __typename ... on LaunchBackfillSuccess {backfillId} ... on PythonError {message}}}"""
LAUNCH_JOB = """mutation($p: ExecutionParams!) {launchRun(executionParams: $p) {
  __typename ... on LaunchRunSuccess {run {runId}} ... on PythonError {message}}}"""
STATUS = "query($id: String!) {partitionBackfillOrError(backfillId: $id) {... on PartitionBackfill {status}}}"


class Server:
    """`climb ui` on a free port."""

    token: str | None = None  # where the server wants one

    def __init__(self, project: Path, *options: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.launch: Launch = climb(project, "ui", "--port", str(self.port), *options)

    def ask(self, query: str, **variables: Any) -> Any:
        """Send a query to the web server, as the page does."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        headers = {"Content-Type": "application/json"}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/graphql", body, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)["data"]

    def ready(self) -> bool:
        """Return whether the assets are loaded."""
        assert self.launch.process.poll() is None, self.launch.log.read_text()
        try:
            return bool(self.ask(ASSETS)["assetNodes"])
        except (urllib.error.URLError, ConnectionError):
            return False

    def materialize_all(self) -> str:
        """Press "Materialize all"; return the backfill's id."""
        keys = [node["assetKey"] for node in self.ask(ASSETS)["assetNodes"] if node["isMaterializable"]]
        parameters = {"assetSelection": keys, "allPartitions": True, "tags": []}
        return str(self.ask(LAUNCH, p=parameters)["launchPartitionBackfill"]["backfillId"])

    def launch_job(self, name: str, config: dict[str, Any]) -> str:
        """Press "Launch run" of a job; return the run's id."""
        job = {"repositoryLocationName": "climb", "repositoryName": "__repository__", "jobName": name}
        answer = self.ask(LAUNCH_JOB, p={"selector": job, "mode": "default", "runConfigData": config})["launchRun"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def has_succeeded(self, backfill: str) -> bool:
        """Return whether a backfill is at its end, and that it has not failed."""
        status = self.ask(STATUS, id=backfill)["partitionBackfillOrError"]["status"]
        assert "FAIL" not in status and "CANCEL" not in status, self.launch.log.read_text()[-5000:]
        return bool(status == "COMPLETED_SUCCESS")

    def stop(self) -> None:
        """End the server and whatever it started; Dagster's daemon may sit out a tick before it heeds a signal."""
        self.launch.end_family()
        wait_until(lambda: not self.launch.family, 60, f"processes {self.launch.family} end", 0.2)

    def listeners(self) -> set[str]:
        """Return the addresses on which processes of the server listen, as /proc/net writes them."""
        sockets = set()
        for pid in self.launch.family:
            for link in Path(f"/proc/{pid}/fd").glob("*"):
                try:
                    sockets.add(str(link.readlink()))
                except OSError:
                    continue
        rows = [
            line.split()
            for table in ("tcp", "tcp6")
            if Path("/proc/net", table).exists()
            for line in Path("/proc/net", table).read_text().splitlines()[1:]
        ]
        return {row[1] for row in rows if row[3] == LISTENING and f"socket:[{row[9]}]" in sockets}


@pytest.fixture
def small_project(project: Path) -> Path:
    """Return the project with two shards, two iterations, one objective: one more costs the daemon half a minute."""
    settings = yaml.safe_load((project / "climb.yaml").read_text())
    settings |= {
        "search": {"iterations": [2, 1]},
        "objectives": {"general": {"first_text": 1, "second_text": 1}},
        "fidelity": {"mixtures": 0},
    }
    (project / "climb.yaml").write_text(yaml.safe_dump(settings))
    raw = project / "data_lake" / "raw"
    (raw / "others").mkdir()
    for source in list(WORDS)[1:]:
        (raw / f"{source}.jsonl").rename(raw / "others" / f"{source}.jsonl")
    return project


@pytest.fixture(params=["sqlite", *(["postgres"] if EVERY_MOMENT else [])])
def storage(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Return the lines of a dagster.yaml that say where Dagster's history lies, beside those of the template."""
    if request.param == "sqlite":
        yield "# ours\n"
        return
    with run_postgres() as database:
        monkeypatch.setenv("DAGSTER_POSTGRES_URL", database.create("climb"))
        yield "storage: {postgres: {postgres_url: {env: DAGSTER_POSTGRES_URL}}}\n"


@pytest.fixture
def server(small_project: Path, storage: str) -> Iterator[Server]:
    """Return a running server."""
    file = prepare_home(small_project / "data_lake") / "dagster.yaml"
    file.write_text(edited := file.read_text() + storage)
    started = Server(small_project)
    try:
        wait_until(started.ready, 90, "the web server", 0.5)
        yield started
        assert file.read_text() == edited
    finally:
        started.launch.end_family()


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_materialize_all_beside_climb_up_does_nothing_twice(small_project: Path, server: Server) -> None:
    materializer = Materializer(load_config(small_project / "climb.yaml"))
    assert {address.partition(":")[0] for address in server.listeners()} <= LOOPBACK
    assert f"0100007F:{server.port:04X}" in server.listeners()

    everything = server.materialize_all()  # a backfill waits for a 30-second tick before each layer of assets
    wait_until(lambda: any((materializer.store.root / "refs").glob("corpus_shards/*")), 120, "a shard", 0.2)
    beside = climb(small_project, "up")
    try:
        assert beside.finish() == 0, beside.log.read_text()
    finally:
        beside.end_family()
    assert make_plan(materializer).stale == ()

    before = _stamps(materializer), trained(materializer.store.root)
    assert not server.has_succeeded(everything), "it must still ask for what is there, or this shows nothing"
    wait_until(lambda: server.has_succeeded(everything), 600, "the backfill", 2)
    assert (_stamps(materializer), trained(materializer.store.root)) == before
    _assert_each_made_once(materializer)
    server.stop()


def _stamps(materializer: Materializer) -> dict[str, int]:
    """Return when each embeddings file was written."""
    folder = materializer.store.root / "artifacts" / "embeddings"
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


def _assert_each_made_once(materializer: Materializer) -> None:
    wanted = {(spec.asset, key) for spec in SPECS for key in materializer.partitions(spec)}
    assert _computed(materializer) == Counter(wanted)
    with open_instance(materializer.config.lake) as instance:
        failed = instance.get_runs(filters=dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE]))
        assert [run.run_id for run in failed] == []


def _computed(materializer: Materializer) -> Counter[tuple[str, str | None]]:
    """Count the events that say "computed now", of each asset and partition."""
    found: Counter[tuple[str, str | None]] = Counter()
    with open_instance(materializer.config.lake) as instance:
        for spec in SPECS:
            for record in instance.fetch_materializations(dg.AssetKey(spec.asset), limit=500).records:
                event = record.asset_materialization
                assert event is not None
                fresh = event.metadata.get("computed_now")
                if fresh is not None and fresh.value:
                    found[spec.asset, event.partition] += 1
    return found
