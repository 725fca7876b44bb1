"""`climb gc` on a real lake: it frees what was superseded, and all that people ask of the lake works after it."""

import json
import os
import shutil
import time
from pathlib import Path

import dagster as dg
import pytest
import yaml
from click.testing import CliRunner, Result

from climb_assets.audit.garbage import mark
from climb_assets.audit.verification import STORES, verify_lake
from climb_assets.config_file import load_config
from climb_assets.corpus.digest_cache import Hashed
from climb_assets.graph.assets import SPECS
from climb_assets.graph.materializer import Materializer
from climb_assets.store.artifacts import Artifact
from climb_assets.store.local import LocalStore
from dagster_project.cli import main
from tests.conftest import write_project
from tests.dagster_project.conftest import Up
from tests.dagster_project.test_read_only_lake import lake as mountable  # noqa: F401
from tests.dagster_project.test_read_only_lake import read_only
from tests.integration.processes import climb as start


@pytest.fixture
def store(project: Path) -> LocalStore:
    return LocalStore(project / "data_lake")


def climb(project: Path, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["--config", str(project / "climb.yaml"), *arguments])


def gc(project: Path, *arguments: str) -> dict:
    result = climb(project, "gc", "--json", *arguments)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def change_setting(project: Path, **sections: object) -> None:
    path = project / "climb.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | sections))


def artefacts(store: LocalStore) -> dict[Path, Artifact]:
    """Return every artefact of the graph and of the stores beside it."""
    return {one.path: one for name in (*(spec.asset for spec in SPECS), *STORES) for one in store.all_of(name)}


def counted(found: dict, kind: str = "artefact") -> dict[str | None, int]:
    return {row["asset"]: row["count"] for row in found["freed"] if row["kind"] == kind and row["count"]}


def files(store: LocalStore) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in store.root.rglob("*") if path.is_file()}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_another_setting_superseded_goes_and_nothing_else(up: Up, project: Path, store: LocalStore) -> None:
    assert counted(gc(project)) == {}
    before = {spec.asset: {one.path for one in store.all_of(spec.asset)} for spec in SPECS}
    change_setting(project, mixture={"seed": 7})
    up()
    superseded = {"mixed_corpus", "audit_bundle"}
    left = files(store)
    found = gc(project)
    assert files(store) == left
    assert counted(found) == dict.fromkeys(superseded, 2)
    assert found["after"] < found["before"] and not found["deleted"] and found["left"] == {}
    told = climb(project, "gc").stdout
    for row in found["freed"]:
        line = f"{row['count']:,} of {row['of']:,} {row['bytes']:,} of {row['of_bytes']:,} bytes"
        shown = [" ".join(shown.split()) for shown in told.splitlines()]
        assert (f"{row['asset'] or row['kind']} {line}" in shown) == (row["count"] > 0)
    freed = sum(row["bytes"] for row in found["freed"])
    assert freed == found["before"] - found["after"] > 0
    assert f"`climb gc --delete` frees {freed:,} bytes" in told

    removed = gc(project, "--delete")
    assert removed["deleted"] and counted(removed) == counted(found)
    assert (removed["before"], removed["after"]) == (found["before"], found["after"])
    for spec in SPECS:
        kept = {one.path for one in store.all_of(spec.asset)}
        assert kept.isdisjoint(before[spec.asset]) if spec.asset in superseded else kept == before[spec.asset]
    assert "There is no garbage" in climb(project, "gc").stdout

    assert climb(project, "verify").exit_code == 0
    assert climb(project, "plan").stdout.startswith("Nothing is stale.")
    assert climb(project, "status").exit_code == 0
    assert climb(project, "export", "general").exit_code == 0
    assert climb(project, "audit", "general").exit_code == 0
    assert up().made == 0


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_models_are_kept_that_a_setting_finds_again(up: Up, project: Path, store: LocalStore) -> None:
    settings = (project / "climb.yaml").read_text()
    first = {one.path for one in store.all_of("proxy_models")}
    change_setting(project, search={"seed": 5, "iterations": [2]})
    up()
    found = gc(project, "--keep-models", "reusable", "--delete")
    assert {"proxy_results", "optimal_mixture"} <= counted(found).keys() and "proxy_models" not in counted(found)
    assert climb(project, "verify").exit_code == 0
    (project / "climb.yaml").write_text(settings)
    trained = {one.path for one in store.all_of("proxy_models")}
    up()
    assert first <= trained == {one.path for one in store.all_of("proxy_models")}
    assert counted(gc(project))
    used = gc(project, "--keep-models", "used", "--delete")
    assert counted(used)["proxy_models"] == len(trained - {one.path for one in store.all_of("proxy_models")})
    assert counted(used)["proxy_scores"] > 0
    assert climb(project, "verify").exit_code == 0
    assert climb(project, "plan").stdout.startswith("Nothing is stale.")


def test_what_is_marked_is_closed(finished_once: Path) -> None:
    """Whatever a marked artefact was made from is marked, in the very version that it names."""
    store = LocalStore(finished_once / "data_lake")
    kept = [store.find(*key) for key in mark(store, "used")]
    held = {(one.asset, one.partition, one.data_version) for one in kept}
    for one in kept:
        for needed, version in one.manifest["inputs"].items():
            asset, _, partition = needed.partition("@")
            if ":" not in needed and needed not in ("raw_corpus", "proxy_model"):
                assert (asset, partition or None, version) in held, (one.path, needed)
    models = {one.data_version for one in kept if one.asset == "proxy_models"}
    assert {one.manifest["inputs"]["proxy_model"] for one in kept if one.asset == "proxy_scores"} <= models


def test_every_model_of_a_lake_that_ran_once_is_needed(finished_once: Path) -> None:
    """Whatever rests on models names them, also where no answer rests on it in turn."""
    store = LocalStore(finished_once / "data_lake")
    trained = [one for name in ("proxy_models", "proxy_scores") for one in store.all_of(name)]
    assert trained and {(one.asset, one.partition, one.fingerprint) for one in trained} <= mark(store, "used")


def test_a_bundle_in_the_export_folder_keeps_what_it_names(up: Up, project: Path, store: LocalStore) -> None:
    assert climb(project, "audit", "general").exit_code == 0
    old = store.get("mixed_corpus", "general")
    change_setting(project, mixture={"seed": 7})
    up()
    found = gc(project)
    assert counted(found)["mixed_corpus"] == 1  # of science
    assert found["bundles"]["audit-general"][0] == 1
    assert climb(project, "gc", "--delete").exit_code == 0
    old.verify()
    shutil.rmtree(project / "data_lake" / "export")
    assert counted(gc(project, "--delete"))["mixed_corpus"] == 1
    assert not old.path.exists()


def test_a_shard_that_is_gone_goes_once_nothing_rests_on_it(tmp_path: Path, encoder_folder: Path) -> None:
    fresh = write_project(tmp_path, encoder_folder)
    materializer = Materializer(load_config(fresh / "climb.yaml"))
    chain = ("raw_shards", "corpus_shards", "document_signatures")
    for shard in materializer.listing().shards:
        for asset in chain:
            materializer.make(asset, shard)
    materializer.make("near_duplicates")
    for asset in chain:
        materializer.store.forget(asset, "first.jsonl")
    assert counted(gc(fresh)) == {}  # the pairs are of that shard too
    (fresh / "data_lake" / "raw" / "first.jsonl").unlink()
    materializer.refresh()
    materializer.make("near_duplicates")
    assert counted(gc(fresh, "--delete")) == dict.fromkeys((*chain, "near_duplicates"), 1)
    assert [len(materializer.store.all_of(asset)) for asset in (*chain, "near_duplicates")] == [2, 2, 2, 1]
    assert verify_lake(materializer).differences == ()


def test_digests_of_files_that_are_gone_are_forgotten(project: Path) -> None:
    raw = project / "data_lake" / "raw"
    cache = Materializer(load_config(project / "climb.yaml")).digests
    os.utime(raw / "second.jsonl", (1, 1))
    hashed = Hashed(1, "0" * 64, (1, 1, 1))
    cache.put({raw / "gone.jsonl": hashed, raw / "second.jsonl": hashed}, time.time_ns())
    before = len(cache.gone())
    assert before >= 1 and gc(project)["digests"] == before == len(cache.gone())
    assert gc(project, "--delete")["digests"] == before
    assert cache.gone() == []


def test_a_lake_where_nothing_was_made(tmp_path: Path, encoder_folder: Path) -> None:
    fresh = write_project(tmp_path, encoder_folder)
    assert climb(fresh, "gc").stdout == "There is no garbage: 0 bytes.\n"
    assert sorted(path.name for path in (fresh / "data_lake").iterdir()) == ["raw"]
    result = climb(fresh, "gc", "--delete")
    assert result.exit_code == 0, result.output


def refused(result: Result) -> str:
    assert result.exit_code == 2, result.output
    (sentence,) = [line for line in result.stderr.splitlines() if line.startswith("climb: ")]
    return sentence


def test_it_is_refused_while_something_is_made_or_runs(project: Path, store: LocalStore, instance) -> None:
    with store.in_use():
        assert "is in use" in refused(climb(project, "gc", "--delete"))
        assert climb(project, "gc").exit_code == 0
    run = instance.create_run_for_job(
        dg.job(name="elsewhere")(lambda: None), status=dg.DagsterRunStatus.STARTED, tags={"host": "another"}
    )
    assert run.run_id in refused(climb(project, "gc", "--delete"))


def test_it_is_refused_where_what_is_needed_cannot_be_told(project: Path, store: LocalStore) -> None:
    left = len(artefacts(store))
    shutil.rmtree(store.get("cluster_model").path)
    assert "cluster_model" in refused(climb(project, "gc", "--delete"))
    (project / "data_lake" / "refs" / "cluster_model" / "_").write_text("?")
    assert "names no artefact" in refused(climb(project, "gc", "--delete"))
    assert len(artefacts(store)) == left - 1


@pytest.mark.slow
def test_climb_up_beside_it_ends_as_without(project: Path, store: LocalStore) -> None:
    change_setting(project, mixture={"seed": 7})
    process, codes = start(project, "up"), set()
    try:
        while process.process.poll() is None:
            codes.add(climb(project, "gc", "--delete").exit_code)
            assert climb(project, "gc").exit_code == 0  # to look is never refused
        assert process.finish() == 0, process.log.read_text()
    finally:
        process.end_family()
    assert 2 in codes and codes <= {0, 2}
    assert gc(project, "--delete")["left"] == {}
    assert climb(project, "verify").exit_code == 0
    assert climb(project, "plan").stdout.startswith("Nothing is stale.")


@pytest.mark.slow
def test_a_read_only_lake_is_looked_at_and_not_changed(mountable: Path) -> None:  # noqa: F811
    looked, done = read_only(mountable, ["gc"], ["gc", "--delete"])
    assert looked.code == 0 and "bytes" in looked.stdout, looked.stderr
    assert done.code == 2 and "Traceback" not in done.stderr
    assert "may not" in done.stderr or "cannot be used" in done.stderr
