"""The corpus sensor: it notices what changed in the raw folder, and asks for one refresh."""

import os
from pathlib import Path

import dagster as dg
import pytest

from climb_assets.graph.materializer import Materializer
from dagster_project.sensors import corpus_sensor


@pytest.fixture
def instance() -> dg.DagsterInstance:
    """Return an instance that knows nothing."""
    return dg.DagsterInstance.ephemeral()


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a folder with climb.yaml and two raw shards, nothing made."""
    raw = tmp_path / "data_lake" / "raw"
    (raw / "books").mkdir(parents=True)
    (raw / "books" / "one.txt").write_text("one")
    (raw / "two.txt").write_text("two")
    (tmp_path / "climb.yaml").write_text("profile: smoke\n")
    return tmp_path


def tick(
    materializer: Materializer, instance: dg.DagsterInstance, cursor: str | None
) -> dg.SensorResult | dg.SkipReason:
    """Evaluate the sensor once."""
    context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"climb": materializer})
    return corpus_sensor(context)


def test_one_refresh_for_each_change(materializer: Materializer, instance: dg.DagsterInstance, project: Path) -> None:
    raw = project / "data_lake" / "raw"
    cursor, keys = None, set()
    changes = [
        lambda: None,
        lambda: (raw / "two.txt").write_text("longer"),
        lambda: os.utime(raw / "books" / "one.txt", (1, 1)),
        lambda: (raw / "books" / "new.txt").write_text("new"),
        lambda: (raw / "two.txt").unlink(),
        lambda: (raw / "three.txt").write_text("three"),
    ]
    for change in changes:
        change()
        waits = tick(materializer, instance, cursor)
        assert isinstance(waits, dg.SensorResult) and not waits.run_requests
        result = tick(materializer, instance, waits.cursor)
        assert isinstance(result, dg.SensorResult)
        assert result.run_requests is not None and len(result.run_requests) == 1
        keys.add(result.run_requests[0].run_key)
        cursor = result.cursor
        again = tick(materializer, instance, cursor)
        assert isinstance(again, dg.SkipReason) and str(raw) in str(again.skip_message)
    assert len(keys) == len(changes)


def test_a_file_that_still_grows_is_left_alone(
    materializer: Materializer, instance: dg.DagsterInstance, project: Path
) -> None:
    cursor = None
    for size in (1, 2, 3):
        (project / "data_lake" / "raw" / "copied.txt").write_text("x" * size)
        result = tick(materializer, instance, cursor)
        assert isinstance(result, dg.SensorResult) and not result.run_requests
        cursor = result.cursor
    result = tick(materializer, instance, cursor)
    assert isinstance(result, dg.SensorResult) and result.run_requests


def test_partitions_follow(materializer: Materializer, instance: dg.DagsterInstance, project: Path) -> None:
    tick(materializer, instance, None)
    assert sorted(instance.get_dynamic_partitions("shard")) == ["books", "two.txt"]
    (project / "data_lake" / "raw" / "two.txt").unlink()
    tick(materializer, instance, None)
    assert instance.get_dynamic_partitions("shard") == ["books"]


def test_nothing_is_hashed(materializer: Materializer, instance: dg.DagsterInstance, project: Path) -> None:
    (project / "data_lake" / "raw" / "two.txt").chmod(0)
    tick(materializer, instance, None)
    assert not (project / "data_lake" / "cache").exists()
    assert not (project / "data_lake" / "artifacts").exists()
