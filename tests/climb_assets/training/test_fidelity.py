"""Rank correlations of proxies and targets, their intervals, and the answer made of them."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from climb_assets import config
from climb_assets.training.fidelity import (
    Trained,
    answer,
    compare_ranks,
    correlate,
    in_words,
    of_setting,
    read_fidelity,
    write_fidelity,
)

FIDELITY = config.Fidelity(resamples=200)
OBJECTIVES = {"general": {"piqa": 1.0, "arc": 1.0}}
LOSSES = st.lists(st.integers(0, 1000), min_size=8, max_size=24, unique=True).map(lambda x: np.array(x, dtype=float))


@given(LOSSES)
@settings(max_examples=30)
def test_a_monotone_transform_keeps_every_rank(target):
    whole, top = correlate(np.sqrt(target) + 3, target, FIDELITY, 1)
    assert (whole.spearman, whole.low, whole.high) == pytest.approx((1, 1, 1))
    assert whole.mixtures == len(target) and top.mixtures == -(-len(target) // 4)
    reversed_, _ = correlate(-target, target, FIDELITY, 1)
    assert reversed_.spearman == pytest.approx(-1)


@given(LOSSES, st.randoms(use_true_random=False))
@settings(max_examples=30)
def test_the_order_of_the_mixtures_makes_no_difference(target, random):
    small = np.array(random.sample(list(target), len(target)))
    order = np.array(random.sample(range(len(target)), len(target)))
    whole, top = correlate(small, target, FIDELITY, 1)
    assert correlate(small[order], target[order], FIDELITY, 1) == (whole, top)
    assert whole.spearman == pytest.approx(spearmanr(small, target).statistic)
    assert -1 <= whole.low <= whole.high <= 1


def test_ties_share_their_rank():
    small, large = np.array([1.0, 1.0, 2.0, 3.0, 3.0]), np.array([2.0, 1.0, 1.0, 5.0, 4.0])
    assert correlate(small, large, FIDELITY, 1)[0].spearman == pytest.approx(spearmanr(small, large).statistic)


def test_the_interval_covers_the_truth_about_as_often_as_it_says():
    random = np.random.default_rng(0)
    truth = 6 / np.pi * np.arcsin(0.5 * 0.7)  # Spearman's of a normal pair that correlates at 0.7
    covered = 0
    for _ in range(100):
        small, large = random.multivariate_normal([0, 0], [[1, 0.7], [0.7, 1]], size=40).T
        whole, _ = correlate(small, large, FIDELITY, 1)
        covered += whole.low <= truth <= whole.high
    assert covered >= 85


def test_the_best_quarter_is_ranked_by_itself():
    target = np.arange(16.0)
    small = np.concatenate([[3, 2, 1, 0], np.arange(4.0, 16)])
    whole, top = correlate(small, target, FIDELITY, 1)
    assert whole.spearman > 0.9 and top.spearman == pytest.approx(-1) and top.mixtures == 4


@pytest.mark.parametrize("losses", [[], [1.0], [1.0, 2.0, 3.0], [5.0, 5.0, 5.0, 5.0]])
def test_too_few_mixtures_or_equal_ones_have_no_correlation(losses):
    whole, top = correlate(np.array(losses), np.arange(float(len(losses))), FIDELITY, 1)
    assert (whole.mixtures, whole.spearman, whole.low, whole.high) == (len(losses), None, None, None)
    assert top.spearman is None


def trained(setting, parameters, noise, count=12):
    """Return the target's losses, and a setting whose losses are those with noise that falls with tokens."""
    random = np.random.default_rng(0)
    target = {"piqa": np.arange(count, dtype=float), "arc": np.arange(count, dtype=float) ** 2}
    losses = {
        tokens: {task: loss + noise / tokens * random.normal(size=count) for task, loss in target.items()}
        for tokens in (200, 100)
    }
    return target, Trained(setting, parameters, 1e-3, losses)


def test_every_setting_token_count_and_measure_has_a_row(tmp_path):
    target, small = trained("small", 10, 1.0)
    rows = compare_ranks([small], target, OBJECTIVES, FIDELITY, 1)
    assert [(row.tokens, row.kind, row.measure) for row in rows] == [
        (tokens, *measure)
        for tokens in (100, 200)
        for measure in (("task", "arc"), ("task", "piqa"), ("objective", "general"))
    ]
    assert {row.compute for row in rows} == {6 * 10 * 100, 6 * 10 * 200}
    assert {(row.mixtures, row.top_mixtures, row.top_spearman) for row in rows} == {(12, 3, None)}
    assert [row.tokens for row in of_setting(rows, "small").values()] == [200]
    write_fidelity(tmp_path / "fidelity.parquet", rows)
    assert read_fidelity(tmp_path / "fidelity.parquet") == rows


def test_a_mixture_that_diverged_is_left_out_where_it_did():
    target, small = trained("small", 10, 0.0)
    small.losses[100]["piqa"][3] = np.nan
    target["arc"][5] = np.nan
    rows = compare_ranks([small], target, OBJECTIVES, FIDELITY, 1)
    counts = {(row.tokens, row.measure): row.mixtures for row in rows}
    assert (counts[100, "piqa"], counts[100, "arc"], counts[100, "general"]) == (11, 11, 10)
    assert (counts[200, "piqa"], counts[200, "general"]) == (12, 11)


def test_the_answer_is_the_cheapest_that_is_good_enough_and_the_best_otherwise():
    target, small = trained("small", 10, 0.0)
    large = trained("large", 1000, 0.0)[1]
    poor = trained("poor", 1, 1e5)[1]
    rows = compare_ranks([large, poor, small], target, OBJECTIVES, FIDELITY, 1)
    found = answer(rows, 0.9)["general"]
    assert (found["reached"]["setting"], found["reached"]["tokens"]) == ("small", 200)
    worse = [replace(row, spearman=(row.spearman or 0) / 2) for row in rows]
    found = answer(worse, 0.9)["general"]
    assert found["reached"] is None
    assert (found["best"]["setting"], found["best"]["tokens"], found["wanted"]) == ("small", 100, 0.9)


def test_a_setting_whose_end_is_not_known_is_no_answer_by_a_snapshot():
    """Its models diverged at the end; a run as long as the snapshot would have decayed its learning rate."""
    target, small = trained("small", 10, 0.0)
    small.losses[200]["piqa"][:] = np.nan
    found = answer(compare_ranks([small], target, OBJECTIVES, FIDELITY, 1), 0.9)["general"]
    assert found["reached"] is None
    assert (found["best"]["setting"], found["best"]["tokens"]) == ("small", 100)


def test_what_is_not_known_is_said():
    assert in_words(6, 0.518, -0.1, 0.9) == "0.52 (-0.10 .. 0.90), 6 mixtures"
    assert in_words(2, None, None, None) == "not known, 2 mixtures"


def test_nothing_measured_answers_nothing():
    assert answer([], 0.8) == {}
    target, few = trained("few", 10, 0.0, count=3)
    found = answer(compare_ranks([few], target, OBJECTIVES, FIDELITY, 1), 0.8)["general"]
    assert (found["reached"], found["best"]) == (None, None)
    assert of_setting([], "few") == {}
