"""The trees split a few rows, and with RegMix's settings they give RegMix's published numbers."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from climb_assets import config_search
from climb_assets.search.trees import Trees, fit_published_trees, fit_small_trees, stop_early

TABLES = os.environ.get("CLIMB_SWARM_TABLES")  # a folder whose folder regmix has RegMix's files
# The domains of RegMix's notebook (peers: 512 models to fit, 256 to test), Spearman times 100 as it prints them.
NOTEBOOK = [99.60, 99.71, 99.08, 99.45, 97.20, 99.77, 99.73, 99.18, 98.92, 96.87, 98.51, 99.19, 99.12]
REGMIX = config_search.LightGBM(
    trees=1000,
    learning_rate=0.01,
    max_depth=31,  # as many as 31 leaves can have: no bound
    min_leaf=20,
    l1=0,
    l2=0,
    early_stopping=3,
    metrics=("l1", "l2"),
)


def table(name):
    with Path(TABLES, "regmix", name).open() as stream:
        rows = list(csv.reader(stream))
    return np.array(rows[1:], dtype=np.float64)[:, 1:]


@pytest.mark.skipif(TABLES is None, reason="CLIMB_SWARM_TABLES names no folder of published tables, which are not ours")
def test_regmix_own_numbers_come_out_of_our_lightgbm():
    weights, losses = table("train_mixture_1m.csv"), table("train_pile_loss_1m.csv")
    unseen, truth = table("test_mixture_1m.csv"), table("test_pile_loss_1m.csv")
    found = [
        100 * spearmanr(stop_early((weights, loss), (unseen, true), REGMIX, 42).predict(unseen), true).statistic
        for loss, true in zip(losses.T, truth.T, strict=True)
    ]
    np.testing.assert_allclose(found, NOTEBOOK, atol=0.01)


def swarm(rows):
    weights = np.random.default_rng(rows).dirichlet(np.full(6, 0.7), rows)
    losses = (weights[:, 0] - 0.5) ** 2 - np.sqrt(weights[:, 1]) - weights[:, 2]
    return weights, (losses - losses.mean()) / losses.std()


def fits(rows):
    weights, losses = swarm(rows)
    return [
        fit_published_trees(weights, losses, config_search.LightGBM(), 3),
        fit_small_trees(weights, losses, config_search.SmallTrees(), 3),
    ]


def test_both_families_learn_a_smooth_function():
    unseen, truth = swarm(400)
    for trees in fits(112):
        assert spearmanr(trees.predict(unseen).mean, truth).statistic > 0.85


def test_28_mixtures_are_split_and_four_are_not():
    assert not any(trees.constant for trees in fits(28))
    for trees in fits(4):
        assert trees.constant
        np.testing.assert_allclose(trees.predict(np.eye(6)).mean, 0, atol=1e-9)


def test_equal_work_gives_equal_text_and_the_text_predicts_the_same():
    unseen = swarm(50)[0]
    for first, second in zip(fits(64), fits(64), strict=True):
        assert first.to_json() == second.to_json()
        read = Trees.from_json(first.to_json())
        np.testing.assert_array_equal(read.predict(unseen).mean, first.predict(unseen).mean)


def test_another_text_is_refused():
    with pytest.raises(ValueError, match="LightGBM"):
        Trees.from_json({"model": "not a model"})
