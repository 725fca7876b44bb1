"""Evidence that survives a renewal: what the models of earlier generations say of the domains of today."""

import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pytest

from climb_assets.audit.garbage import collect_garbage
from climb_assets.audit.verification import verify_lake
from climb_assets.graph.kept import renew
from climb_assets.graph.planner import make_plan
from climb_assets.search.history import History
from climb_assets.search.search_state import deciding_tasks
from climb_assets.store.artifacts import Artifact
from climb_assets.tables import read_table
from climb_assets.training.carried import carry_evidence
from climb_assets.training.carried_documents import count_transfer, read_clusters, read_documents, share_held_out
from dagster_project.instance import open_instance
from dagster_project.update import bring_up_to_date
from tests.dagster_project.conftest import Up, assets
from tests.dagster_project.test_kept import add_shard, open_project

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def renewed_once(finished_once: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a project that was brought up again after a shard had come and the taxonomy was renewed. Only read it."""
    folder = tmp_path_factory.mktemp("renewed") / "project"
    shutil.copytree(finished_once, folder)
    add_shard(folder, "second")
    climb = open_project(folder)
    renew(climb.store, "taxonomy")
    with open_instance(climb.config.lake) as instance:
        bring_up_to_date(instance, climb, None, lambda line: None)
    return folder


def rows_of(made: Artifact) -> History:
    """Return the rows of an artefact."""
    return History.load(made.file("history.parquet"))


def test_a_first_search_begins_with_nothing(project: Path) -> None:
    carried = open_project(project).get("carried_evidence")
    assert carried.summary["rows"] == carried.summary["models"] == 0 and carried.summary["left_out"] == {}


def test_a_renewed_taxonomy_is_searched_from_what_earlier_models_say(
    project: Path, renewed_once: Path, tmp_path: Path
) -> None:
    climb = open_project(project)
    before = climb.get("training_tokens")
    mixtures = {model.data_version: model for model in climb.store.all_of("proxy_models")}

    climb = open_project(renewed_once)
    carried, today = climb.get("carried_evidence"), climb.get("training_tokens")
    rows = rows_of(carried)
    assert today.data_version != before.data_version
    assert len(rows.keys) > 0 and set(rows.sources) == {"taxonomy 1, search 1"} and (rows.iteration == 0).all()
    assert (rows.doubt > 0).all() and (rows.doubt < 0.5).all()
    np.testing.assert_allclose(rows.weights.sum(axis=1), 1)

    named = read_table(carried.file("models.parquet")).to_pylist()
    assert {row["key"] for row in named} == set(rows.keys) and len(named) == carried.summary["models"]
    assert {row["data_version"] for row in named} <= mixtures.keys()
    told = carry_evidence(climb, tmp_path).history  # the scores are there, and say the same
    assert told.keys == rows.keys
    for task in deciding_tasks(climb.config):
        np.testing.assert_array_equal(told.losses[task], rows.losses[task])
    transfers = read_table(carried.file("transfers.parquet"))
    totals = transfers.group_by("earlier").aggregate([("share", "sum")])["share_sum"].to_numpy()
    assert (totals <= 1 + 1e-9).all() and (totals > 0.5).all()

    state = rows_of(climb.get("predictor_state", "iteration-01"))
    assert state.keys[: len(rows.keys)] == rows.keys and (~state.own).sum() == len(rows.keys)
    believed = read_table(climb.get("predictor_state", "iteration-02").file("evidence.parquet"))
    assert set(believed["source"].to_pylist()) == {"taxonomy 1, search 1"}
    assert not assets(make_plan(climb))  # nothing is stale, and the second time nothing is done
    assert verify_lake(climb).differences == ()


def test_it_is_measured_on_the_tasks_of_today(project: Path, up: Up) -> None:
    renew(open_project(project).store, "search")
    add_shard(project, "second")
    up("carried_evidence")
    climb = open_project(project)
    carried, today = climb.get("carried_evidence"), climb.get("training_tokens").data_version
    fingerprints = set(read_table(carried.file("models.parquet"))["data_version"].to_pylist())
    texts = [
        task for task in climb.store.all_of("proxy_tasks") if task.manifest["inputs"].get("training_tokens") == today
    ]
    of_today = {task.data_version for task in texts}
    scored = {
        score.manifest["inputs"]["proxy_model"]
        for score in climb.store.all_of("proxy_scores")
        if of_today & set(score.manifest["inputs"].values())
    }
    assert texts and fingerprints <= scored


def test_other_settings_begin_anew_and_going_back_finds_all(project: Path, up: Up) -> None:
    climb = open_project(project)
    before, clusters = climb.get("carried_evidence").fingerprint, climb.config.clusters.seed
    held = dict(json.loads(climb.config.model_dump_json())["clusters"])
    open_project(project, clusters=held | {"seed": clusters + 1})
    up("carried_evidence")
    assert open_project(project).get("carried_evidence").summary["models"] == 0
    open_project(project, clusters=held)
    up("carried_evidence")
    assert open_project(project).get("carried_evidence").fingerprint == before


def test_nothing_is_carried_where_it_is_switched_off(project: Path, up: Up) -> None:
    climb = open_project(project)
    search = json.loads(climb.config.model_dump_json(exclude_defaults=True))["search"]
    renew(climb.store, "taxonomy")
    add_shard(project, "second")
    open_project(project, search=search | {"carry": False})
    up("carried_evidence")
    assert open_project(project).get("carried_evidence").summary["rows"] == 0


def test_models_whose_tokens_are_gone_say_nothing_and_break_nothing(project: Path, up: Up) -> None:
    climb = open_project(project)
    shutil.rmtree(climb.get("training_tokens").path)
    add_shard(project, "second")
    renew(climb.store, "taxonomy")
    up("carried_evidence")
    assert open_project(project).get("carried_evidence").summary["rows"] == 0


def test_the_transfer_counts_tokens_by_document(project: Path, tmp_path: Path) -> None:
    climb = open_project(project)
    today = climb.get("training_tokens")
    documents = read_documents(climb, today, tmp_path)
    assert documents.num_rows == today.summary["documents"]
    assert pc.sum(documents["tokens"]).as_py() == today.summary["tokens"]
    domains = pc.max(documents["domain"]).as_py() + 1
    known = documents.join(read_clusters(climb, today), "id")
    assert known["cluster"].null_count == 0
    same = count_transfer(documents, known, domains, domains, tmp_path)
    np.testing.assert_allclose(same.shares, np.eye(domains))
    np.testing.assert_allclose(same.before, same.now)
    held_out = read_table(today.file("evaluation.parquet"), ["id", "split"])
    assert share_held_out(documents, held_out) == 0 and share_held_out(held_out, held_out) == 1


def test_a_document_that_lies_in_two_shards_counts_once(project: Path, up: Up, tmp_path: Path) -> None:
    raw = project / "data_lake" / "raw"
    shutil.copy(raw / "first.jsonl", raw / "twice.jsonl")
    up("training_tokens")
    climb = open_project(project)
    today = climb.get("training_tokens")
    documents = read_documents(climb, today, tmp_path)
    known = documents.join(read_clusters(climb, today), "id")
    assert pc.sum(known["tokens"]).as_py() == pc.sum(documents["tokens"]).as_py()


@pytest.fixture
def renewed(renewed_once: Path, tmp_path: Path) -> Path:
    """Return a copy of the renewed project that a test may change."""
    return Path(shutil.copytree(renewed_once, tmp_path / "renewed"))


def test_what_is_carried_outlives_the_collection_of_garbage(renewed: Path) -> None:
    project, climb = renewed, open_project(renewed)
    before = rows_of(open_project(project).get("carried_evidence"))
    collect_garbage(open_project(project), "used")
    tasks = json.loads(climb.config.model_dump_json(exclude_defaults=True))["tasks"]
    tasks["first_text"]["documents"] = 1  # measured again, on the models that stayed
    climb = open_project(project, tasks=tasks)
    with open_instance(climb.config.lake) as instance:
        bring_up_to_date(instance, climb, "carried_evidence", lambda line: None)
    after = rows_of(open_project(project).get("carried_evidence"))
    assert after.keys == before.keys and not np.array_equal(after.losses["first_text"], before.losses["first_text"])
