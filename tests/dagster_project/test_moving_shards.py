"""Shards that come, go or are written while `climb up` and the sensor look at them."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
import yaml

from climb_assets.config_file import load_config
from climb_assets.errors import ClimbError
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.planner import make_plan
from climb_assets.store.local import LocalStore
from dagster_project.instance import register_shards, synchronise_shards
from dagster_project.update import bring_up_to_date
from tests.conftest import write_project, write_source
from tests.dagster_project.conftest import Up
from tests.dagster_project.test_sensors import Sensor

MARKED = {"corpus": {"settle": {"seconds": 0, "marker": "_SUCCESS"}}}
OLD = ["first.jsonl", "second.jsonl", "third.jsonl"]


@pytest.fixture
def raw(project: Path) -> Path:
    """Return the raw folder."""
    return project / "data_lake" / "raw"


@pytest.fixture
def lake(project: Path) -> LocalStore:
    """Return the project's lake."""
    return LocalStore(project / "data_lake")


def look(project: Path) -> Materializer:
    """Return a materializer of another process, which sees what there is now."""
    return Materializer(load_config(project / "climb.yaml"))


def mark(project: Path) -> Path:
    """Ask for a marker, and return a folder that is to be a shard."""
    path = project / "climb.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | MARKED))
    folder = project / "data_lake" / "raw" / "marked"
    folder.mkdir()
    write_source(folder / "part.jsonl", "first", documents=30, seed=5)
    return folder


def up_to_documents(project: Path, instance: dg.DagsterInstance, on_line: Callable[[str], None]) -> list[str]:
    """Run `climb up --to corpus_shards`, `on_line` called with each line, and return the lines."""
    lines: list[str] = []

    def report(line: str) -> None:
        lines.append(line)
        on_line(line)

    bring_up_to_date(instance, look(project), "corpus_shards", report)
    return lines


@pytest.mark.parametrize("new", [["fourth.jsonl"], ["fifth.jsonl", "fourth.jsonl"]])
def test_a_shard_that_goes_before_it_is_made_ends_nothing(
    instance: dg.DagsterInstance, project: Path, raw: Path, lake: LocalStore, new: list[str]
) -> None:
    for number, name in enumerate(new):
        write_source(raw / name, "first", documents=30, seed=number)

    def remove(line: str) -> None:
        if line.startswith("raw_shards") and (raw / "fourth.jsonl").exists():
            (raw / "fourth.jsonl").unlink()
            synchronise_shards(instance, look(project))  # as the sensor does

    lines = up_to_documents(project, instance, remove)
    assert "1 shard(s) went or changed before they were read: fourth.jsonl" in lines
    assert lake.partitions("corpus_shards") == sorted(OLD + [name for name in new if name != "fourth.jsonl"])
    assert sorted(instance.get_dynamic_partitions("shard")) == lake.partitions("corpus_shards")
    assert make_plan(look(project), "corpus_shards").stale == ()


def test_a_shard_that_goes_while_it_is_made_takes_no_other_along(
    instance: dg.DagsterInstance, project: Path, raw: Path, lake: LocalStore
) -> None:
    for number, name in enumerate(("fourth.jsonl", "fifth.jsonl")):
        write_source(raw / name, "first", documents=30, seed=number)

    def remove(what: str, done: int, total: int) -> None:
        if (raw / "fourth.jsonl").exists():
            (raw / "fourth.jsonl").unlink()
            synchronise_shards(instance, look(project))

    config = load_config(project / "climb.yaml")
    config = config.model_copy(update={"runtime": config.runtime.model_copy(update={"workers": 2})})
    materializer, lines = Materializer(config, progress=remove), list[str]()
    bring_up_to_date(instance, materializer, "corpus_shards", lines.append)
    assert lake.partitions("corpus_shards") == sorted([*OLD, "fifth.jsonl"])
    assert make_plan(look(project), "corpus_shards").stale == ()


def test_the_partition_of_a_shard_that_goes_while_it_is_made_stays_until_that_has_ended(
    instance: dg.DagsterInstance, project: Path, raw: Path, lake: LocalStore
) -> None:
    write_source(raw / "fourth.jsonl", "first", documents=30, seed=5)
    left: list[bool] = []

    def remove(what: str, done: int, total: int) -> None:  # it is read already, and being embedded
        (raw / "fourth.jsonl").unlink(missing_ok=True)
        synchronise_shards(instance, look(project))  # as the sensor does
        left.append("fourth.jsonl" in instance.get_dynamic_partitions("shard"))

    materializer, lines = Materializer(load_config(project / "climb.yaml"), progress=remove), list[str]()
    bring_up_to_date(instance, materializer, "embeddings", lines.append)
    assert left and all(left)
    assert lines[-1] == "1 shard(s) gone: fourth.jsonl"
    assert lake.partitions("embeddings") == sorted(instance.get_dynamic_partitions("shard")) == OLD


def test_a_partition_that_goes_while_its_shard_is_made_is_there_again_afterwards(
    instance: dg.DagsterInstance, project: Path, raw: Path, lake: LocalStore
) -> None:
    write_source(raw / "fourth.jsonl", "first", documents=30, seed=5)

    def remove(what: str, done: int, total: int) -> None:
        instance.delete_dynamic_partition("shard", "fourth.jsonl")

    materializer = Materializer(load_config(project / "climb.yaml"), progress=remove)
    bring_up_to_date(instance, materializer, "embeddings", lambda line: None)
    assert lake.partitions("embeddings") == sorted([*OLD, "fourth.jsonl"])
    assert sorted(instance.get_dynamic_partitions("shard")) == lake.partitions("embeddings")


def test_partitions_that_another_takes_away_again_and_again_are_an_error(
    instance: dg.DagsterInstance, project: Path, raw: Path
) -> None:
    write_source(raw / "fourth.jsonl", "first", documents=30, seed=5)

    def remove(line: str) -> None:
        if line.startswith("raw_shards"):
            instance.delete_dynamic_partition("shard", "fourth.jsonl")

    with pytest.raises(ClimbError, match=r"fourth\.jsonl: no shard partition any more; .*no other configuration"):
        up_to_documents(project, instance, remove)


def test_a_shard_that_goes_before_the_tokenizer_is_trained_ends_nothing(tmp_path: Path, encoder_folder: Path) -> None:
    project = write_project(tmp_path / "new", encoder_folder)
    raw = project / "data_lake" / "raw"
    lines: list[str] = []

    def report(line: str) -> None:
        lines.append(line)
        if line == "tokenizer":
            (raw / "third.jsonl").unlink(missing_ok=True)

    bring_up_to_date(dg.DagsterInstance.ephemeral(), look(project), "tokenizer", report)
    assert lines[-2:] == ["1 shard(s) gone: third.jsonl", "tokenizer"]


def test_what_is_written_again_between_the_look_and_the_reading_is_not_read(project: Path) -> None:
    folder = mark(project)
    (folder / "_SUCCESS").touch()
    materializer = look(project)
    assert "marked" in materializer.listing().shards
    (folder / "_SUCCESS").unlink()
    write_source(folder / "part.jsonl", "first", documents=40, seed=5)
    for asset, shard in (("raw_shards", "marked"), ("tokenizer", None)):
        shutil.rmtree(materializer.store.root / "artifacts" / asset, ignore_errors=True)
        with pytest.raises(ClimbError, match=rf"{asset}.* reads marked, which has no _SUCCESS; run again"):
            materializer.make(asset, shard)
    (folder / "_SUCCESS").touch()  # whole again, though not what it was
    materializer.make("raw_shards", "marked")
    assert materializer.make("corpus_shards", "marked").artifact.summary["read"] == 40


def test_a_new_shard_is_taken_once_it_is_whole(up: Up, project: Path, lake: LocalStore) -> None:
    folder = mark(project)
    assert up(to="corpus_shards").made == 0
    assert up.lines == ["1 shard is being written and left for the next round: marked (has no _SUCCESS)"]
    (folder / "_SUCCESS").touch()
    up(to="corpus_shards")
    assert lake.get("corpus_shards", "marked").summary["read"] == 30


def test_what_was_made_of_a_shard_stays_while_it_is_written_again(up: Up, project: Path, lake: LocalStore) -> None:
    folder = mark(project)
    (folder / "_SUCCESS").touch()
    up(to="corpus_shards")
    before = look(project).raw.listing_version()
    documents = lake.get("corpus_shards", "marked").data_version
    (folder / "_SUCCESS").unlink()
    for change in (
        lambda: (folder / "part.jsonl").write_text('{"text": "half'),
        lambda: (folder / "part.jsonl").unlink(),
        lambda: write_source(folder / "part.jsonl", "second", documents=20, seed=6),
    ):
        change()
        assert up(to="corpus_shards").made == 0
        assert up.lines == ["1 shard is being written and left for the next round: marked (has no _SUCCESS)"]
        assert lake.get("corpus_shards", "marked").data_version == documents
        assert look(project).raw.listing_version() == before
    (folder / "_SUCCESS").touch()
    up(to="corpus_shards")
    assert lake.get("corpus_shards", "marked").summary["read"] == 20


def test_a_version_of_which_no_documents_were_made_does_not_stand_for_a_shard(
    up: Up, project: Path, lake: LocalStore
) -> None:
    folder = mark(project)
    (folder / "_SUCCESS").touch()
    up(to="corpus_shards")
    kept = {asset: lake.get(asset, "marked").data_version for asset in ("raw_shards", "corpus_shards")}
    write_source(folder / "part.jsonl", "second", documents=20, seed=6)
    up(to="raw_shards")  # and no further, as where a run is interrupted
    assert lake.get("raw_shards", "marked").data_version != kept["raw_shards"]
    (folder / "_SUCCESS").unlink()
    up(to="corpus_shards")
    assert {asset: lake.get(asset, "marked").data_version for asset in kept} == kept
    assert make_plan(look(project), "corpus_shards").stale == ()


def test_documents_that_must_be_read_again_are_not_read_from_half_a_shard(up: Up, project: Path) -> None:
    folder = mark(project)
    (folder / "_SUCCESS").touch()
    up(to="corpus_shards")
    (folder / "_SUCCESS").unlink()
    path = project / "climb.yaml"
    settings = yaml.safe_load(path.read_text())
    settings["corpus"]["min_characters"] = 50
    path.write_text(yaml.safe_dump(settings))
    with pytest.raises(ClimbError, match=r"corpus_shards@marked reads marked, which has no _SUCCESS; run again"):
        up(to="corpus_shards")


def test_how_long_a_shard_is_left_alone_makes_nothing_stale(project: Path) -> None:
    path = project / "climb.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"corpus": {"settle": {"seconds": 0.01}}}))
    assert make_plan(look(project)).stale == ()


def test_the_sensor_comes_back_for_a_shard_that_is_being_written(tmp_path: Path) -> None:
    raw = tmp_path / "data_lake" / "raw"
    (raw / "marked").mkdir(parents=True)
    (raw / "marked" / "one.txt").write_text("half")
    (raw / "two.txt").write_text("two")
    (tmp_path / "climb.yaml").write_text(json.dumps({"profile": "smoke", **MARKED}))
    sensor = Sensor(look(tmp_path), dg.DagsterInstance.ephemeral())
    assert sensor.tick() is None
    (raw / "marked" / "one.txt").write_text("it grows")
    assert sensor.run(sensor.asks())  # for the other, which is not kept waiting
    for size in (1, 2, 3):
        (raw / "marked" / "one.txt").write_text("x" * size)
        assert sensor.tick() is None
    assert "marked (has no _SUCCESS)" in sensor.reason
    assert sensor.instance.get_dynamic_partitions("shard") == ["two.txt"]
    (raw / "marked" / "_SUCCESS").touch()
    assert sensor.tick() is None
    assert sensor.run(sensor.asks())
    assert sensor.materializer.store.partitions("raw_shards") == ["marked", "two.txt"]


def test_the_sensor_keeps_the_partition_of_a_shard_that_is_written_again(
    instance: dg.DagsterInstance, up: Up, project: Path
) -> None:
    folder = mark(project)
    (folder / "_SUCCESS").touch()
    up(to="corpus_shards")
    (folder / "_SUCCESS").unlink()
    (folder / "part.jsonl").unlink()
    assert register_shards(instance, look(project)) == ([], [])
    assert "marked" in instance.get_dynamic_partitions("shard")
