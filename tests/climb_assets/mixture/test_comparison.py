"""Verdicts follow paired intervals."""

import numpy as np
import pytest
from scipy.stats import ttest_rel

from climb_assets.errors import ComputeError
from climb_assets.mixture.comparison import compare

SEEDS = range(5)
NOISE = np.random.default_rng(0).normal(0, 0.05, 5)  # shared by the arms of a seed
JITTER = np.random.default_rng(1).normal(0, 0.001, (3, 5))


def arm(shift, row):
    return {
        seed: {"a": 1 + shift + NOISE[seed] + JITTER[row, seed], "b": 2 - shift / 2 + NOISE[seed]} for seed in SEEDS
    }


SCORES = {"climb": arm(0.0, 0), "uniform": arm(0.02, 1), "prior": arm(0.0, 2)}
AVERAGES = {"general": {"a": 1.0, "b": 1.0}}


def by_name(confidence=0.95):
    return {(row.arm, row.measure): row for row in compare(SCORES, "climb", AVERAGES, confidence)}


def test_there_is_a_row_for_each_other_arm_and_measure():
    assert set(by_name()) == {(arm, m) for arm in ("uniform", "prior") for m in ("a", "b", "mean of general")}


def test_pairing_sees_what_the_seeds_noise_hides():
    rows = by_name()
    assert rows["uniform", "a"].verdict == "better"
    assert rows["uniform", "a"].difference == pytest.approx(-0.02, abs=0.002)
    assert rows["uniform", "b"].verdict == "worse"
    assert rows["prior", "a"].verdict == "no difference seen"


def test_the_interval_is_the_paired_t_interval():
    row = by_name(0.9)["prior", "a"]
    ours, theirs = ([SCORES[name][seed]["a"] for seed in SEEDS] for name in ("climb", "prior"))
    expected = ttest_rel(ours, theirs).confidence_interval(0.9)
    assert (row.low, row.high) == pytest.approx((expected.low, expected.high))


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
        compare(scores, "climb", AVERAGES, 0.95)
