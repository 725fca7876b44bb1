"""The planner on a finished project: what is stale after a change, why, and what is not."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from climb_assets.config_file import load_config
from climb_assets.errors import ConfigError
from climb_assets.graph import materializer as materializer_module
from climb_assets.graph.assets import SEARCH, SPECS
from climb_assets.graph.code_identity import code_of
from climb_assets.graph.estimates import Cost
from climb_assets.graph.kept import LIVE, decides
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.planner import Cause, Plan, make_plan
from climb_assets.graph.spec import always
from climb_assets.store.local import LocalStore
from dagster_project.plan_summary import describe_plan
from tests.conftest import write_source
from tests.dagster_project.conftest import assets, names

ROOT = Path(__file__).parents[2]
PER_SHARD = {
    *("corpus_shards", "tokenized_shards", "embeddings", "quality_scores"),
    *("document_signatures", "contamination"),
}
CHOICE = {"baseline_mixtures", "confirmation_results", "optimal_mixture"}
OF_OBJECTIVE = CHOICE | {"target_comparison", "mixed_corpus", "audit_bundle"}
BEHIND_SEARCH = OF_OBJECTIVE | {"proxy_fidelity"}
BEFORE_SEARCH = {spec.asset for spec in SPECS} - BEHIND_SEARCH - set(SEARCH)


def plan_of(project: Path, to: str | None = None, **settings: Any) -> Plan:
    """Return the plan of the project, with sections of its settings changed."""
    path = project / "climb.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | settings))
    return make_plan(Materializer(load_config(path)), to)


def raw(project: Path, name: str = "first.jsonl") -> Path:
    """Return a raw file."""
    return project / "data_lake" / "raw" / name


def change_content(path: Path) -> None:
    """Replace a word in the first document of a JSONL file."""
    first, *rest = path.read_text().splitlines()
    record = json.loads(first)
    record["text"] = "another beginning " + record["text"]
    path.write_text("\n".join([json.dumps(record), *rest]) + "\n")


def behind(*changed: str) -> set[str]:
    """Return the assets that are made from these, directly or not, by the specs; data do not spread to what is kept.

    Inputs that only some configurations use are not those of the profile smoke.
    """
    found = set(changed)
    for _ in SPECS:
        found |= {
            spec.asset
            for spec in SPECS
            if {one.asset for one in spec.inputs if one.used is always and decides(spec, one.asset)} & found
        }
    return found - set(changed)


def causes(plan: Plan, name: str) -> set[Cause]:
    """Return the causes of one item."""
    return {cause for item in plan.stale if item.name == name for cause in item.causes}


def test_nothing_is_stale_after_up(project: Path) -> None:
    plan = plan_of(project)
    assert plan.stale == () and plan.removed == ()
    assert plan.as_json().items() >= {"stale": [], "environment": []}.items()


def test_everything_is_missing_before_the_first(tmp_path: Path, project: Path) -> None:
    shutil.rmtree(project / "data_lake" / "artifacts")
    plan = plan_of(project)
    materializer = Materializer(load_config(project / "climb.yaml"))
    assert len(plan.stale) == len(plan.certain) == sum(len(materializer.partitions(spec)) for spec in SPECS)
    assert {cause.kind for item in plan.stale for cause in item.causes} == {"missing"}
    known = {item.asset: item.estimate_s for item in plan.stale if item.estimate_s is not None}
    assert known == {"baseline_mixtures": 0.0}  # no baseline here trains a model


def test_inputs_come_before_what_is_made_from_them(project: Path) -> None:
    shutil.rmtree(project / "data_lake" / "refs")
    plan = plan_of(project)
    materializer = Materializer(load_config(project / "climb.yaml"))
    place = {(item.asset, item.partition): number for number, item in enumerate(plan.stale)}
    for spec in SPECS:
        for partition in materializer.partitions(spec):
            for entry, key in materializer.input_keys(spec, partition):
                assert place[entry.asset, key] < place[spec.asset, partition]


def test_changed_raw_file_makes_exactly_its_shard_stale_for_certain(project: Path) -> None:
    change_content(raw(project))
    plan = plan_of(project)
    assert names(plan, certain=True) == {"raw_shards[first.jsonl]", "corpus_shards[first.jsonl]"}
    shards = {item.name for item in plan.stale if item.asset in PER_SHARD}
    assert shards == {f"{asset}[first.jsonl]" for asset in PER_SHARD}
    assert assets(plan) == {"raw_shards"} | behind("raw_shards")
    assert causes(plan, "raw_shards[first.jsonl]") == {Cause("data", "raw:first.jsonl")}
    assert causes(plan, "corpus_shards[first.jsonl]") == {Cause("data", "raw_shards@first.jsonl")}
    assert causes(plan, "embeddings[first.jsonl]") == {Cause("data", "corpus_shards@first.jsonl")}


def test_touched_file_changes_nothing(project: Path) -> None:
    os.utime(raw(project), (1, 1))
    assert plan_of(project).stale == ()


def test_removed_shard_makes_everything_stale_that_counted_it(project: Path) -> None:
    raw(project).unlink()
    plan = plan_of(project)
    counted = {spec.asset for spec in SPECS if any(entry.reach == "all" for entry in spec.inputs)}
    counted = {"corpus_manifest", "cluster_statistics", "mixed_corpus"} & counted
    assert counted <= {item.asset for item in plan.certain}
    assert not assets(plan) - LIVE  # of the search nothing
    assert Cause("data", "raw_corpus") in causes(plan, "corpus_manifest")
    assert not [item for item in plan.stale if item.asset in PER_SHARD]
    gone = PER_SHARD | {"raw_shards", "cluster_assignments"}
    assert set(plan.removed) == {(asset, "first.jsonl") for asset in gone}


def test_added_shard_is_missing_and_the_manifest_is_certain(project: Path) -> None:
    write_source(raw(project, "fourth.jsonl"), "first", documents=10, seed=9)
    plan = plan_of(project)
    missing = {f"{asset}[fourth.jsonl]" for asset in PER_SHARD | {"raw_shards", "cluster_assignments"}}
    assert {item.name for item in plan.stale if item.partition == "fourth.jsonl"} == missing
    assert missing | {"near_duplicates", "corpus_manifest"} <= names(plan, certain=True)
    assert not {item.name for item in plan.stale if item.asset in PER_SHARD} - missing
    estimate = next(item.estimate_s for item in plan.stale if item.name == "embeddings[fourth.jsonl]")
    assert estimate is not None and estimate >= 0  # what its siblings took


def test_renamed_shard_comes_and_goes(project: Path) -> None:
    raw(project).rename(raw(project, "renamed.jsonl"))
    plan = plan_of(project)
    assert "embeddings[renamed.jsonl]" in names(plan, certain=True)
    assert ("embeddings", "first.jsonl") in plan.removed


@pytest.mark.parametrize(
    ("settings", "first"),
    [
        ({"proxy": {"tokens": 2048}}, {"carried_evidence", "proxy_results", "proxy_fidelity", "confirmation_results"}),
        ({"fidelity": {"mixtures": 0}}, {"proxy_fidelity"}),
        ({"search": {"predictor": {"small_trees": {"trees": 100}}}}, {"mixture_candidates", "predictor_state"}),
        ({"search": {"choice": {"confidence": 0.9}}}, {"confirmation_results", "optimal_mixture"}),
        ({"baselines": {"mixtures": ["uniform", "proportional"]}}, {"baseline_mixtures"}),
        ({"clusters": {"terms": 5}}, {"domains"}),
        ({"mixture": {"seed": 1}}, {"mixed_corpus"}),
        ({"target": {"confidence": 0.9}}, {"target_comparison"}),
        ({"encoder": {"max_tokens": 31}}, {"embeddings", "cluster_model"}),
    ],
)
def test_changed_setting_makes_its_users_stale_and_nothing_before(project: Path, settings, first) -> None:
    if "encoder" in settings:
        settings["encoder"] |= yaml.safe_load((project / "climb.yaml").read_text())["encoder"]
    plan = plan_of(project, **settings)
    assert {item.asset for item in plan.certain} == first
    assert assets(plan) == first | behind(*first)
    kinds = {cause.kind for item in plan.certain for cause in item.causes}
    assert kinds == {"config"}


def test_later_candidates_may_change_with_the_predictor_before_them(project: Path) -> None:
    plan = plan_of(project, proxy={"tokens": 2048})
    assert "mixture_candidates[iteration-01]" not in names(plan, certain=True)
    assert causes(plan, "mixture_candidates[iteration-01]") == {Cause("data", "carried_evidence")}
    assert "mixture_candidates[iteration-02]" in names(plan, certain=False)
    assert Cause("data", "predictor_state@iteration-01") in causes(plan, "mixture_candidates[iteration-02]")


def test_how_fast_is_no_reason_to_redo(project: Path) -> None:
    assert plan_of(project, runtime={"workers": 2, "threads": 1}).stale == ()


def test_the_cause_names_the_setting(project: Path) -> None:
    plan = plan_of(project, proxy={"tokens": 2048})
    assert causes(plan, "proxy_results[iteration-01]") == {Cause("config", "proxy.tokens")}


def test_new_objective_makes_only_its_own_partitions_missing_for_certain(project: Path) -> None:
    settings = {"objectives": {"general": {"first_text": 1, "second_text": 1}, "science": {"second_text": 1}}}
    assert plan_of(project, **settings).stale == ()
    settings["objectives"]["water"] = {"first_text": 1}
    plan = plan_of(project, **settings)
    assert not assets(plan) & BEFORE_SEARCH
    assert "proxy_results[iteration-01]" not in names(
        plan, certain=True
    )  # objectives draw its candidates from evidence
    assert {f"{asset}[water]" for asset in OF_OBJECTIVE} <= names(plan, certain=True)


def test_more_iterations_leave_those_before(project: Path) -> None:
    plan = plan_of(project, search={"iterations": [4, 2, 2, 2]})
    search = {item.name for item in plan.stale if item.asset in SEARCH}
    assert search == {f"{asset}[iteration-04]" for asset in SEARCH}


def test_changed_code_of_the_predictor_concerns_the_search_and_what_lies_behind(project, monkeypatch) -> None:
    def edited(*functions: str) -> dict[str, str]:
        found = code_of(*functions)
        return found | ({"search.predictor": "edited"} if "search.predictor" in found else {})

    monkeypatch.setattr(materializer_module, "code_at_start", edited)
    plan = plan_of(project)
    assert assets(plan) == {*SEARCH, *BEHIND_SEARCH}
    assert "predictor_state[iteration-01]" in names(plan, certain=True)
    assert causes(plan, "predictor_state[iteration-01]") == {Cause("code", "search.predictor")}


def test_comments_in_every_source_file_change_nothing_and_what_decides_a_result_does(
    project: Path, tmp_path: Path
) -> None:
    copied = tmp_path / "copied"
    for package in ("climb_assets", "dagster_project"):
        shutil.copytree(ROOT / package, copied / package, ignore=shutil.ignore_patterns("__pycache__"))
    for path in copied.rglob("*.py"):
        path.write_text("# a comment\n" + path.read_text() + "\n\n# another\n")

    def planned() -> list[dict[str, Any]]:
        environment = os.environ | {"PYTHONPATH": str(copied), "CLIMB_CONFIG": str(project / "climb.yaml")}
        command = [sys.executable, "-m", "dagster_project.cli", "plan", "--json"]
        done = subprocess.run(command, cwd=copied, env=environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["stale"]

    assert planned() == []
    predictor = copied / "climb_assets" / "search" / "predictor.py"
    text = predictor.read_text()
    assert text.count("per_domain=True") == 1
    predictor.write_text(text.replace("per_domain=True", "per_domain=False"))
    stale = planned()
    assert {"kind": "code", "input": "search.predictor"} in [cause for item in stale for cause in item["causes"]]
    assert not {item["asset"] for item in stale} & BEFORE_SEARCH


def test_plan_up_to_an_asset_leaves_out_what_lies_behind(project: Path) -> None:
    change_content(raw(project))
    plan = plan_of(project, to="corpus_manifest")
    assert assets(plan) == {"raw_shards", "near_duplicates", "corpus_manifest", *PER_SHARD}


def test_lost_artefact_is_missing_and_what_lies_behind_is_not_certain(project: Path) -> None:
    shutil.rmtree(project / "data_lake" / "artifacts" / "embeddings" / "first.jsonl")
    plan = plan_of(project)
    assert names(plan, certain=True) == {"embeddings[first.jsonl]"}
    assert causes(plan, "embeddings[first.jsonl]") == {Cause("missing", "embeddings")}


def test_lost_file_of_an_artefact_makes_it_missing(project: Path) -> None:
    next((project / "data_lake" / "artifacts" / "embeddings" / "first.jsonl").rglob("vectors.npy")).unlink()
    assert names(plan_of(project), certain=True) == {"embeddings[first.jsonl]"}


def test_plan_as_json_keeps_the_contract(project: Path) -> None:
    change_content(raw(project))
    plan = json.loads(json.dumps(plan_of(project).as_json()))
    assert set(plan) == {"stale", "environment", "kept"}
    for item in plan["stale"]:
        assert set(item) == {"asset", "partition", "causes", "estimate_s", "certain"}
        assert isinstance(item["certain"], bool) and isinstance(item["estimate_s"], float)
        for cause in item["causes"]:
            assert set(cause) == {"kind", "input"}
            assert cause["kind"] in ("code", "config", "data", "environment", "missing")


def test_evidence_that_cannot_be_used_is_said_before_any_work(project: Path) -> None:
    swarm = project / "swarm"
    swarm.mkdir()
    with pytest.raises(ConfigError, match="swarm is not a swarm table"):
        plan_of(project, search={"evidence": "swarm"})
    (swarm / "ratios.csv").write_text("run_id,a,b\n1,0.5,0.5\n")
    (swarm / "metrics.csv").write_text("run_id,first_text\n1,2.5\n")
    with pytest.raises(ConfigError, match="no metric second_text"):
        plan_of(project, search={"evidence": "swarm"})
    assert plan_of(project, to="domains", search={"evidence": "swarm"}).stale == ()


def rewrite_environment(project: Path, asset: str, partition: str, **values: str) -> None:
    """Let an artefact have been made in another environment."""
    run = LocalStore(project / "data_lake").get(asset, partition).path / "run.json"
    facts = json.loads(run.read_text())
    facts["environment"] |= {name.replace("_", " "): value for name, value in values.items()}
    run.write_text(json.dumps(facts))


def test_another_precision_is_stale_whatever_the_policy(project: Path) -> None:
    other = "float16"  # on no processor what `auto` comes to
    rewrite_environment(project, "embeddings", "first.jsonl", precision=other)
    plan = plan_of(project)
    assert names(plan, certain=True) == {"embeddings[first.jsonl]"}
    (cause,) = causes(plan, "embeddings[first.jsonl]")
    assert (cause.kind, cause.input.partition(" ->")[0]) == ("environment", f"precision {other}")


def test_another_version_of_a_package_is_told_and_by_policy_stale(project: Path) -> None:
    rewrite_environment(project, "embeddings", "first.jsonl", package_torch="2.0.1")
    plan = plan_of(project)
    assert not plan.stale
    assert [(one.difference.name, one.difference.before) for one in plan.elsewhere] == [("package torch", "2.0.1")]
    assert plan.elsewhere[0].partitions == {"embeddings": 1}
    assert "Made with another package torch (2.0.1, now " in describe_plan(plan, {}, Cost(0, (), 0))
    strict = plan_of(project, runtime={"environment": "stale", "workers": 1})
    assert names(strict, certain=True) == {"embeddings[first.jsonl]"}
    assert {cause.kind for cause in causes(strict, "embeddings[first.jsonl]")} == {"environment"}


def test_a_package_that_an_asset_does_not_use_is_no_business_of_it(project: Path) -> None:
    store = LocalStore(project / "data_lake")
    assert "package torch" not in store.get("corpus_shards", "first.jsonl").environment
    assert {"package torch", "precision", "device"} <= store.get("embeddings", "first.jsonl").environment.keys()
