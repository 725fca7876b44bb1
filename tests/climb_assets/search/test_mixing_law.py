"""The law finds its own coefficients again, and few or noisy rows do not blow it up."""

import json

import numpy as np
import pytest
from scipy.stats import spearmanr

from climb_assets import config_search
from climb_assets.search.mixing_law import MixingLaw, fit_mixing_law

SETTINGS = config_search.MixingLaw()
TRUTH = MixingLaw(-2.0, 0.3, np.array([1.0, 0.2, -0.5, -2.0]))


def mixtures(rows, seed):
    return np.random.default_rng(seed).dirichlet(np.ones(4), rows)


def test_a_law_is_found_again():
    weights, unseen = mixtures(60, 1), mixtures(200, 2)
    law = fit_mixing_law(weights, TRUTH.predict(weights).mean, SETTINGS)
    np.testing.assert_allclose(law.predict(unseen).mean, TRUTH.predict(unseen).mean, atol=0.05)
    np.testing.assert_array_equal(np.argsort(law.slopes), np.argsort(TRUTH.slopes))


def test_accuracies_that_are_to_be_maximised_fit_as_well():
    weights, unseen = mixtures(60, 1), mixtures(200, 2)
    negated = -0.3 - 0.4 * weights[:, 0] + 0.2 * weights[:, 1]
    law = fit_mixing_law(weights, (negated - negated.mean()) / negated.std(), SETTINGS)
    expected = -0.4 * unseen[:, 0] + 0.2 * unseen[:, 1]
    assert spearmanr(law.predict(unseen).mean, expected).statistic > 0.99


@pytest.mark.parametrize("rows", [2, 3, 5])
def test_few_rows_stay_near_what_was_measured(rows):
    weights = mixtures(rows, rows)
    predicted = fit_mixing_law(weights, np.linspace(-1, 1, rows), SETTINGS).predict(mixtures(200, 9)).mean
    assert np.abs(predicted).max() < 30


def test_equal_losses_and_equal_rows_are_survived():
    weights = np.repeat(mixtures(2, 1), 3, axis=0)
    np.testing.assert_allclose(fit_mixing_law(weights, np.zeros(6), SETTINGS).predict(weights).mean, 0, atol=0.05)
    uneven = fit_mixing_law(weights, np.array([0.0, 0, 0, 1, 1, 1]), SETTINGS).predict(weights).mean
    np.testing.assert_allclose(uneven, [0, 0, 0, 1, 1, 1], atol=0.1)


def test_the_state_predicts_the_same():
    law = fit_mixing_law(mixtures(20, 1), mixtures(20, 1)[:, 0], SETTINGS)
    read = MixingLaw.from_json(json.loads(json.dumps(law.to_json())))
    np.testing.assert_array_equal(read.predict(mixtures(50, 2)).mean, law.predict(mixtures(50, 2)).mean)
    assert not read.constant
