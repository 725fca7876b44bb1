"""The processes interpolate, are sure only where they were, and find the domains that matter."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from climb_assets import config_search
from climb_assets.search.gaussian_process import GaussianProcess, fit_gaussian_process

SETTINGS = config_search.GaussianProcess()


def mixtures(rows, seed, domains=8):
    return np.random.default_rng(seed).dirichlet(np.full(domains, 0.6), rows)


def standardise(losses):
    return (losses - losses.mean()) / losses.std()


def loss(weights):
    return -np.sqrt(weights[:, 0]) + 0.5 * np.sqrt(weights[:, 1])


@pytest.mark.parametrize("inputs", ["sqrt", "weights"])
@pytest.mark.parametrize("per_domain", [False, True])
def test_56_mixtures_teach_a_smooth_function(inputs, per_domain):
    weights, unseen = mixtures(56, 1), mixtures(300, 2)
    kind = config_search.GaussianProcess(inputs=inputs)
    process = fit_gaussian_process(weights, standardise(loss(weights)), kind, per_domain=per_domain)
    assert spearmanr(process.predict(unseen).mean, loss(unseen)).statistic > 0.9


def test_it_is_surer_where_it_has_been():
    weights = mixtures(40, 1)
    process = fit_gaussian_process(weights, standardise(loss(weights)), SETTINGS, per_domain=False)
    assert process.predict(weights).deviation.max() < process.predict(np.eye(8)).deviation.mean()


def test_domains_without_effect_get_longer_lengths():
    weights = mixtures(112, 3)
    process = fit_gaussian_process(weights, standardise(loss(weights)), SETTINGS, per_domain=True)
    assert process.lengths[:2].max() < process.lengths[2:].min()


def test_noise_is_told_from_signal():
    weights = mixtures(112, 3)
    noisy = loss(weights) + np.random.default_rng(0).normal(0, loss(weights).std(), 112)
    process = fit_gaussian_process(weights, standardise(noisy), SETTINGS, per_domain=True)
    assert 0.2 < process.noise < 1
    unseen = mixtures(300, 4)
    assert spearmanr(process.predict(unseen).mean, loss(unseen)).statistic > 0.6


def test_the_state_predicts_the_same():
    weights, unseen = mixtures(30, 1), mixtures(9000, 2)
    process = fit_gaussian_process(weights, standardise(loss(weights)), SETTINGS, per_domain=True)
    read = GaussianProcess.from_json(json.loads(json.dumps(process.to_json())))
    np.testing.assert_array_equal(read.predict(unseen), process.predict(unseen))


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 12), st.integers(0, 1000), st.booleans(), st.booleans())
def test_awkward_rows_still_give_numbers(rows, seed, per_domain, repeated):
    weights = mixtures(rows, seed)
    weights[:, -1] = 0  # a domain that nobody ever used
    if repeated:
        weights = np.vstack([weights, weights])
    losses = np.random.default_rng(seed).normal(size=len(weights))
    mean, deviation = fit_gaussian_process(weights, losses, SETTINGS, per_domain=per_domain).predict(mixtures(50, 9))
    assert np.isfinite(mean).all()
    assert (deviation >= 0).all()
