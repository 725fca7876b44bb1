"""The published pick has the least predicted loss within the limits, and its evidence is true."""

from functools import partial

import numpy as np
import pyarrow as pa
import pytest

from climb_assets.config_search import Predictor, Search
from climb_assets.errors import ComputeError
from climb_assets.mixture.published_choice import choose_published
from climb_assets.search.history import History
from climb_assets.search.iteration import diagnose, fit_predictors, predict_objective
from climb_assets.search.proposal import draw_pool, propose_first
from climb_assets.simplex.limits import Limits, divergence
from climb_assets.simplex.mixtures import mixture_key

SEARCH = Search(pool=1500, predictor=Predictor(kind="lightgbm"))
PRIOR = np.array([0.4, 0.3, 0.2, 0.1])
FREE = Limits(np.zeros(4), np.ones(4))
POOL = draw_pool(PRIOR, FREE, SEARCH)
WEIGHTS = {"piqa": 1.0}


def no_penalty(mixtures):
    return np.zeros(len(mixtures))


def search(rows, diverged=False):
    candidates = propose_first(POOL, rows, SEARCH)
    keys, weights = [c.key for c in candidates], np.array([c.weights for c in candidates])
    losses = 1 + (weights[:, 1] - 0.6) ** 2
    table = {"key": keys, "task": ["piqa"] * rows, "loss": losses, "diverged": [diverged] * rows}
    return History.empty(4, ["piqa"]).extend(keys, weights, pa.table(table), 1)


def pick(history, limits=FREE, penalty=no_penalty):
    predictors = fit_predictors(history, ["piqa"], SEARCH.predictor, 1)
    fit = diagnose(history, predictors, {"general": WEIGHTS})["objectives"]["general"]
    predict = partial(predict_objective, predictors, WEIGHTS)
    return predict, choose_published(predict, penalty, history, WEIGHTS, POOL, limits, fit)


def test_it_is_the_least_predicted_of_the_pool_with_the_lowest_key():
    predict, published = pick(search(60))
    predicted = predict(POOL).mean
    tied = sorted(mixture_key(mixture) for mixture in POOL[predicted == predicted.min()])
    assert (published.key, published.ties, published.predicted) == (tied[0], len(tied), predicted.min())
    assert abs(published.weights[1] - 0.6) < 0.25
    assert published.interval[0] < published.predicted < published.interval[1]


def test_it_keeps_the_limits_whatever_the_pool_holds():
    published = pick(search(60), Limits(np.zeros(4), np.array([1, 0.3, 1, 1])))[1]
    assert published.weights[1] <= 0.3
    assert published.pool < len(POOL)
    with pytest.raises(ComputeError, match="keeps the limits"):
        pick(search(60), Limits(np.zeros(4), np.full(4, 0.2)))


def test_a_penalty_moves_the_pick_and_is_no_part_of_its_predicted_loss():
    free = pick(search(60))[1]

    def penalty(mixtures):
        return 0.05 * divergence(mixtures, PRIOR)

    predict, published = pick(search(60), penalty=penalty)
    assert published.key != free.key
    assert divergence(np.array(published.weights), PRIOR) < divergence(np.array(free.weights), PRIOR)
    assert published.predicted == predict(np.array([published.weights])).mean[0]


def test_the_evidence_is_what_was_measured():
    history = search(60)
    published = pick(history)[1]
    losses = history.losses["piqa"]
    assert published.best_measured == losses.min()
    assert published.best_measured_key == history.keys[int(np.argmin(losses))]
    assert published.better_measured == (losses < published.predicted).sum()
    own = losses[np.array(history.keys) == published.key]
    assert published.measured == (own[0] if len(own) else None)


def test_a_search_too_small_to_learn_says_so():
    published = pick(search(4))[1]
    assert published.fit.constant
    assert published.ties == published.pool


def test_a_search_where_everything_diverged_chooses_nothing():
    predict, published = pick(search(12))
    with pytest.raises(ComputeError, match="diverged"):
        choose_published(predict, no_penalty, search(12, diverged=True), WEIGHTS, POOL, FREE, published.fit)
