"""The chosen mixture has the least predicted loss, and its evidence is true."""

import json

import numpy as np
import pyarrow as pa
import pytest

from climb_assets import config
from climb_assets.errors import ComputeError
from climb_assets.mixture.selection import select_mixture, write_selection
from climb_assets.proxy.noise import Noise
from climb_assets.search.iteration import History, diagnose, fit_predictors, predict_objective
from climb_assets.search.proposal import draw_pool, propose_first
from climb_assets.search.simplex import mixture_key
from climb_assets.tables import read_table

SEARCH = config.Search(pool=1500, predictor=config.Predictor(trees=150, learning_rate=0.05))
PRIOR = np.array([0.4, 0.3, 0.2, 0.1])
WEIGHTS = {"piqa": 1.0}


def search(rows, diverged=False):
    candidates = propose_first(draw_pool(PRIOR, SEARCH), rows, SEARCH)
    keys, weights = [c.key for c in candidates], np.array([c.weights for c in candidates])
    losses = 1 + (weights[:, 1] - 0.6) ** 2
    table = {"key": keys, "task": ["piqa"] * rows, "loss": losses, "diverged": [diverged] * rows}
    return History.empty(4, ["piqa"]).extend(keys, weights, pa.table(table), 1)


def choose(history, noise=None):
    predictors = fit_predictors(history, ["piqa"], SEARCH.predictor, 1)
    fit = diagnose(history, predictors, {"general": WEIGHTS}, SEARCH.predictor, 1)["objectives"]["general"]
    return predictors, select_mixture(predictors, history, "general", WEIGHTS, fit, noise, SEARCH, PRIOR)


def test_it_is_the_least_predicted_of_the_pool_with_the_lowest_key():
    history = search(60)
    predictors, selection = choose(history)
    pool = draw_pool(PRIOR, SEARCH)
    predicted = predict_objective(predictors, WEIGHTS, pool)
    tied = sorted(mixture_key(mixture) for mixture in pool[predicted == predicted.min()])
    assert (selection.key, selection.ties, selection.predicted) == (tied[0], len(tied), predicted.min())
    assert abs(selection.weights[1] - 0.6) < 0.25
    assert selection.interval[0] < selection.predicted < selection.interval[1]


def test_the_evidence_is_what_was_measured():
    history = search(60)
    selection = choose(history)[1]
    losses = history.losses["piqa"]
    assert selection.best_measured == losses.min()
    assert selection.best_measured_key == history.keys[int(np.argmin(losses))]
    assert selection.better_measured == (losses < selection.predicted).sum()
    own = losses[np.array(history.keys) == selection.key]
    assert selection.measured == (own[0] if len(own) else None)


def test_the_noise_of_the_seeds_travels_with_the_choice():
    noise = Noise("general", "objective", 0.02, 4, 0.06, 3.0)
    selection = choose(search(30), noise)[1]
    assert (selection.noise, selection.degrees) == (0.02, 4)
    assert (choose(search(30))[1].noise, choose(search(30))[1].degrees) == (None, 0)


def test_a_search_too_small_to_learn_says_so():
    selection = choose(search(4))[1]
    assert selection.fit.constant
    assert selection.ties == selection.pool


def test_a_search_where_everything_diverged_chooses_nothing():
    predictors = fit_predictors(search(12), ["piqa"], SEARCH.predictor, 1)
    history = search(12, diverged=True)
    fit = diagnose(search(12), predictors, {"general": WEIGHTS}, SEARCH.predictor, 1)["objectives"]["general"]
    with pytest.raises(ComputeError, match="diverged"):
        select_mixture(predictors, history, "general", WEIGHTS, fit, None, SEARCH, PRIOR)


def test_its_files_hold_the_weights_by_name(tmp_path):
    selection = choose(search(30))[1]
    names = ["law", "music", "code", "sport"]
    write_selection(tmp_path, selection, names, PRIOR)
    rows = read_table(tmp_path / "weights.parquet").to_pylist()
    assert [(row["domain"], row["name"], row["weight"], row["prior"]) for row in rows] == list(
        zip(range(4), names, selection.weights, PRIOR, strict=True)
    )
    assert json.loads((tmp_path / "selection.json").read_text())["key"] == selection.key
