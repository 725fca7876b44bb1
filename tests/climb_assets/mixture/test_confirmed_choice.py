"""The answer is what fresh seeds allow, and the record says what they do not."""

import json
from dataclasses import replace

import numpy as np
import pytest

from climb_assets.config_search import Choice
from climb_assets.errors import ComputeError
from climb_assets.mixture.confirmed_choice import select_confirmed, select_published, write_selection
from climb_assets.mixture.published_choice import PublishedChoice
from climb_assets.search.confirmation import Listed, gather_arms
from climb_assets.search.item_sampling import ItemLosses
from climb_assets.search.iteration import Fit
from climb_assets.search.noise import Noise
from climb_assets.simplex.mixtures import mixture_key
from climb_assets.tables import read_table

WEIGHTS = {"piqa": 1.0}
PRIOR = np.array([0.5, 0.3, 0.2])
NOISE = Noise("general", "objective", 0.02, 3.0, 0.06, 6.0, 0.01, 2)
MIXTURES = {"measured 1": (0.7, 0.2, 0.1), "measured 2": (0.6, 0.3, 0.1), "predicted": (0.75, 0.2, 0.05)}
BASELINES = {"uniform": (1 / 3, 1 / 3, 1 / 3), "proportional": (0.5, 0.3, 0.2)}
GOOD = {"measured 1": 1.0, "measured 2": 1.005, "predicted": 1.0, "uniform": 1.3, "proportional": 1.2}
PROSPECT = PublishedChoice(
    key=mixture_key(MIXTURES["predicted"]),
    weights=MIXTURES["predicted"],
    predicted=0.95,
    interval=(0.9, 1.0),
    measured=None,
    pool=1000,
    ties=3,
    best_measured_key=mixture_key(MIXTURES["measured 1"]),
    best_measured=0.99,
    better_measured=0,
    fit=Fit(56, 0.9, 0.02, False),
)
LISTED = [
    Listed(name, mixture_key(weights), weights, f"why {name}", name != "predicted", 0.0)
    for name, weights in MIXTURES.items()
]


def confirm(means, code=None, diverged=(), choice=None, noise=NOISE, baselines=BASELINES):
    """Choose by two seeds whose losses lie 0.005 to either side of the means; `diverged` lists (mixture, seed)."""
    weights, code = MIXTURES | baselines, code or {}
    losses = {
        (mixture_key(weights[name]), seed): {"piqa": mean + shift, "code": code.get(name, 1.0), "held_out": mean * 7}
        for row, (name, mean) in enumerate(means.items())
        for seed, shift in ((3, 0.005 * (-1) ** row), (4, -0.005 * (-1) ** row))
        if (name, seed) not in diverged
    }
    items = {
        (key, seed): {task: ItemLosses(np.full(20, 10 * loss), np.full(20, 10)) for task, loss in tasks.items()}
        for (key, seed), tasks in losses.items()
    }
    arms = gather_arms(LISTED, baselines, losses, items, (3, 4))
    rng = np.random.default_rng(0)
    return select_confirmed("general", WEIGHTS, LISTED, arms, PROSPECT, noise, choice or Choice(), rng)


def test_the_best_measured_mixture_is_the_answer_and_its_gaps_are_told():
    selection = confirm(GOOD)
    assert (selection.key, selection.origin) == (mixture_key(MIXTURES["measured 1"]), "why measured 1")
    gaps = {gap.baseline: gap for gap in selection.evidence.gaps}
    assert gaps["uniform"].difference == pytest.approx(-0.3)
    assert gaps["proportional"].verdict == "better than"
    assert selection.evidence.conclusion.startswith("better than proportional, the best baseline: -0.2000 bits per")
    assert selection.evidence.interval[0] < selection.evidence.mean < selection.evidence.interval[1]
    assert selection.evidence.mean == pytest.approx(1.0)
    assert set(selection.evidence.probability_best) == set(GOOD)
    assert (selection.noise, selection.degrees) == (0.01, 2)
    assert selection.evidence.degrees == pytest.approx(
        2 + 4 * 3 * 2 / 7
    )  # the anchors', and that of three by two pairs
    assert selection.evidence.of_items == pytest.approx(0, abs=1e-9)  # every item says the same
    assert selection.published.ties == 3


def test_a_predicted_mixture_wins_only_by_a_margin():
    assert confirm(GOOD | {"predicted": 0.995}).origin == "why measured 1"
    assert confirm(GOOD | {"predicted": 0.9}).origin == "why predicted"


def test_an_answer_that_is_not_better_is_not_called_better():
    selection = confirm(GOOD | {"proportional": 0.99})
    assert selection.origin == "why measured 1"
    assert selection.evidence.conclusion.startswith("no better than proportional, the best baseline")
    assert confirm(GOOD | {"uniform": 0.5}).evidence.conclusion.startswith("worse than uniform, the best baseline")


def test_a_mixture_with_a_diverged_model_is_out_and_named():
    selection = confirm(GOOD, diverged=[("measured 1", 4), ("uniform", 3)])
    assert selection.origin == "why measured 2"
    assert selection.evidence.diverged == ("measured 1", "uniform")
    assert [gap.baseline for gap in selection.evidence.gaps] == ["proportional"]
    assert selection.evidence.conclusion.endswith("; not compared, because a model of it diverged: uniform")
    assert "diverged" not in confirm(GOOD, diverged=[("measured 1", 4)]).evidence.conclusion


def test_a_baseline_under_two_names_counts_once():
    twice = BASELINES | {"unimax": BASELINES["uniform"]}
    evidence = confirm(GOOD | {"unimax": GOOD["uniform"]}, baselines=twice).evidence
    assert evidence.degrees == confirm(GOOD).evidence.degrees
    gaps = {gap.baseline: (gap.difference, gap.low, gap.high, gap.verdict) for gap in evidence.gaps}
    assert gaps["unimax"] == gaps["uniform"] != gaps["proportional"]
    assert evidence.probability_best["unimax"] == evidence.probability_best["uniform"]


def test_an_answer_that_is_a_baseline_is_no_better_than_it():
    same = {"uniform": MIXTURES["measured 1"]}
    means = {name: GOOD[name] for name in MIXTURES} | {"uniform": GOOD["measured 1"]}
    evidence = confirm(means, baselines=same).evidence
    assert [(gap.difference, gap.verdict) for gap in evidence.gaps] == [(0.0, "no better than")]


@pytest.mark.parametrize("gone", [MIXTURES, BASELINES])
def test_without_a_mixture_or_a_baseline_nothing_is_chosen(gone):
    with pytest.raises(ComputeError, match="diverged"):
        confirm(GOOD, diverged=[(name, 3) for name in gone])


def test_an_answer_keeps_the_no_regression_floors_that_some_mixture_keeps():
    guarded = Choice(no_regression={"code": 0.1})
    selection = confirm(GOOD, code={"measured 1": 1.2}, choice=guarded)
    assert selection.origin == "why measured 2"
    assert selection.evidence.excess == 0
    assert "floor" not in selection.evidence.conclusion
    alone = confirm(GOOD, code={"measured 1": 1.2, "measured 2": 1.3}, choice=guarded)
    assert alone.origin == "why predicted"
    assert alone.evidence.conclusion.endswith("; of 3 mixtures only this one keeps the no-regression floors")


def test_where_every_mixture_breaks_a_floor_the_record_says_so():
    worse = {"measured 1": 1.4, "measured 2": 1.3, "predicted": 1.2}
    selection = confirm(GOOD, code=worse, choice=Choice(no_regression={"code": 0.1}))
    assert selection.origin == "why predicted"
    assert selection.evidence.excess == pytest.approx(0.1)
    assert "breaks a no-regression floor" in selection.evidence.conclusion


def test_floors_need_the_baseline_that_they_compare_with():
    with pytest.raises(ComputeError, match="proportional"):
        confirm(GOOD, diverged=[("proportional", 3)], choice=Choice(no_regression={"code": 0.1}))


def test_tasks_without_a_weight_decide_nothing():
    assert confirm(GOOD, code={"measured 1": 99.0}).key == confirm(GOOD).key


def test_the_same_seeds_give_the_same_record():
    assert confirm(GOOD) == confirm(GOOD)


def test_the_published_rule_takes_the_pick_of_the_predictor():
    selection = select_published("general", PROSPECT, None)
    assert (selection.key, selection.evidence, selection.noise, selection.degrees) == (PROSPECT.key, None, None, 0)
    assert selection.origin == "best predicted of 1000 mixtures; no model was trained to confirm it"


@pytest.mark.parametrize("selection", [confirm(GOOD), select_published("general", PROSPECT, NOISE)])
def test_its_files_hold_the_weights_by_name(selection, tmp_path):
    names, today = ["law", "music", "code"], (0.2, 0.3, 0.5)
    write_selection(tmp_path, replace(selection, today=today, adapted_by=0.1), names, PRIOR)
    rows = read_table(tmp_path / "weights.parquet").to_pylist()
    assert [tuple(row.values()) for row in rows] == list(
        zip(range(3), names, today, selection.weights, PRIOR, strict=True)
    )
    record = json.loads((tmp_path / "selection.json").read_text())
    assert record["key"] == selection.key
    assert (record["evidence"] is None) == (selection.evidence is None)
