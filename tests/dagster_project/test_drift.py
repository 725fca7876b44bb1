"""Drift: measured on every refresh, told by plan and checks, and renewed by policy."""

import json
from pathlib import Path
from urllib.parse import unquote

import dagster as dg
import pytest
from click.testing import CliRunner

from climb_assets.clusters.drift import MEASURES
from climb_assets.graph.kept import Drift, renew
from climb_assets.graph.planner import make_plan
from climb_assets.tables import read_table
from dagster_project.checks import checks_of
from dagster_project.cli import main
from dagster_project.jobs import of_search, refresh_corpus
from dagster_project.metadata import describe
from dagster_project.renewal import for_a_person
from tests.conftest import write_source
from tests.dagster_project.conftest import SMALL_SEARCH, Up, assets
from tests.dagster_project.test_kept import TAXONOMY, open_project

MEASURED = "taxonomy_drift"
AUTO = {"renew": "auto", "drift": 0.05}


def add_source(project: Path, documents: int = 200) -> None:
    """Add a shard of one source, by which the shares of the domains move."""
    write_source(project / "data_lake" / "raw" / "fourth.jsonl", "second", documents, seed=7)


def taxonomy_line(project: Path) -> str:
    """Return what the plan says of the taxonomy."""
    return make_plan(open_project(project)).kept[0].in_words()


def test_of_the_corpus_that_it_was_fitted_on_there_is_none(project: Path) -> None:
    climb = open_project(project)
    rows = read_table(climb.get(MEASURED).file("drift.parquet")).to_pylist()
    assert {row["measure"] for row in rows} == set(MEASURES)
    assert not any(row["difference"] or row["threshold"] or row["beyond"] for row in rows)
    assert all(check.evaluate(climb, [climb.get(MEASURED)]).passed for check in checks_of(MEASURED))
    assert "drift" not in taxonomy_line(project)


@pytest.mark.slow
def test_a_refresh_measures_it_tells_once_and_renews_nothing_unasked(project: Path, up: Up) -> None:
    add_source(project)
    assert MEASURED in assets(make_plan(open_project(project))) and "drift" not in taxonomy_line(project)
    up(MEASURED)
    told = [line for line in up.lines if "`climb renew taxonomy`" in line]
    assert len(told) == 1 and "drift" in told[0]
    climb = open_project(project)
    facts = climb.get(MEASURED).summary
    assert facts["token_drift"] > facts["token_drift_noise"] > 0
    assert taxonomy_line(project) == (
        "kept: taxonomy of generation 1, fitted on 3 shards; 1 shard since (1 came); "
        f"drift {100 * facts['token_drift']:.1f} % of tokens, renew at 5 %"
    )
    for command in (["plan", "--json"], ["status"]):
        result = CliRunner().invoke(main, ["--config", str(project / "climb.yaml"), *command])
        assert result.exit_code == 0
        if "--json" in command:
            (group, *_) = json.loads(result.output)["kept"]
            assert group["drift"]["share"] == facts["token_drift"] and group["drift"]["renew_at"] == 0.05
        else:
            assert f"drift {100 * facts['token_drift']:.1f} % of tokens" in result.output

    found = {check.name: check.evaluate(climb, [climb.get(MEASURED)]) for check in checks_of(MEASURED)}
    assert len(found) == len(MEASURES) and not any(check.blocking for check in checks_of(MEASURED))
    shares = found["token_shares_hold"]
    assert not shares.passed and "beyond the noise of a domain: " in shares.description
    assert shares.shown["today"] == facts["token_drift"]
    page = describe(climb, climb.get(MEASURED))
    assert page["token_drift"] == pytest.approx(facts["token_drift"], rel=1e-3)  # a number, so Dagster plots it
    assert "points" in unquote(page["Picture"].md_str)  # by how much the share of each domain moved


@pytest.mark.slow
def test_by_policy_it_is_renewed_once(project: Path, up: Up) -> None:
    add_source(project)
    open_project(project, taxonomy=AUTO)
    up(MEASURED)
    assert sum("taxonomy.renew: auto" in line for line in up.lines) == 1
    assert taxonomy_line(project) == "kept: taxonomy of generation 2, fitted on 4 shards; nothing since"
    assert open_project(project).get(MEASURED).summary["token_drift"] == 0
    assert up(MEASURED).made == 0 and up.lines == []


@pytest.mark.slow
def test_by_policy_a_refresh_goes_on_to_the_search(project: Path, instance: dg.DagsterInstance) -> None:
    add_source(project)
    climb = open_project(project, taxonomy=AUTO, **SMALL_SEARCH)
    outcome = refresh_corpus.execute_in_process(resources={"climb": climb}, instance=instance)
    assert outcome.success
    climb = open_project(project)
    plan = make_plan(climb)
    assert plan.stale == () and [group.generation for group in plan.kept] == [2, 1]
    assert climb.get("training_tokens").manifest["inputs"]["domains"] == climb.get("domains").data_version


def test_an_update_that_was_ended_behind_a_renewal_goes_on(project: Path) -> None:
    renew(open_project(project).store, "taxonomy")
    climb = open_project(project)
    items = of_search(make_plan(climb))
    assert {item.asset for item in items} >= {*TAXONOMY, "proxy_results"}
    assert for_a_person(climb.config, items) == items
    climb = open_project(project, taxonomy=AUTO)
    assert for_a_person(climb.config, of_search(make_plan(climb))) == []
    climb = open_project(project, search={"seed": 5})
    assert {item.asset for item in for_a_person(climb.config, of_search(make_plan(climb)))} >= {"mixture_candidates"}


def test_what_chance_moves_is_not_due() -> None:
    assert Drift(0.06, 0.01, 0.05).is_due and not Drift(0.04, 0.01, 0.05).is_due
    small = Drift(0.06, 0.08, 0.05)
    assert not small.is_due
    assert small.in_words() == "drift 6.0 % of tokens (chance moves 8.0 %), renew at 5 %"
