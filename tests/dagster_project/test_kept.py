"""What is kept: the corpus changes and the taxonomy stays, until somebody or something that it is made by renews it."""

import json
import shutil
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest
import yaml
from click.testing import CliRunner

from climb_assets.audit.lineage import trace
from climb_assets.audit.verification import verify_lake
from climb_assets.config_file import load_config
from climb_assets.errors import ArgumentError, MissingArtifact
from climb_assets.graph.assets import SPECS
from climb_assets.graph.estimates import Cost
from climb_assets.graph.kept import renew
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.planner import Cause, Plan, make_plan
from climb_assets.search.search_state import read_space_today
from climb_assets.tables import read_table
from dagster_project.build import build_definitions
from dagster_project.cli import main
from dagster_project.plan_summary import describe_plan
from tests.conftest import write_source
from tests.dagster_project.conftest import Up, assets, names
from tests.dagster_project.test_instance import stale_for_dagster

TAXONOMY = ("cluster_model", "domains")
SEARCH = ("training_tokens", "mixture_candidates", "proxy_results", "predictor_state", "baseline_mixtures")
KEPT = (*TAXONOMY, "training_tokens")


def open_project(project: Path, **settings: Any) -> Materializer:
    """Return a materializer of the project, with sections of its settings changed."""
    path = project / "climb.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | settings))
    return Materializer(load_config(path))


def add_shard(project: Path, source: str = "first", seed: int = 9) -> Path:
    """Add a shard, or replace it, and return its raw file."""
    path = project / "data_lake" / "raw" / "fourth.jsonl"
    write_source(path, source, documents=20, seed=seed)
    return path


def references(project: Path) -> dict[tuple[str, str | None], str | None]:
    """Return what every reference names."""
    climb = open_project(project)
    nodes = [(spec.asset, key) for spec in SPECS for key in (climb.partitions(spec) if spec.dimension else [None])]
    return {node: climb.store.reference(*node) for node in nodes}


def artefacts(project: Path) -> set[Path]:
    """Return the folder of every artefact."""
    return {path.parent for path in (project / "data_lake" / "artifacts").rglob("manifest.json")}


def shards_of_data_set(project: Path) -> set[str]:
    """Return the shards that a data set has documents of."""
    made = open_project(project).get("mixed_corpus", "general")
    return set(read_table(made.file("sample.parquet"), ["shard"])["shard"].to_pylist())


def supply(project: Path) -> dict[str, int]:
    """Return the tokens of each domain."""
    rows = read_table(open_project(project).get("domain_supply").file("supply.parquet")).to_pylist()
    return {row["name"]: row["tokens"] for row in rows}


def kept_lines(plan: Plan) -> list[str]:
    """Return what people read of the groups that are kept."""
    return [group.in_words() for group in plan.kept]


def models(project: Path) -> int:
    """Return how many models were ever trained."""
    return len(open_project(project).store.all_of("proxy_models"))


@pytest.mark.slow
def test_a_shard_comes_changes_and_goes_and_the_taxonomy_stays(project: Path, up: Up) -> None:
    before, held, trained = references(project), supply(project), models(project)
    assert kept_lines(make_plan(open_project(project))) == [
        "kept: taxonomy of generation 1, fitted on 3 shards; nothing since",
        "kept: search of generation 1, fitted on 3 shards; nothing since",
    ]

    shard = add_shard(project, "second")
    plan = make_plan(open_project(project))
    assert not assets(plan) & {*TAXONOMY, *SEARCH} and assets(plan) >= {"optimal_mixture", "mixed_corpus"}
    assert kept_lines(plan) == [
        "kept: taxonomy of generation 1, fitted on 3 shards; 1 shard since (1 came)",
        "kept: search of generation 1, fitted on 3 shards; 1 shard since (1 came)",
    ]
    assert all(line in describe_plan(plan, {}, Cost(0, (), 0)) for line in kept_lines(plan))
    assert {plan.state_of(asset) for asset in KEPT} == {"kept"} and plan.state_of("tokenizer") == "current"
    up()
    grown, after = supply(project), references(project)
    assert grown.keys() == held.keys() and sum(grown.values()) > sum(held.values())
    of_search = [node for node in before if node[0] in {*TAXONOMY, *SEARCH}]
    assert {node: after[node] for node in of_search} == {node: before[node] for node in of_search}
    assert models(project) == trained  # the evidence stands; nothing was trained
    assert after["mixed_corpus", "general"] != before["mixed_corpus", "general"]
    assert "fourth.jsonl" in shards_of_data_set(project)

    add_shard(project, "first", seed=8)
    up("domain_supply")
    assert supply(project) != grown
    now = references(project)
    assert {node: now[node] for node in of_search} == {node: before[node] for node in of_search}

    shard.unlink()
    there = artefacts(project)
    up()
    assert references(project) == before and artefacts(project) == there  # all of it was found, and nothing made
    assert supply(project) == held and "fourth.jsonl" not in shards_of_data_set(project)
    assert verify_lake(open_project(project)).differences == ()


@pytest.mark.slow
def test_a_mixture_follows_the_limits_of_today_and_trains_only_what_they_ask_for(project: Path, up: Up) -> None:
    """The text of the answer's own domain goes: it may have no weight there any more, so others are confirmed."""
    climb = open_project(project)
    before = read_table(climb.get("optimal_mixture", "general").file("weights.parquet"))
    (shard,) = shards_of_data_set(project)
    trained, results = models(project), references(project)
    (project / "data_lake" / "raw" / shard).unlink()
    up()
    climb = open_project(project)
    today = read_space_today(climb).limits
    after = read_table(climb.get("optimal_mixture", "general").file("weights.parquet"))
    weights = after["weight"].to_numpy()
    assert today.kept_by(weights[None]).all() and not today.kept_by(before["weight"].to_numpy()[None]).any()
    moved = np.abs(weights - after["confirmed"].to_numpy()).sum() / 2
    assert moved == pytest.approx(climb.get("optimal_mixture", "general").json("selection.json")["adapted_by"])
    assert moved <= climb.config.search.choice.tolerance + 1e-3
    now = references(project)
    assert now["proxy_results", "iteration-01"] == results["proxy_results", "iteration-01"]
    assert models(project) > trained and shard not in shards_of_data_set(project)


@pytest.mark.parametrize("number", [1, 2])
def test_what_has_come_since_is_counted_by_shards(project: Path, number: int) -> None:
    raw = project / "data_lake" / "raw"
    (raw / "second.jsonl").unlink()
    with (raw / "third.jsonl").open("a") as stream:
        stream.write(json.dumps({"text": "one more document about bread and butter and salt and more"}) + "\n")
    if number == 2:
        add_shard(project)
    group, search = make_plan(open_project(project)).kept
    assert (search.shards, search.went) == (3, ("second.jsonl",))
    assert (group.shards, group.went, group.changed) == (3, ("second.jsonl",), ("third.jsonl",))
    assert group.since == number + 1 and group.came == ("fourth.jsonl",) * (number - 1)


def test_whoever_asks_for_a_kept_asset_gets_the_one_that_is_kept(project: Path) -> None:
    add_shard(project)
    climb = open_project(project)
    for asset in TAXONOMY:
        before = climb.store.current(asset)
        made = climb.make(asset)
        assert not made.fresh and made.artifact == before


@pytest.mark.parametrize(
    ("settings", "renewed", "cause"),
    [
        ({"clusters": {"seed": 7}}, {"cluster_model"}, "clusters.seed"),
        ({"clusters": {"domains": 2}}, {"domains"}, "clusters.domains"),
        ({"encoder": {"max_tokens": 31}}, {"cluster_model"}, "encoder.max_tokens"),
    ],
)
def test_a_setting_renews_it_whatever_the_corpus(project: Path, settings, renewed: set[str], cause: str) -> None:
    add_shard(project)
    given = yaml.safe_load((project / "climb.yaml").read_text())
    changed = {section: given.get(section, {}) | values for section, values in settings.items()}
    plan = make_plan(open_project(project, **changed))
    assert names(plan, certain=True) & set(TAXONOMY) == renewed and plan.kept == ()
    found = [one.causes for one in plan.stale if one.asset in renewed]
    assert found == [(Cause("config", cause),)]
    assert "domains" in assets(plan)  # certain itself, or behind the centroids


@pytest.mark.parametrize("asset", TAXONOMY)
def test_a_lost_artefact_is_made_again(project: Path, asset: str) -> None:
    shutil.rmtree(project / "data_lake" / "artifacts" / asset)
    plan = make_plan(open_project(project))
    assert names(plan, certain=True) == {asset} and plan.kept == ()


@pytest.mark.slow
def test_a_person_renews_it_from_the_corpus_as_it_is(project: Path, up: Up) -> None:
    add_shard(project, "third")
    up("domain_supply")
    climb = open_project(project)
    before = {asset: climb.get(asset).fingerprint for asset in TAXONOMY}
    for _ in range(2):  # asked twice, renewed once
        result = CliRunner().invoke(main, ["--config", str(project / "climb.yaml"), "renew", "taxonomy"])
        assert result.exit_code == 0 and "generation 2" in result.output
    plan = make_plan(climb, "domain_supply")
    assert names(plan, certain=True) == set(TAXONOMY)
    assert {cause for one in plan.certain for cause in one.causes} == {Cause("config", "generation")}
    assert all(one.estimate_s is not None for one in plan.certain)
    up("domain_supply")
    climb = open_project(project)
    assert not {climb.get(asset).fingerprint for asset in TAXONOMY} & set(before.values())
    assert kept_lines(make_plan(climb))[0].endswith("generation 2, fitted on 4 shards; nothing since")


@pytest.mark.slow
def test_a_renewal_that_gives_the_same_spreads_no_further(project: Path, up: Up) -> None:
    assert renew(open_project(project).store, "taxonomy") == 2
    climb = open_project(project)
    assert up().made == len(TAXONOMY) + len(climb.config.objectives)  # and the audits, which tell how all was made


def test_the_job_asks_as_the_command_does(project: Path, instance: dg.DagsterInstance) -> None:
    climb = open_project(project)
    job = build_definitions(climb).resolve_job_def("renew_taxonomy")
    assert job.execute_in_process(instance=instance, resources={"climb": climb}).success
    assert assets(make_plan(climb)) >= set(TAXONOMY)
    assert renew(climb.store, "taxonomy") == 2


def test_the_tokenizer_is_kept_in_the_same_way(project: Path) -> None:
    climb = open_project(project)
    assert renew(climb.store, "tokenizer") == 2
    assert names(make_plan(climb), certain=True) == {"tokenizer"}


def test_only_what_is_kept_and_made_can_be_renewed(project: Path) -> None:
    climb = open_project(project)
    with pytest.raises(ArgumentError, match="choose one of tokenizer, taxonomy"):
        renew(climb.store, "proxies")
    shutil.rmtree(project / "data_lake" / "refs")
    with pytest.raises(MissingArtifact, match="no taxonomy to renew yet"):
        renew(climb.store, "taxonomy")


@pytest.mark.slow
def test_lineage_tells_of_the_corpus_that_it_was_fitted_on(project: Path, up: Up) -> None:
    fitted = open_project(project).get("corpus_manifest")
    add_shard(project)
    up("domain_supply")
    climb = open_project(project)
    lineage = trace(climb.store, [climb.get("domain_supply")])
    assert lineage.artefacts["corpus_manifest"].data_version != fitted.data_version
    fit = lineage.fits["cluster_model"]
    assert fit.artefacts["corpus_manifest"].data_version == fitted.data_version and fit.gone == {}
    shards = {name for name in fit.artefacts if name.startswith("raw_shards@")}
    assert shards == {f"raw_shards@{name}.jsonl" for name in ("first", "second", "third")}

    for spec in SPECS:  # what is stale by the shard has its own lineage
        if spec.asset in assets(make_plan(climb)):
            shutil.rmtree(project / "data_lake" / "refs" / spec.asset)
    shutil.rmtree(fitted.path)  # as whoever frees room may do
    fit = trace(climb.store, [climb.get("domain_supply")]).fits["cluster_model"]
    assert fit.gone == {"corpus_manifest": fitted.data_version}
    assert [one for one in verify_lake(climb).differences if "made from" in one] == []
    assert not assets(make_plan(climb)) & set(TAXONOMY)


@pytest.mark.slow
def test_dagster_does_not_call_it_stale_for_what_came(project: Path, up: Up) -> None:
    add_shard(project)
    follow: list[str] = []
    for to, made in (("corpus_manifest", None), ("domain_supply", "domain_supply"), (None, "mixed_corpus")):
        up(to)
        follow += [made] if made else []
        assert stale_for_dagster(project, *KEPT, *SEARCH, *follow) == {}, to
