"""The corpus sensor: it notices what changed in the raw folder, and asks for a refresh until one succeeds."""

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from climb_assets.config_file import load_config
from climb_assets.graph.materializer import Materializer
from dagster_project import refreshes
from dagster_project.dead_runs import process_tags
from dagster_project.jobs import refresh_corpus
from dagster_project.sensors import corpus_sensor
from tests.climb_assets.corpus.ordinary_user import as_ordinary_user
from tests.small_disk import run_on_small_disk

ROOT = Path(__file__).parents[2]
QUICK = {
    "ops": {"bring_corpus_up_to_date": {"config": {"to": "raw_shards"}}},
    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
}


@pytest.fixture
def instance() -> dg.DagsterInstance:
    """Return an instance that knows nothing."""
    return dg.DagsterInstance.ephemeral()


def write_raw(folder: Path) -> Path:
    """Write climb.yaml and two raw shards into a folder, and return it."""
    raw = folder / "data_lake" / "raw"
    (raw / "books").mkdir(parents=True)
    (raw / "books" / "one.txt").write_text("one")
    (raw / "two.txt").write_text("two")
    (folder / "climb.yaml").write_text("profile: smoke\n")
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder with climb.yaml and two raw shards, nothing made."""
    return write_raw(tmp_path)


class Sensor:
    """The sensor with its cursor, ticked by hand; what it asks for runs when the test says so."""

    def __init__(self, materializer: Materializer, instance: dg.DagsterInstance) -> None:
        self.materializer, self.instance = materializer, instance
        self.cursor: str | None = None
        self.reason = ""

    def tick(self) -> dg.RunRequest | None:
        """Evaluate the sensor once; return the run that it asks for."""
        context = dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, resources={"climb": self.materializer}
        )
        result = corpus_sensor(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor, self.reason = result.cursor, result.skip_reason.skip_message if result.skip_reason else ""
        requests = list(result.run_requests or [])
        assert len(requests) <= 1
        return requests[0] if requests else None

    def asks(self) -> dg.RunRequest:
        """Evaluate the sensor once, which must ask for a run."""
        request = self.tick()
        assert request is not None, self.reason
        return request

    def run(self, request: dg.RunRequest) -> bool:
        """Run what was asked for, no further than the raw shards; return whether it succeeded."""
        outcome = refresh_corpus.execute_in_process(
            instance=self.instance,
            resources={"climb": self.materializer},
            tags=dict(request.tags),
            run_config=QUICK,
            raise_on_error=False,
        )
        return outcome.success


@pytest.fixture
def sensor(materializer: Materializer, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> Sensor:
    """Return the sensor as it was switched on; the first wait after a failure is half a second."""
    monkeypatch.setattr(refreshes, "FIRST_WAIT", 0.5)
    return Sensor(materializer, instance)


def test_names_that_are_not_utf8_end_no_tick(sensor: Sensor, project: Path) -> None:
    raw = project / "data_lake" / "raw"
    (raw / "books" / os.fsdecode(b"\xff.txt")).write_text("bytes")
    (raw / os.fsdecode(b"\xfe.txt")).write_text("bytes")
    assert sensor.tick() is None
    request = sensor.asks()
    assert sensor.run(request)
    (raw / "books" / os.fsdecode(b"\xff.txt")).write_text("other bytes")
    assert sensor.tick() is None and "changed" in sensor.reason


def test_a_folder_that_may_not_be_entered_is_asked_about_until_it_may(sensor: Sensor, project: Path) -> None:
    """The refresh fails and says why; no shard goes meanwhile."""
    sensor.tick()
    assert sensor.run(sensor.asks())
    (project / "data_lake" / "raw" / "books").chmod(0)

    def look() -> None:
        assert sensor.tick() is None  # it may still change
        assert not sensor.run(sensor.asks())
        assert sorted(sensor.instance.get_dynamic_partitions("shard")) == ["books", "two.txt"]

    as_ordinary_user(look)


def test_one_refresh_for_each_change(sensor: Sensor, project: Path) -> None:
    raw, keys = project / "data_lake" / "raw", set()
    changes: list[Callable[[], object]] = [
        lambda: None,
        lambda: (raw / "two.txt").write_text("longer"),
        lambda: os.utime(raw / "books" / "one.txt", (1, 1)),
        lambda: (raw / "books" / "new.txt").write_text("new"),
        lambda: (raw / "two.txt").unlink(),
        lambda: (raw / "three.txt").write_text("three"),
        lambda: (raw / "books").rename(project / "books"),
        lambda: (project / "books").rename(raw / "books"),  # as it was two refreshes ago
        lambda: (raw / "books").rename(project / "books"),
    ]
    for change in changes:
        change()
        assert sensor.tick() is None
        request = sensor.asks()
        keys.add(request.run_key)
        assert sensor.run(request)
        for _ in range(2):
            assert sensor.tick() is None
            assert str(raw) in sensor.reason
        assert sensor.materializer.store.partitions("raw_shards") == sorted(path.name for path in raw.iterdir())
    assert len(keys) == len(changes)


def test_what_was_taken_back_while_its_refresh_was_on_its_way_is_refreshed_too(sensor: Sensor, project: Path) -> None:
    raw, aside = project / "data_lake" / "raw", project / "books"
    sensor.tick()
    assert sensor.run(sensor.asks())
    assert sensor.tick() is None
    (raw / "books").rename(aside)
    assert sensor.tick() is None
    assert sensor.run(sensor.asks())
    aside.rename(raw / "books")  # before the sensor has seen that the refresh succeeded
    assert sensor.tick() is None
    assert sensor.run(sensor.asks())
    assert sensor.materializer.store.partitions("raw_shards") == ["books", "two.txt"]


def test_what_comes_back_after_others_is_refreshed_though_no_success_was_looked_at(
    sensor: Sensor, project: Path
) -> None:
    """Each change comes before the tick that would have seen the success of the refresh before."""
    aside, shard = project / "aside.txt", project / "data_lake" / "raw" / "two.txt"
    sensor.tick()
    assert sensor.run(sensor.asks())
    for source, target in ((shard, aside), (aside, shard), (shard, aside), (aside, shard)):
        source.rename(target)  # which leaves its time, so the folder is as it was before
        assert sensor.tick() is None and "changed" in sensor.reason
        assert sensor.run(sensor.asks())
    assert sensor.tick() is None and "is refreshed" in sensor.reason
    assert sensor.materializer.store.partitions("raw_shards") == ["books", "two.txt"]


def test_a_file_that_still_grows_is_left_alone(sensor: Sensor, project: Path) -> None:
    for size in (1, 2, 3):
        (project / "data_lake" / "raw" / "copied.txt").write_text("x" * size)
        assert sensor.tick() is None
    assert sensor.tick() is not None


def test_a_refresh_that_fails_is_asked_for_until_one_succeeds(sensor: Sensor, project: Path) -> None:
    in_the_way = project / "data_lake" / "artifacts"
    in_the_way.write_text("a file where a folder has to be")
    sensor.tick()
    keys = []
    for attempt in (1, 2, 3):
        request = sensor.asks()
        keys.append(request.run_key)
        assert not sensor.run(request)
        assert sensor.tick() is None and f"attempt {attempt} failed" in sensor.reason
        time.sleep(refreshes.wait_after(attempt))
    in_the_way.unlink()
    request = sensor.asks()
    assert sensor.run(request)
    assert sensor.tick() is None and "refreshed" in sensor.reason
    assert sensor.tick() is None and "nothing changed" in sensor.reason
    stamps, attempts = zip(*[key.rsplit("-", 1) for key in [*keys, request.run_key]], strict=True)
    assert len(set(stamps)) == 1 and attempts == ("1", "2", "3", "4")


def test_a_change_is_not_kept_waiting_by_an_older_failure(sensor: Sensor, project: Path) -> None:
    in_the_way = project / "data_lake" / "artifacts"
    in_the_way.write_text("a file where a folder has to be")
    sensor.tick()
    first = sensor.asks()
    assert not sensor.run(first)
    (project / "data_lake" / "raw" / "three.txt").write_text("three")
    assert sensor.tick() is None
    request = sensor.asks()
    assert request.tags[refreshes.ATTEMPT_TAG] == "1" and request.run_key != first.run_key


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED])
def test_nothing_is_asked_for_while_a_refresh_is_on_its_way(sensor: Sensor, status: dg.DagsterRunStatus) -> None:
    sensor.tick()
    request = sensor.asks()
    run = sensor.instance.create_run_for_job(refresh_corpus, tags=dict(request.tags), status=status)
    assert sensor.tick() is None and run.run_id in sensor.reason
    sensor.instance.report_run_failed(run)
    assert sensor.tick() is None and "failed" in sensor.reason


def start_run(sensor: Sensor, *, claimed_by: Callable[[str], dict[str, str]] = lambda run_id: {}) -> str:
    """Let what the sensor asks for start and never end; return the run's id."""
    run_id = str(uuid.uuid4())
    tags = {**sensor.asks().tags, **claimed_by(run_id)}
    started = dg.DagsterRunStatus.STARTED
    sensor.instance.create_run_for_job(refresh_corpus, run_id=run_id, tags=tags, status=started)
    return run_id


def tags_of_an_ended_process(run_id: str) -> dict[str, str]:
    """Return the tags of a process that has claimed a run and ended."""
    code = f"import json; from dagster_project.dead_runs import process_tags as p; print(json.dumps(p({run_id!r})))"
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return dict(json.loads(ended.stdout))


def test_a_refresh_whose_process_was_killed_is_asked_for_again(sensor: Sensor) -> None:
    sensor.tick()
    start_run(sensor, claimed_by=tags_of_an_ended_process)
    assert sensor.tick() is None and "failed" in sensor.reason
    time.sleep(refreshes.wait_after(1))
    assert sensor.asks().tags[refreshes.ATTEMPT_TAG] == "2"


def test_a_refresh_that_never_said_a_word_is_asked_for_again(sensor: Sensor, monkeypatch: pytest.MonkeyPatch) -> None:
    sensor.tick()
    start_run(sensor)
    assert sensor.tick() is None and "on its way" in sensor.reason
    monkeypatch.setattr(refreshes, "UNCLAIMED", 0.0)
    assert sensor.asks().tags[refreshes.ATTEMPT_TAG] == "2"


def test_a_refresh_that_lives_may_take_its_time(sensor: Sensor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refreshes, "UNCLAIMED", 0.0)
    sensor.tick()
    start_run(sensor, claimed_by=process_tags)
    assert sensor.tick() is None and "on its way" in sensor.reason


def test_a_refresh_that_a_person_cancelled_is_left_alone(sensor: Sensor) -> None:
    sensor.tick()
    run = sensor.instance.create_run_for_job(
        refresh_corpus, tags=dict(sensor.asks().tags), status=dg.DagsterRunStatus.STARTED
    )
    sensor.instance.report_run_canceled(run)
    time.sleep(refreshes.wait_after(1))
    assert sensor.tick() is None and "cancelled" in sensor.reason


def test_a_refresh_started_again_by_hand_counts(sensor: Sensor, project: Path) -> None:
    in_the_way = project / "data_lake" / "artifacts"
    in_the_way.write_text("a file where a folder has to be")
    sensor.tick()
    requests = [sensor.asks()]
    assert not sensor.run(requests[0])
    time.sleep(refreshes.wait_after(1))
    requests.append(sensor.asks())
    assert not sensor.run(requests[1])
    assert not sensor.run(requests[0])  # re-executed: its tags are those of the first attempt
    time.sleep(refreshes.wait_after(2))
    assert sensor.asks().run_key not in {request.run_key for request in requests}
    in_the_way.unlink()
    assert sensor.run(requests[0])
    assert sensor.tick() is None and "refreshed" in sensor.reason


def test_waits_grow_to_an_hour() -> None:
    assert [refreshes.wait_after(n) / 60 for n in (1, 2, 3, 4, 5, 6, 7, 8, 1000)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


@pytest.mark.parametrize("cursor", ["4f2c 4f2c", "{}", '{"version": 0}', "[]", "null"])
def test_a_cursor_of_another_version_costs_one_refresh(sensor: Sensor, cursor: str) -> None:
    sensor.cursor = cursor
    assert sensor.tick() is None
    assert sensor.asks()


def test_partitions_follow(sensor: Sensor, project: Path) -> None:
    sensor.tick()
    assert sorted(sensor.instance.get_dynamic_partitions("shard")) == ["books", "two.txt"]
    (project / "data_lake" / "raw" / "two.txt").unlink()
    sensor.tick()
    assert sensor.instance.get_dynamic_partitions("shard") == ["books"]


def test_nothing_is_hashed(sensor: Sensor, project: Path) -> None:
    (project / "data_lake" / "raw" / "two.txt").chmod(0)
    sensor.tick()
    assert not (project / "data_lake" / "cache").exists()
    assert not (project / "data_lake" / "artifacts").exists()


@pytest.mark.slow
def test_a_full_disk_and_then_room(project: Path) -> None:
    """The lake lies on a real file system of 1 MiB, which is full during the first attempt."""
    code = f"import sys; from {__name__} import fill_the_disk_and_make_room as run; run(sys.argv[1])"
    assert run_on_small_disk(project, code).endswith("all as expected\n")


def fill_the_disk_and_make_room(folder: str) -> None:
    """Let the sensor ask for a refresh while the disk is full; then make room, and let it ask again."""
    refreshes.FIRST_WAIT = 0.5
    project, filler = write_raw(Path(folder)), Path(folder, "filler")
    sensor = Sensor(Materializer(load_config(project / "climb.yaml")), dg.DagsterInstance.ephemeral())
    with filler.open("wb", buffering=0) as stream, pytest.raises(OSError, match="No space left"):
        while True:
            stream.write(b"\0" * 1024)
    assert sensor.tick() is None
    assert not sensor.run(sensor.asks())
    assert sensor.tick() is None and "attempt 1 failed" in sensor.reason
    filler.unlink()
    time.sleep(refreshes.wait_after(1))
    assert sensor.run(sensor.asks())
    assert sensor.materializer.store.partitions("raw_shards") == ["books", "two.txt"]
    assert sensor.tick() is None and "refreshed" in sensor.reason
    print("all as expected")
