"""`climb` with its artefacts in a bucket of a real S3 server: the same data, found again by another machine."""

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from climb_assets.config_file import load_config
from climb_assets.graph.assets import SPECS
from climb_assets.graph.materializer import Materializer
from climb_assets.store import object_garbage
from climb_assets.store.store import Store
from dagster_project.cli import main
from tests.conftest import write_project
from tests.dagster_project.conftest import SMALL_SEARCH, Up
from tests.object_server import BUCKET

ADDRESS = f"s3://{BUCKET}/a/prefix"


@pytest.fixture
def bucket(object_server: str) -> str:
    return ADDRESS


def change(project: Path, **settings: object) -> None:
    """Change settings in a climb.yaml."""
    path = project / "climb.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | settings))


def machine(folder: Path, encoder: Path) -> Path:
    """Write a project whose artefacts lie in the bucket, with a small search: each model is a hundred requests."""
    folder.mkdir()
    change(write_project(folder, encoder), **SMALL_SEARCH, store=ADDRESS)
    return folder


def climb(project: Path, *arguments: str) -> Result:
    result = CliRunner().invoke(main, ["--config", str(project / "climb.yaml"), *arguments])
    assert result.exit_code == 0, result.output
    return result


def versions(store: Store) -> dict[tuple[str, str | None], str]:
    return {
        (spec.asset, key): store.get(spec.asset, key).data_version
        for spec in SPECS
        for key in store.partitions(spec.asset) or [None]
    }


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_one_machine_made_another_finds(
    bucket: str, tmp_path: Path, encoder_folder: Path, project: Path, up: Up, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(project, **SMALL_SEARCH)
    up()
    first = machine(tmp_path / "first", encoder_folder)
    climb(first, "up")
    store = Materializer(load_config(first / "climb.yaml")).store
    assert versions(store) == versions(Materializer(load_config(project / "climb.yaml")).store)
    assert not list((first / "data_lake" / "artifacts").glob("*/*/*")) and not (first / "data_lake" / "refs").exists()

    assert json.loads(climb(first, "verify", "--json").stdout)["differences"] == []
    assert json.loads(climb(first, "plan", "--json").stdout)["stale"] == []

    second = machine(tmp_path / "second", encoder_folder)
    assert json.loads(climb(second, "plan", "--json").stdout)["stale"] == []
    assert "nothing is stale" in climb(second, "up").output.lower()
    assert json.loads(climb(second, "sql", "--json", "SELECT count(*) AS n FROM documents").stdout)[0]["n"] > 0

    everything = {one.key for one in store.bucket.below("artifacts")}  # type: ignore[attr-defined]
    change(second, mixture={"seed": 7})
    climb(second, "up")
    monkeypatch.setattr(object_garbage, "YOUNG_SECONDS", -10.0)
    found = json.loads(climb(second, "gc", "--delete", "--json").stdout)
    freed = {row["asset"]: row["count"] for row in found["freed"] if row["kind"] == "artefact" and row["count"]}
    assert freed == {"mixed_corpus": 1, "audit_bundle": 1}
    assert everything - {one.key for one in store.bucket.below("artifacts")}  # type: ignore[attr-defined]
    assert json.loads(climb(second, "verify", "--json").stdout)["differences"] == []
    assert json.loads(climb(second, "plan", "--json").stdout)["stale"] == []
