"""Verdicts follow intervals that hold together."""

import numpy as np
import pytest
from scipy.stats import ttest_rel

from climb_assets.errors import ComputeError
from climb_assets.mixture.comparison import compare
from climb_assets.search.item_sampling import ItemLosses

SEEDS = range(5)
NOISE = np.random.default_rng(0).normal(0, 0.05, 5)  # shared by the arms of a seed
JITTER = np.random.default_rng(1).normal(0, 0.001, (3, 5))
ITEMS = 30


def arm(shift, row):
    return {
        seed: {"a": 1 + shift + NOISE[seed] + JITTER[row, seed], "b": 2 - shift / 2 + NOISE[seed] + JITTER[row, seed]}
        for seed in SEEDS
    }


SCORES = {"climb": arm(0.0, 0), "uniform": arm(0.02, 1), "prior": arm(0.0, 2)}
AVERAGES = {"general": {"a": 1.0, "b": 1.0}}


def items_of(scores, spread=0.0):
    """Return items of these losses: all alike, or so far apart between arms as `spread` says."""
    random, found = np.random.default_rng(3), {}
    for name, by_seed in scores.items():
        apart = random.normal(0, spread, ITEMS)
        apart -= apart.mean()
        found[name] = {
            seed: {task: ItemLosses(100 * (loss + apart), np.full(ITEMS, 100)) for task, loss in tasks.items()}
            for seed, tasks in by_seed.items()
        }
    return found


def judge(scores=SCORES, confidence=0.95, spread=0.0, averages=AVERAGES):
    return compare(scores, items_of(scores, spread), "climb", averages, confidence, np.random.default_rng(0))


def by_name(**changes):
    return {(row.arm, row.measure): row for row in judge(**changes)}


def test_there_is_a_row_for_each_other_arm_and_measure():
    assert set(by_name()) == {(arm, m) for arm in ("uniform", "prior") for m in ("a", "b", "mean of general")}


def test_pairing_sees_what_the_seeds_noise_hides():
    rows = by_name()
    assert rows["uniform", "a"].verdict == "better"
    assert rows["uniform", "a"].difference == pytest.approx(-0.02, abs=0.002)
    assert rows["uniform", "b"].verdict == "worse"
    assert rows["prior", "a"].verdict == "no difference seen"


def test_one_comparison_has_the_paired_t_interval():
    two = {name: {seed: {"a": tasks["a"]} for seed, tasks in SCORES[name].items()} for name in ("climb", "prior")}
    row = {row.measure: row for row in judge(two, 0.9, averages={"a alone": {"a": 1.0}})}["mean of a alone"]
    ours, theirs = ([two[name][seed]["a"] for seed in SEEDS] for name in ("climb", "prior"))
    expected = ttest_rel(ours, theirs).confidence_interval(0.9)
    assert (row.low, row.high) == pytest.approx((expected.low, expected.high), rel=0.02)
    assert (row.comparisons, row.family) == (1, "primary")
    assert row.confidence == pytest.approx(0.9, abs=0.003)


def test_the_record_says_of_how_many_comparisons_an_interval_is_one():
    counted = {(row.measure, row.family): row.comparisons for row in judge(averages=AVERAGES | {"b alone": {"b": 1.0}})}
    assert counted == {
        ("a", "secondary"): 4,
        ("b", "secondary"): 4,
        ("mean of general", "primary"): 4,
        ("mean of b alone", "primary"): 4,
    }


def test_more_comparisons_widen_an_interval():
    one, more = (by_name(averages=averages) for averages in (AVERAGES, AVERAGES | {"b alone": {"b": 1.0}}))
    width = [rows["prior", "mean of general"].high - rows["prior", "mean of general"].low for rows in (one, more)]
    assert width[1] > 1.05 * width[0]
    assert 0.95 < one["prior", "mean of general"].confidence < more["prior", "mean of general"].confidence < 1


def test_items_that_differ_between_arms_take_a_verdict_back():
    assert by_name(spread=0.001)["uniform", "a"].verdict == "better"
    assert by_name(spread=0.5)["uniform", "a"].verdict == "no difference seen"


def test_an_arm_that_is_another_one_counts_once():
    twice = SCORES | {"unimax": SCORES["uniform"], "answer again": SCORES["climb"]}
    rows, alone = by_name(scores=twice), by_name()
    assert rows["unimax", "a"].comparisons == alone["uniform", "a"].comparisons == 4
    assert rows["unimax", "a"].high == rows["uniform", "a"].high == alone["uniform", "a"].high
    same = rows["answer again", "a"]
    assert (same.difference, same.low, same.high, same.verdict) == (0.0, 0.0, 0.0, "no difference seen")


def test_of_comparisons_without_a_difference_few_families_have_a_verdict():
    random, wrong = np.random.default_rng(7), []
    for _ in range(200):
        shared = random.normal(0, 0.05, (3, 2))
        scores = {
            name: {
                seed: dict(zip("ab", 1 + shared[seed] + random.normal(0, 0.01, 2), strict=True)) for seed in range(3)
            }
            for name in ("climb", "uniform", "prior", "unimax")
        }
        rows = judge(scores)
        called = {row.family for row in rows if row.verdict != "no difference seen"}
        wrong += [family in called for family in ("primary", "secondary")]
    assert np.mean(wrong) <= 0.05 + 0.02  # two standard errors of the simulation


def test_averages_are_weighted_means():
    row = by_name()["uniform", "mean of general"]
    assert row.chosen == pytest.approx(np.mean([(s["a"] + s["b"]) / 2 for s in SCORES["climb"].values()]))


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        ({"climb": {0: {"a": 1.0}}, "uniform": {0: {"a": 1.0}}}, "two seeds"),
        ({"climb": arm(0, 0), "uniform": {0: {"a": 1.0, "b": 1.0}, 1: {"a": 1.0, "b": 1.0}}}, "arm uniform"),
        ({"climb": arm(0, 0), "uniform": {seed: {"a": 1.0, "b": float("nan")} for seed in SEEDS}}, "arm uniform"),
    ],
)
def test_scores_that_cannot_be_paired_are_refused(scores, words):
    with pytest.raises(ComputeError, match=words):
        judge(scores)
