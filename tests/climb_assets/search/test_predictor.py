"""Predictors learn from few rows, survive awkward ones, and their files predict the same."""

import os
import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import spearmanr

from climb_assets import config_search
from climb_assets.errors import ComputeError
from climb_assets.search.predictor import FAMILIES, load_predictor, new_predictor, save_predictor

STACK = config_search.Predictor()
PUBLISHED = config_search.Predictor(kind="lightgbm")
KINDS = ["stack", *FAMILIES]


def mixtures(rows, seed, domains=6):
    return np.random.default_rng(seed).dirichlet(np.full(domains, 0.7), rows)


def bits_per_byte(weights):
    return 1.1 + 0.05 * (weights[:, 0] - 0.5) ** 2 - 0.02 * np.sqrt(weights[:, 1]) - 0.01 * weights[:, 2]


def fitted(rows, settings=STACK, scale=1.0, seed=3, noise=0.0):
    weights = mixtures(rows, seed)
    losses = bits_per_byte(weights) + noise * np.random.default_rng(seed).normal(size=rows)
    return new_predictor(settings, seed).fit(weights, scale * losses)


def skill(predictor):
    unseen = mixtures(500, 99)
    return spearmanr(predictor.predict(unseen).mean, bits_per_byte(unseen)).statistic


@pytest.mark.parametrize("kind", KINDS)
def test_112_mixtures_teach_a_smooth_function(kind):
    predictor = fitted(112, config_search.Predictor(kind=kind))
    assert skill(predictor) > (0.55 if kind == "mixing_law" else 0.8)
    assert not predictor.constant


def test_28_mixtures_are_enough_for_the_stack():
    predictor = fitted(28)
    assert not predictor.constant
    assert skill(predictor) > 0.8


def test_the_stack_is_about_as_good_as_its_best_member():
    alone = [skill(fitted(56, config_search.Predictor(kind=kind))) for kind in STACK.members]
    assert skill(fitted(56)) > max(alone) - 0.03


def test_half_noise_still_teaches_and_the_deviation_knows_it():
    noise = float(bits_per_byte(mixtures(500, 99)).std())
    predictor = fitted(112, noise=noise)
    assert skill(predictor) > 0.6
    assert 0.7 * noise < np.median(predictor.predict(mixtures(100, 99)).deviation) < 1.6 * noise


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("rows", [1, 2, 3, 5, 12])
def test_awkward_rows_give_numbers(kind, rows):
    weights = np.hstack([mixtures(rows, rows), np.zeros((rows, 1))])  # a domain that is always left out
    weights, losses = np.vstack([weights, weights]), np.arange(2.0 * rows)  # and every mixture twice
    mean, deviation = new_predictor(config_search.Predictor(kind=kind), 0).fit(weights, losses).predict(weights)
    assert np.isfinite(mean).all()
    assert (deviation > 0).all()
    assert np.abs(mean - losses.mean()).max() < 10 * rows


@pytest.mark.parametrize("rows", [1, 2, 4, 9])
def test_published_trees_predict_the_mean_of_a_handful_and_say_so(rows):
    predictor = fitted(rows, PUBLISHED)
    assert predictor.constant
    expected = bits_per_byte(mixtures(rows, 3)).mean()
    np.testing.assert_allclose(predictor.predict(mixtures(5, 99)).mean, expected, rtol=1e-6)


@pytest.mark.parametrize("settings", [STACK, PUBLISHED], ids=["stack", "lightgbm"])
def test_the_scale_of_the_loss_does_not_change_the_fit(settings):
    unseen = mixtures(200, 99)
    large, small = (fitted(64, settings, scale).predict(unseen) for scale in (-50, -1))
    np.testing.assert_allclose(large.mean / 50, small.mean, rtol=1e-4)
    np.testing.assert_allclose(large.deviation / 50, small.deviation, rtol=1e-2)


@pytest.mark.parametrize("kind", KINDS)
def test_equal_work_gives_equal_bytes_and_the_file_predicts_the_same(kind, tmp_path):
    settings, unseen = config_search.Predictor(kind=kind), mixtures(50, 99)
    first = fitted(40, settings)
    save_predictor(tmp_path / "one.json", first)
    save_predictor(tmp_path / "two.json", fitted(40, settings))
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    read = load_predictor(tmp_path / "one.json")
    np.testing.assert_array_equal(read.predict(unseen), first.predict(unseen))
    assert (read.constant, read.diagnostics) == (first.constant, first.diagnostics)


def test_the_number_of_threads_changes_no_byte():
    script = (
        "import numpy as np; from climb_assets import config_search as c; from climb_assets.store.artifacts import *;"
        "from climb_assets.search.predictor import new_predictor;"
        "w = np.random.default_rng(0).dirichlet(np.ones(20), 200); p = new_predictor(c.Predictor(), 1).fit(w, w[:, 0]);"
        "print(sha256_text(canonical_json(p.to_json())), p.predict(w).deviation.sum().hex())"
    )
    said = {
        subprocess.run(
            [sys.executable, "-c", script],
            env=os.environ | {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2")
    }
    assert len(said) == 1


@pytest.mark.parametrize("bad", [np.full(20, np.nan), np.empty(0)])
def test_losses_that_are_not_there_are_refused(bad):
    with pytest.raises(ComputeError, match="finite"):
        new_predictor(STACK, 0).fit(mixtures(len(bad), 0), bad)


@pytest.mark.parametrize(
    "text", ["not a model", "{}", '{"kind": "stack", "state": {}}', "[1]"], ids=["text", "empty", "hollow", "list"]
)
def test_a_file_that_is_no_predictor_is_refused(text, tmp_path):
    (tmp_path / "task.json").write_text(text)
    with pytest.raises(ComputeError, match=r"task\.json"):
        load_predictor(tmp_path / "task.json")
