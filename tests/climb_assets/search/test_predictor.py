"""The predictor learns a smooth function, and says so when it cannot."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from climb_assets import config
from climb_assets.errors import ComputeError
from climb_assets.search.predictor import LightGBMPredictor, load_predictor

SETTINGS = config.Predictor()


def mixtures(rows, seed):
    return np.random.default_rng(seed).dirichlet(np.full(6, 0.7), rows)


def bits_per_byte(weights):
    return 1.1 + 0.05 * (weights[:, 0] - 0.5) ** 2 - 0.02 * np.sqrt(weights[:, 1]) - 0.01 * weights[:, 2]


def fitted(rows, scale=1.0, seed=3):
    weights = mixtures(rows, seed)
    return LightGBMPredictor(SETTINGS, seed).fit(weights, scale * bits_per_byte(weights))


def test_112_mixtures_teach_a_smooth_function():
    unseen = mixtures(500, 99)
    assert spearmanr(fitted(112).predict(unseen), bits_per_byte(unseen)).statistic > 0.8


def test_28_mixtures_are_enough_not_to_be_constant():
    predictor = fitted(28)
    assert not predictor.constant
    assert np.ptp(predictor.predict(mixtures(100, 99))) > 0


@pytest.mark.parametrize("rows", [1, 2, 4, 9])
def test_a_handful_of_mixtures_predicts_their_mean_and_says_so(rows):
    predictor = fitted(rows)
    assert predictor.constant
    expected = bits_per_byte(mixtures(rows, 3)).mean()
    np.testing.assert_allclose(predictor.predict(mixtures(5, 99)), expected, rtol=1e-6)


def test_the_scale_of_the_loss_does_not_change_the_fit():
    unseen = mixtures(200, 99)
    np.testing.assert_allclose(fitted(64, scale=50).predict(unseen) / 50, fitted(64).predict(unseen), rtol=1e-4)


def test_equal_work_gives_equal_bytes_and_the_file_predicts_the_same(tmp_path):
    first, unseen = fitted(64), mixtures(50, 99)
    first.save(tmp_path / "one.txt")
    fitted(64).save(tmp_path / "two.txt")
    assert (tmp_path / "one.txt").read_bytes() == (tmp_path / "two.txt").read_bytes()
    read = load_predictor(tmp_path / "one.txt")
    np.testing.assert_array_equal(read.predict(unseen), first.predict(unseen))
    assert not read.constant


def test_a_loss_that_is_not_finite_is_refused():
    with pytest.raises(ComputeError, match="finite"):
        LightGBMPredictor(SETTINGS, 0).fit(mixtures(20, 0), np.full(20, np.nan))


def test_a_file_that_is_no_model_is_refused(tmp_path):
    (tmp_path / "task.txt").write_text("not a model")
    with pytest.raises(ComputeError, match=r"task\.txt"):
        load_predictor(tmp_path / "task.txt")
