"""`climb` with its raw files in a bucket of a real S3 server: the same data as from a folder, and changes show."""

import json
import secrets
from pathlib import Path

import dagster as dg
import pytest
import yaml
from click.testing import CliRunner, Result

from climb_assets.config_file import load_config
from climb_assets.graph.assets import SPECS
from climb_assets.graph.materializer import Materializer
from climb_assets.store.store import Store
from dagster_project.cli import main
from dagster_project.sensors import corpus_sensor
from tests.conftest import write_project, write_source
from tests.object_server import BUCKET, Uploads


@pytest.fixture
def uploads(object_server: str) -> Uploads:
    """Return what puts objects into a bucket that the environment leads to."""
    return Uploads(object_server, f"s3://{BUCKET}/raw files {secrets.token_hex(4)}")  # connections are kept by address


def move_to_bucket(project: Path, uploads: Uploads) -> Path:
    """Put the raw files of a project into the bucket, remove them here, and return the project."""
    raw, path = project / "data_lake" / "raw", project / "climb.yaml"
    uploads.put_folder(raw)
    for file in raw.iterdir():
        file.unlink()
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"corpus": {"raw": uploads.address}}))
    return project


def climb(project: Path, *arguments: str) -> Result:
    result = CliRunner().invoke(main, ["--config", str(project / "climb.yaml"), *arguments])
    assert result.exit_code == 0, result.output
    return result


def stale(project: Path) -> list[str]:
    """Return what a plan of a project names."""
    plan = json.loads(climb(project, "plan", "--json").stdout)
    return [f"{item['asset']}@{item['partition']}" for item in plan["stale"]]


def versions(store: Store) -> dict[str, str]:
    """Return the data version of everything that was made, by asset and partition."""
    nodes = [(spec.asset, key) for spec in SPECS for key in store.partitions(spec.asset) or [None]]
    made = {f"{asset}@{key}": store.current(asset, key) for asset, key in nodes}
    return {name: artifact.data_version for name, artifact in made.items() if artifact is not None}


def test_raw_files_that_move_into_a_bucket_make_nothing_stale(uploads: Uploads, project: Path, tmp_path: Path) -> None:
    """Nor does an object that was written anew with the same bytes; one that changed, came or went does."""
    first = (project / "data_lake" / "raw" / "first.jsonl").read_bytes()
    move_to_bucket(project, uploads)
    assert stale(project) == []
    uploads.remove("first.jsonl")
    uploads.put("first.jsonl", first)
    assert stale(project) == []
    assert json.loads(climb(project, "verify", "--json").stdout)["differences"] == []

    write_source(tmp_path / "new.jsonl", "second", seed=1)
    uploads.put("new.jsonl", (tmp_path / "new.jsonl").read_bytes())
    uploads.put("first.jsonl", first + first.splitlines(keepends=True)[0].replace(b" first ", b" another first "))
    uploads.remove("third.jsonl")
    plan = json.loads(climb(project, "plan", "--json").stdout)
    shards = {item["partition"] for item in plan["stale"] if item["asset"] == "raw_shards"}
    assert shards == {"first.jsonl", "new.jsonl"}
    differences = CliRunner().invoke(main, ["--config", str(project / "climb.yaml"), "verify", "--json"])
    told = json.loads(differences.stdout)["differences"]
    assert [one for one in told if one.startswith(f"{uploads.address}/first.jsonl is not the file that was read")]
    assert [one for one in told if one.startswith(f"{uploads.address}/third.jsonl is gone")]


def test_the_sensor_sees_what_comes_and_changes(uploads: Uploads, tmp_path: Path) -> None:
    (tmp_path / "climb.yaml").write_text(yaml.safe_dump({"profile": "smoke", "corpus": {"raw": uploads.address}}))
    uploads.put("one.txt", b"one")
    climb, instance = Materializer(load_config(tmp_path / "climb.yaml")), dg.DagsterInstance.ephemeral()
    cursor: str | None = None

    def tick() -> dg.SensorResult:
        nonlocal cursor
        context = dg.build_sensor_context(instance=instance, cursor=cursor, resources={"climb": climb})
        result = corpus_sensor(context)
        assert isinstance(result, dg.SensorResult)
        cursor = result.cursor
        return result

    def reason() -> str:
        skipped = tick().skip_reason
        return "" if skipped is None else str(skipped.skip_message)

    assert reason() == f"{uploads.address} changed; refreshed at the next look if it stays as it is"
    assert instance.get_dynamic_partitions("shard") == ["one.txt"]
    assert tick().run_requests
    for change in (lambda: uploads.put("two.txt", b"two"), lambda: uploads.put("one.txt", b"another")):
        change()
        assert "changed; refreshed at the next look" in reason()
        assert tick().run_requests
    uploads.remove("one.txt")
    assert "changed" in reason()
    assert instance.get_dynamic_partitions("shard") == ["two.txt"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_bucket_gives_the_data_that_a_folder_gives(
    uploads: Uploads, tmp_path: Path, encoder_folder: Path, finished_once: Path
) -> None:
    project = move_to_bucket(write_project(tmp_path / "project", encoder_folder), uploads)
    climb(project, "up", "--to", "training_tokens")  # of which the search is made, and it does not look behind them
    made = versions(Materializer(load_config(project / "climb.yaml")).store)
    whole = versions(Materializer(load_config(finished_once / "climb.yaml")).store)
    assert made == {name: whole[name] for name in made} and made.keys().isdisjoint(stale(project))
    assert {"raw_shards@first.jsonl", "embeddings@third.jsonl", "training_tokens@None"} <= made.keys()
    assert json.loads(climb(project, "verify", "--json").stdout)["differences"] == []
    assert not list((project / "data_lake" / "raw").iterdir())
