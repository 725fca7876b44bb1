"""`climb up` on a finished project: what is redone after a change, and where it stops."""

import json
import shutil
from pathlib import Path

import dagster as dg
import numpy as np
import pytest
import yaml

from climb_assets.audit.lineage import trace, trained_models
from climb_assets.config_file import load_config
from climb_assets.errors import ClimbError
from climb_assets.graph.assets import SPECS
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.planner import make_plan
from climb_assets.search.history import History
from climb_assets.search.search_state import deciding_tasks, read_space
from climb_assets.search.swarm_table import write_swarm
from climb_assets.store.local import LocalStore
from climb_assets.tables import read_table
from climb_assets.training.measurement import describe_metric
from climb_assets.training.proxy_orders import MODELS
from dagster_project.summary_text import describe
from dagster_project.update import bring_up_to_date
from tests.conftest import FINISHED, write_source
from tests.dagster_project.conftest import Up

SHARDS = ("first.jsonl", "second.jsonl", "third.jsonl")


@pytest.fixture
def lake(project: Path) -> LocalStore:
    """Return the project's lake."""
    return LocalStore(project / "data_lake")


def versions(lake: LocalStore, asset: str) -> dict[str, str]:
    """Return the data version of every partition of an asset."""
    return {key: lake.get(asset, key).data_version for key in lake.partitions(asset)}


def computed(lake: LocalStore) -> set[tuple[str, str, str]]:
    """Return every finished artefact."""
    return {
        (spec.asset, str(artifact.partition), artifact.fingerprint)
        for spec in SPECS
        for artifact in lake.all_of(spec.asset)
    }


def change_setting(project: Path, **sections: object) -> None:
    """Change sections of climb.yaml."""
    path = project / "climb.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | sections))


def test_the_first_time_makes_each_partition_once(project: Path) -> None:
    materializer = Materializer(load_config(project / "climb.yaml"))
    partitions = sum(len(materializer.partitions(spec)) for spec in SPECS)
    assert (project / FINISHED).read_text() == str(partitions)
    assert make_plan(materializer).stale == ()


def test_second_time_does_nothing(up: Up, lake: LocalStore) -> None:
    before = computed(lake)
    update = up()
    assert (update.made, update.reported, up.lines) == (0, 0, [])
    assert computed(lake) == before


def test_raw_change_that_no_document_shows_spreads_no_further(up: Up, project: Path, lake: LocalStore) -> None:
    path = project / "data_lake" / "raw" / "first.jsonl"
    path.write_text(path.read_text().replace('", "', '" ,  "'))
    before = versions(lake, "corpus_shards")
    assert up().made == 4
    audits = ["audit_bundle [general]", "audit_bundle [science]"]  # which have the hash of the raw file
    assert up.lines == ["raw_shards, corpus_shards [first.jsonl]", *audits]
    assert versions(lake, "corpus_shards") == before


def test_an_audit_tells_the_settings_that_were_used_also_where_they_changed_nothing(
    up: Up, project: Path, lake: LocalStore
) -> None:
    change_setting(project, clusters={"prune": {"quality": 0.0}})
    assert up().made == 3
    assert up.lines == ["domains", "audit_bundle [general]", "audit_bundle [science]"]
    for objective in ("general", "science"):
        told = json.loads(lake.get("audit_bundle", objective).file("parameters.json").read_text())
        assert told["domains"]["clusters"]["prune"] == {"quality": 0.0}


@pytest.mark.slow
def test_changed_shard_is_redone_alone(up: Up, project: Path, lake: LocalStore) -> None:
    path = project / "data_lake" / "raw" / "first.jsonl"
    records = [json.loads(line) for line in path.read_text().splitlines()]
    records[0]["text"] += " and one more river"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    before = {asset: versions(lake, asset) for asset in ("embeddings", "tokenized_shards", "quality_scores")}
    up(to="corpus_manifest")
    for asset, had in before.items():
        has = versions(lake, asset)
        assert {key for key in SHARDS if has[key] != had[key]} <= {"first.jsonl"}
    assert not [line for line in up.lines if "second" in line or "third" in line]
    assert make_plan(Materializer(load_config(project / "climb.yaml")), "corpus_manifest").stale == ()


@pytest.mark.slow
def test_shards_come_and_go_and_what_came_back_is_not_made_again(up: Up, project: Path, lake: LocalStore) -> None:
    raw = project / "data_lake" / "raw"
    write_source(raw / "fourth.jsonl", "first", documents=30, seed=5)
    up(to="corpus_manifest")
    assert up.lines[0] == "1 shard(s) new: fourth.jsonl"
    assert lake.get("corpus_manifest").summary["shards"] == 4
    with_fourth = lake.get("corpus_manifest").data_version
    away = (raw / "fourth.jsonl").rename(project / "fourth.jsonl")
    up(to="corpus_manifest")
    assert up.lines[0] == "1 shard(s) gone: fourth.jsonl"
    assert lake.partitions("embeddings") == list(SHARDS)
    assert lake.get("corpus_manifest").summary["shards"] == 3
    done = computed(lake)
    away.rename(raw / "fourth.jsonl")
    up(to="corpus_manifest")
    assert lake.get("corpus_manifest").data_version == with_fourth
    assert computed(lake) == done


@pytest.mark.slow
def test_what_comes_and_goes_while_shards_are_made_is_taken_along(
    instance: dg.DagsterInstance, project: Path, lake: LocalStore
) -> None:
    raw = project / "data_lake" / "raw"
    write_source(raw / "fourth.jsonl", "first", documents=30, seed=5)
    lines: list[str] = []

    def change_while_it_works(line: str) -> None:
        lines.append(line)
        if "embeddings" in line and "[fourth.jsonl]" in line:  # planned, and not yet begun
            write_source(raw / "fifth.jsonl", "second", documents=30, seed=6)
            (raw / "third.jsonl").rename(project / "third.jsonl")

    materializer = Materializer(load_config(project / "climb.yaml"))
    bring_up_to_date(instance, materializer, "corpus_manifest", change_while_it_works)
    assert {"1 shard(s) new: fourth.jsonl", "1 shard(s) new: fifth.jsonl", "1 shard(s) gone: third.jsonl"} <= set(lines)
    assert lake.partitions("embeddings") == ["fifth.jsonl", "first.jsonl", "fourth.jsonl", "second.jsonl"]
    assert lake.get("corpus_manifest").summary["shards"] == 4
    assert make_plan(materializer, "corpus_manifest").stale == ()


def test_deleted_history_is_reported_again_and_nothing_is_computed(project: Path, lake: LocalStore, request) -> None:
    shutil.rmtree(lake.root / "dagster_home")
    before = computed(lake)
    up: Up = request.getfixturevalue("up")
    update = up()
    assert update.made == 0
    materializer = Materializer(load_config(project / "climb.yaml"))
    assert update.reported == sum(len(materializer.partitions(spec)) for spec in SPECS)
    assert computed(lake) == before
    assert up().reported == 0


@pytest.mark.slow
def test_deleted_references_are_found_again_without_computing(up: Up, lake: LocalStore) -> None:
    shutil.rmtree(lake.root / "refs")
    before = computed(lake)
    assert up(to="domains").made > 0
    assert computed(lake) == before
    assert up(to="domains").made == 0


@pytest.mark.slow
def test_lake_that_was_deleted_partly_heals_with_the_same_content(up: Up, lake: LocalStore) -> None:
    before = {spec.asset: versions(lake, spec.asset) for spec in SPECS if spec.dimension}
    for asset, partition in (("embeddings", "first.jsonl"), ("cluster_model", "_"), ("baseline_mixtures", "science")):
        shutil.rmtree(lake.root / "artifacts" / asset / partition)
    shutil.rmtree(lake.root / "locks")
    update = up()
    assert update.made == 3
    assert {spec.asset: versions(lake, spec.asset) for spec in SPECS if spec.dimension} == before


def test_artefact_that_lost_a_file_is_made_again(up: Up, lake: LocalStore) -> None:
    artifact = lake.get("quality_scores", "second.jsonl")
    (artifact.path / "scores.parquet").unlink()
    assert up().made == 1
    assert up.lines == ["quality_scores [second.jsonl]"]
    again = lake.get("quality_scores", "second.jsonl")
    again.verify()
    assert again.data_version == artifact.data_version


def test_damaged_artefact_stops_what_reads_it_and_is_made_again_when_deleted(
    up: Up, project: Path, lake: LocalStore
) -> None:
    artifact = lake.get("domains")
    path = artifact.path / "clusters.parquet"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    change_setting(project, mixture={"seed": 1})
    with pytest.raises(ClimbError, match=r"clusters\.parquet is not what its manifest promises; delete its folder"):
        up()
    shutil.rmtree(artifact.path)
    up()
    assert lake.get("domains").data_version == artifact.data_version


@pytest.mark.slow
def test_the_published_rule_trains_no_proxy_again(up: Up, project: Path, lake: LocalStore) -> None:
    before = {model.fingerprint for model in lake.all_of(MODELS)}
    change_setting(project, search={"choice": {"rule": "published"}})
    up(to="optimal_mixture")
    assert {model.fingerprint for model in lake.all_of(MODELS)} == before
    for objective in ("general", "science"):
        confirmed, answer = lake.get("confirmation_results", objective), lake.get("optimal_mixture", objective)
        assert confirmed.summary["proxies"] == 0 and confirmed.summary["shortlist"] == []
        assert answer.json("selection.json")["evidence"] is None
    assert "no model was trained to confirm it" in describe(Materializer(load_config(project / "climb.yaml")))


@pytest.mark.slow
def test_the_reference_of_a_no_regression_floor_is_part_of_the_lineage(up: Up, project: Path, lake: LocalStore) -> None:
    change_setting(project, search={"choice": {"no_regression": {"first_text": 0.0}}})
    up(to="optimal_mixture")
    for objective in ("general", "science"):
        baselines = read_table(lake.get("baseline_mixtures", objective).file("baselines.parquet")).to_pylist()
        reference = next(row["key"] for row in baselines if row["name"] == "proportional")
        models = read_table(lake.get("confirmation_results", objective).file("models.parquet")).to_pylist()
        assert (reference, 0) in {(row["key"], row["repeat"]) for row in models}
        evidence = lake.get("optimal_mixture", objective).json("selection.json")["evidence"]
        assert ("breaks a no-regression floor" in evidence["conclusion"]) is (evidence["excess"] > 0)


@pytest.mark.slow
def test_evidence_is_the_beginning_of_a_search(up: Up, project: Path, lake: LocalStore) -> None:
    before = History.load(lake.get("predictor_state", "iteration-03").file("history.parquet"))
    swarm = project / "swarm"
    swarm.mkdir()
    materializer = Materializer(load_config(project / "climb.yaml"))
    write_swarm(swarm, before, read_space(materializer).names)
    tasks = deciding_tasks(materializer.config)
    metric = describe_metric(materializer, materializer.config.proxy, tasks, "search")
    change_setting(project, search={"iterations": [2, 1], "evidence": "swarm"})
    change_setting(project, objectives={"general": {"first_text": 1, "second_text": 1}})
    (swarm / "metric.json").write_text(json.dumps(metric | {"second_text": metric["first_text"]}))
    with pytest.raises(ClimbError, match=r"second_text was measured by another metric .* \(differs in: items\)"):
        up(to="optimal_mixture")
    (swarm / "metric.json").write_text(json.dumps(metric))
    up(to="optimal_mixture")
    history = History.load(lake.get("predictor_state", "iteration-02").file("history.parquet"))
    assert history.keys[:8] == before.keys and history.iteration.tolist() == [0] * 8 + [1] * 2 + [2]
    assert len(set(history.keys)) == 11
    assert lake.get("predictor_state", "iteration-02").manifest["inputs"]["file:evidence"]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_baselines_that_train_get_as_many_proxies_as_the_search(up: Up, project: Path, lake: LocalStore) -> None:
    names = ["uniform", "proportional", "unimax", "regmix", "olmix", "climb", "doremi"]
    change_setting(project, baselines={"mixtures": names})
    up(to="baseline_mixtures")
    config = load_config(project / "climb.yaml")
    budget, first = sum(config.search.iterations), config.search.iterations[0]
    limits = read_space(Materializer(config)).limits
    for objective in ("general", "science"):
        artifact = lake.get("baseline_mixtures", objective)
        rows = {row["name"]: row for row in read_table(artifact.file("baselines.parquet")).to_pylist()}
        assert set(rows) == set(names)
        assert budget <= artifact.summary["proxies"] - 1 <= 2 * budget - first  # the first iteration is shared
        for row in rows.values():
            assert sum(row["weights"]) == pytest.approx(1)
            assert row["breaks_limits"] is not bool(limits.kept_by(np.array(row["weights"])))
        assert not any(rows[name]["breaks_limits"] for name in ("regmix", "olmix", "climb"))
    runs = [lake.get("baseline_mixtures", objective).summary["doremi"] for objective in ("general", "science")]
    assert runs[0] == runs[1] and len(lake.all_of("doremi_models")) == 1  # no objective trains it again
    lineage = trace(lake, [lake.get("baseline_mixtures", "general")])
    assert runs[0]["fingerprint"] in {model.fingerprint for model in trained_models(lake, lineage.artefacts.values())}
    reference = lake.find("doremi_models", None, runs[0]["fingerprint"]).manifest["inputs"]["proxy_models"]
    assert reference in {model.data_version for model in trained_models(lake, lineage.artefacts.values())}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"clusters": {"count": 100_000}}, "cluster"),
        ({"corpus": {"min_characters": 10_000_000}}, "document"),
    ],
)
def test_what_an_asset_says_is_what_the_user_reads(up: Up, project: Path, settings, message) -> None:
    change_setting(project, **settings)
    with pytest.raises(ClimbError, match=message) as caught:
        up()
    assert "\n" not in str(caught.value)
