"""What `climb verify` notices: bytes, manifests, references, and a lake with nothing in it."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from climb_assets.audit.verification import verify_lake
from climb_assets.config_file import load_config
from climb_assets.errors import MissingArtifact
from climb_assets.graph.materializer import Materializer

SUMMARY = "artifacts/domains/_/*/manifest.json"


@pytest.fixture
def lake(finished_project: Path) -> Path:
    """Return the lake of a finished project, which a test may damage."""
    return finished_project / "data_lake"


def differences(lake: Path) -> tuple[str, ...]:
    """Return what verification finds."""
    return verify_lake(Materializer(load_config(lake.parent / "climb.yaml"))).differences


def edit_manifest(lake: Path, edit: Callable[[dict], object]) -> None:
    """Change a manifest as an adversary would."""
    path = next(lake.glob(SUMMARY))
    manifest = json.loads(path.read_text(encoding="utf-8"))
    edit(manifest)
    path.write_text(json.dumps(manifest), encoding="utf-8")


@pytest.mark.slow
def test_each_tampering_is_a_difference_and_undoing_it_is_none(lake: Path) -> None:
    assert differences(lake) == ()
    path = next(lake.glob(SUMMARY))
    whole = path.read_bytes()
    for edit, said in (
        (lambda manifest: manifest["summary"].update(domains=99), "was edited"),
        (lambda manifest: manifest.update(partition="x"), "records other|lies elsewhere"),
        (lambda manifest: manifest["files"]["domains.parquet"].update(bytes=1), "its manifest says 1"),
        (lambda manifest: manifest.pop("files"), "its 'files' is missing"),
    ):
        edit_manifest(lake, edit)
        found = differences(lake)
        assert any(re.search(said, difference) for difference in found), (said, found)
        path.write_bytes(whole)
    reference = lake / "refs" / "optimal_mixture" / "general"
    fingerprint = reference.read_bytes()
    reference.unlink()
    assert any("the reference of optimal_mixture@general is gone" in text for text in differences(lake))
    reference.write_bytes(b"\xff")
    assert any("names no artefact" in text for text in differences(lake))
    reference.write_bytes(fingerprint)
    (path.parent / "run.json").write_text("{", encoding="utf-8")
    assert any("run.json is lost" in text for text in differences(lake))


def test_a_lake_without_anything_is_not_as_recorded(project: Path) -> None:
    materializer = Materializer(load_config(project / "climb.yaml"))
    with pytest.raises(MissingArtifact, match="holds no artefact to verify"):
        verify_lake(materializer)
    materializer.make("raw_shards", "first.jsonl")
    outcome = verify_lake(materializer)
    assert outcome.differences == () and "domains" in outcome.not_made and "raw_shards@second.jsonl" in outcome.not_made
    shutil.rmtree(project / "data_lake" / "artifacts")
    assert any("is referred to and is not there" in text for text in verify_lake(materializer).differences)
