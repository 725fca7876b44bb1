"""The trees learn from many rows, split few ones as far as they can, and are the same whoever asks."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from climb_assets import config_search
from climb_assets.search.trees import Trees, fit_published_trees, fit_small_trees


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
