"""`search.stop: obey`: an iteration that promises nothing trains nothing, and all that lies behind it is made."""

from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pytest

from climb_assets.audit.verification import verify_lake
from climb_assets.graph.materializer import Materializer
from climb_assets.graph.planner import make_plan
from climb_assets.search.history import History
from climb_assets.search.search_state import (
    advise_on,
    obey_stop_rule,
    propose_at_most,
    propose_further,
    read_knowledge,
    read_space,
)
from climb_assets.simplex.mixtures import is_among
from climb_assets.tables import read_table
from dagster_project.checks import CHECKS
from dagster_project.metadata import describe
from dagster_project.summary_text import describe as describe_state
from tests.dagster_project.conftest import Up, assets, names
from tests.dagster_project.test_kept import open_project

pytestmark = pytest.mark.slow

ITERATIONS = [4, 2, 2, 2]
NEAR = {"limits": {"divergence": 1000.0}}  # once the mixtures nearest to the corpus are tried, no other can be better


def search(project: Path, **settings: Any) -> Materializer:
    """Return a materializer of the project with other settings of the search."""
    return open_project(project, search={"iterations": ITERATIONS, "pool": 200, "acquisition": {"top": 8}} | settings)


def proxies(climb: Materializer) -> list[int]:
    """Return how many candidates each iteration has trained."""
    results = [climb.get("proxy_results", f"iteration-0{number}") for number in range(1, len(ITERATIONS) + 1)]
    return [len(set(read_table(made.file("results.parquet"))["key"].to_pylist())) for made in results]


def promises_gain(climb: Materializer, number: int) -> bool:
    """Return whether the iteration after another has an objective for which the stop rule does not say stop."""
    space = read_space(climb)
    known = read_knowledge(space, climb.get("predictor_state", f"iteration-0{number}"))
    count = climb.config.search.iterations[number]
    further = propose_further(known, space.draw(), count, number + 1)
    return not all(advise_on(known, further, objective).stop for objective in climb.config.objectives)


def test_where_nothing_is_left_to_gain_nothing_is_trained(project: Path, up: Up, instance: dg.DagsterInstance) -> None:
    search(project, **NEAR, stop="obey")
    up()
    climb = search(project, **NEAR, stop="obey")
    assert proxies(climb) == [4, 2, 2, 0]
    histories = [
        History.load(climb.get("predictor_state", f"iteration-0{number}").file("history.parquet")) for number in (3, 4)
    ]
    assert len(histories[0].keys) == 8 and histories[0].keys == histories[1].keys

    told = climb.get("mixture_candidates", "iteration-04").summary["stopped"]
    assert set(told) == {"general", "science"} and all(sentence.endswith(": stop") for sentence in told.values())
    assert "iteration-04 trained nothing, by search.stop: general: another 2 proxies" in describe_state(climb)
    for asset in ("mixture_candidates", "proxy_results", "predictor_state"):
        assert describe(climb, climb.get(asset, "iteration-04"))
    checks = instance.get_latest_asset_check_evaluation_record
    for spec in (
        spec for check in CHECKS if check.asset in ("mixture_candidates", "proxy_results") for spec in [check.spec]
    ):
        assert checks(spec.key).event.dagster_event.asset_check_evaluation_data.passed, spec.name
    assert not assets(make_plan(climb)) and verify_lake(climb).differences == ()

    search(project, **NEAR)
    up("predictor_state")
    assert proxies(search(project, **NEAR)) == ITERATIONS


def test_an_iteration_that_promises_something_is_trained(project: Path, up: Up) -> None:
    climb = search(project, stop="obey")
    up("predictor_state")
    counts = proxies(climb)
    assert sum(counts) > ITERATIONS[0]  # else this test would show nothing
    assert counts == [4, *(2 * promises_gain(climb, number) for number in (1, 2, 3))]


def test_what_has_ended_does_not_begin_again_and_a_pool_that_is_tried_out_ends_it(project: Path, up: Up) -> None:
    climb = search(project, **NEAR, iterations=[4, 2, 2, 1, 150], stop="obey")
    up("predictor_state")
    state = History.load(climb.get("predictor_state", "iteration-05").file("history.parquet"))
    assert len(state.keys) == 8  # 150 would promise more than one does
    told = climb.get("mixture_candidates", "iteration-05").summary["stopped"]
    assert told == dict.fromkeys(("general", "science"), "iteration 4 has ended the search")

    space = read_space(climb)
    known, pool = read_knowledge(space, climb.get("predictor_state", "iteration-03")), space.draw()
    left = ~is_among(pool, known.history.weights)
    few = np.concatenate([pool[~left], pool[left][:1]])
    assert len(propose_at_most(known, few, 2, 4)) == 1
    assert obey_stop_rule(known, pool[~left], 4)[0] == []


def test_without_noise_there_is_no_advice_to_obey(project: Path, up: Up) -> None:
    climb = search(project, **NEAR, repeats=0, stop="obey")
    up("predictor_state")
    assert proxies(climb) == ITERATIONS


def test_only_the_candidates_after_the_first_iteration_depend_on_it(project: Path) -> None:
    stale = names(make_plan(search(project, stop="obey", iterations=[4, 2, 2])), certain=True)
    assert stale == {"mixture_candidates[iteration-02]", "mixture_candidates[iteration-03]"}
