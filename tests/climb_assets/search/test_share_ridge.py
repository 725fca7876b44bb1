"""The ridge learns logarithms of shares, ignores what never changes and shrinks when there is only noise."""

import json

import numpy as np
import pytest

from climb_assets import config_search
from climb_assets.search.share_ridge import ShareRidge, fit_share_ridge

SETTINGS = config_search.ShareRidge()


def mixtures(rows, seed):
    weights = np.random.default_rng(seed).dirichlet(np.full(5, 0.5), rows)
    return np.hstack([weights, np.zeros((rows, 1))])  # a domain that nobody ever used


def loss(weights):
    return -0.5 * np.log(weights[:, 0] + 0.01) + weights[:, 1]


def test_logarithms_of_shares_are_learnt():
    weights, unseen = mixtures(60, 1), mixtures(200, 2)
    ridge = fit_share_ridge(weights, loss(weights), SETTINGS)
    np.testing.assert_allclose(ridge.predict(unseen).mean, loss(unseen), atol=0.1)


def test_a_share_that_never_changed_changes_nothing():
    weights = mixtures(60, 1)
    ridge = fit_share_ridge(weights, loss(weights), SETTINGS)
    moved = weights.copy()
    moved[:, -1] = 0.5
    np.testing.assert_array_equal(ridge.predict(moved).mean, ridge.predict(weights).mean)


def test_noise_alone_teaches_little():
    noise = np.random.default_rng(5).normal(size=40)
    ridge = fit_share_ridge(mixtures(40, 1), noise, SETTINGS)
    assert ridge.predict(mixtures(200, 2)).mean.std() < 0.5 * noise.std()


@pytest.mark.parametrize("rows", [2, 3])
def test_a_handful_of_rows_gives_numbers(rows):
    ridge = fit_share_ridge(mixtures(rows, rows), np.arange(rows, dtype=float), SETTINGS)
    assert np.isfinite(ridge.predict(mixtures(50, 2)).mean).all()


def test_the_state_predicts_the_same():
    weights = mixtures(30, 1)
    ridge = fit_share_ridge(weights, loss(weights), SETTINGS)
    read = ShareRidge.from_json(json.loads(json.dumps(ridge.to_json())))
    np.testing.assert_array_equal(read.predict(weights).mean, ridge.predict(weights).mean)
    assert not read.constant
