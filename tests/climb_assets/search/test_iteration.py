"""The history only grows, diverged proxies teach nothing, and the diagnostics are honest."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from climb_assets import config_search
from climb_assets.errors import ComputeError
from climb_assets.search.history import History
from climb_assets.search.iteration import (
    EVIDENCE,
    diagnose,
    fit_predictors,
    predict_objective,
    read_diagnostics,
    source_beliefs,
    write_diagnostics,
)
from climb_assets.simplex.mixtures import mixture_key

SETTINGS = config_search.Predictor(kind="lightgbm", lightgbm=config_search.LightGBM(trees=200, learning_rate=0.05))
TASKS = ("piqa", "arc")


def results(keys, weights, diverged=()):
    rows = [
        {"key": key, "task": task, "loss": None if key in diverged else 1 + weight[index], "diverged": key in diverged}
        for key, weight in zip(keys, weights, strict=True)
        for index, task in enumerate(TASKS)
    ]
    schema = {"key": pa.string(), "task": pa.string(), "loss": pa.float64(), "diverged": pa.bool_()}
    return pa.Table.from_pylist(rows[::-1], schema=pa.schema(list(schema.items())))


def iteration(rows, seed):
    weights = np.random.default_rng(seed).dirichlet(np.ones(4), rows)
    return [mixture_key(weight) for weight in weights], weights


def history_of(rows, diverged=()):
    keys, weights = iteration(rows, rows)
    lost = [keys[index] for index in diverged]
    return History.empty(4, TASKS).extend(keys, weights, results(keys, weights, lost), 1)


def test_rows_are_joined_by_key_and_earlier_rows_stay(tmp_path):
    before = history_of(6, diverged=[2])
    keys, weights = iteration(3, 99)
    after = before.extend(keys, weights, results(keys, weights), 2)
    assert after.keys == (*before.keys, *keys)
    assert after.iteration.tolist() == [1] * 6 + [2] * 3
    np.testing.assert_allclose(after.losses["arc"][6:], 1 + weights[:, 1])
    np.testing.assert_array_equal(after.losses["piqa"][:6], before.losses["piqa"])
    assert after.diverged.tolist() == [False, False, True] + [False] * 6

    after.save(tmp_path / "history.parquet")
    read = History.load(tmp_path / "history.parquet")
    assert read.keys == after.keys
    np.testing.assert_array_equal(read.weights, after.weights)
    np.testing.assert_array_equal(read.objective({"arc": 1}), after.objective({"arc": 1}))
    np.testing.assert_array_equal(read.diverged, after.diverged)


def test_a_missing_result_is_an_error_not_a_hole():
    keys, weights = iteration(3, 1)
    with pytest.raises(ComputeError, match=keys[1]):
        History.empty(4, TASKS).extend(
            keys, weights, results(keys, weights).filter(pa.array([True, True, True, False, True, True])), 1
        )


def test_a_mixture_is_evaluated_once():
    history = history_of(3)
    with pytest.raises(ComputeError, match="twice"):
        history.extend(history.keys[:1], history.weights[:1], results(history.keys[:1], history.weights[:1]), 2)


def test_diverged_rows_teach_nothing():
    clean, spoilt = history_of(40), history_of(40, diverged=[0, 1, 2])
    unseen = iteration(50, 5)[1]
    weights = {"piqa": 1.0, "arc": 1.0}
    of_spoilt = predict_objective(fit_predictors(spoilt, TASKS, SETTINGS, 1), weights, unseen)
    assert np.isfinite(of_spoilt.mean).all()
    fits = diagnose(spoilt, fit_predictors(spoilt, TASKS, SETTINGS, 1), {"general": weights})
    assert fits["tasks"]["arc"].rows == 37
    kept = History.of_own(
        clean.keys[3:],
        1,
        clean.weights[3:],
        {task: loss[3:] for task, loss in clean.losses.items()},
        clean.diverged[3:],
    )
    np.testing.assert_array_equal(
        of_spoilt, predict_objective(fit_predictors(kept, TASKS, SETTINGS, 1), weights, unseen)
    )


def test_diagnostics_know_a_good_fit_and_survive_their_file(tmp_path):
    history = history_of(60)
    fits = diagnose(history, fit_predictors(history, TASKS, SETTINGS, 1), {"general": {"piqa": 1.0}})
    assert fits["tasks"]["piqa"].spearman > 0.7
    assert 0 < fits["tasks"]["piqa"].residual_sd < np.std(history.losses["piqa"])
    assert replace(fits["tasks"]["piqa"], families={}) == fits["objectives"]["general"]
    assert fits["tasks"]["piqa"].families == {"lightgbm": 1.0}
    assert not fits["tasks"]["piqa"].constant
    write_diagnostics(tmp_path / "diagnostics.json", fits)
    assert read_diagnostics(tmp_path / "diagnostics.json") == fits


@pytest.mark.parametrize("rows", [1, 4, 8])
def test_a_constant_predictor_claims_no_rank(rows):
    history = history_of(rows)
    fits = diagnose(history, fit_predictors(history, TASKS, SETTINGS, 1), {"g": {"piqa": 1.0}})
    fit = fits["objectives"]["g"]
    assert fit.constant
    assert fit.spearman is None
    assert (fit.residual_sd is None) == (rows == 1)


def test_an_objective_is_predicted_from_its_tasks():
    history, unseen = history_of(60), iteration(50, 5)[1]
    predictors = fit_predictors(history, TASKS, config_search.Predictor(), 1)
    both = predict_objective(predictors, {"piqa": 3.0, "arc": 1.0}, unseen)
    piqa, arc = predictors["piqa"].predict(unseen), predictors["arc"].predict(unseen)
    np.testing.assert_allclose(both.mean, 0.75 * piqa.mean + 0.25 * arc.mean)
    np.testing.assert_allclose(both.deviation, 0.75 * piqa.deviation + 0.25 * arc.deviation)
    fits = diagnose(history, predictors, {"both": {"piqa": 3.0, "arc": 1.0}})
    assert fits["objectives"]["both"].spearman > 0.95
    assert sum(fits["tasks"]["arc"].families.values()) == pytest.approx(1)


def test_nothing_to_learn_from_is_an_error():
    with pytest.raises(ComputeError, match="diverged"):
        fit_predictors(history_of(2, diverged=[0, 1]), TASKS, SETTINGS, 1)


def test_a_source_is_believed_by_the_mean_of_what_the_tasks_say():
    rows = [
        {"source": "old", "task": "a", "rows": 3, "believed": 0.2, "trust": 0.1},
        {"source": "old", "task": "b", "rows": 3, "believed": 0.6, "trust": 0.5},
        {"source": "new", "task": "a", "rows": 3, "believed": None, "trust": 1.0},
    ]
    assert source_beliefs(pa.Table.from_pylist(rows, EVIDENCE)) == {"new": None, "old": pytest.approx(0.4)}


def test_only_what_the_search_measured_itself_is_handed_on():
    weights = np.array([[0.2, 0.8], [0.5, 0.5], [0.7, 0.3]])
    brought = History.of_evidence("old", weights[:2], {"a": np.array([1.0, 2.0])})
    own = History.of_own(["own"], 4, weights[2:], {"a": np.array([3.0])}, np.zeros(1, dtype=bool))
    kept = brought.followed_by(own).measured_here()
    assert kept.keys == ("own",) and kept.iteration.tolist() == [4] and kept.losses["a"].tolist() == [3.0]


def test_of_equal_mixtures_those_of_the_surest_text_count():
    weights = np.array([[1.0, 0.0]] * 4)
    losses = {"a": np.array([4.0, 5.0, 1.0, 9.0])}
    rows = History.of_evidence("old", weights, losses, np.array([0.0, 0.01, 0.3, 0.3]))
    assert len(rows.keys) == 1 and rows.losses["a"].tolist() == [4.5] and rows.doubt.tolist() == [0.01]
