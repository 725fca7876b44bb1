"""The stack trusts the members that predict what they have not seen, and says how sure it is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from climb_assets import config_search
from climb_assets.search.prediction import Prediction
from climb_assets.search.predictor import new_predictor
from climb_assets.search.stack import Stack, assign_folds, combine, rank_correlation, weigh


class Line:
    """A member that knows the loss up to an error that depends on the mixture, and is sure of it or not."""

    def __init__(self, error=0.0, deviation=0.0, slope=1.0):
        self.error, self.deviation, self.slope = error, deviation, slope

    def predict(self, weights):
        wobble = self.error * np.sin(1e4 * weights[:, 1])
        return Prediction(
            self.slope * (weights[:, 0] - 0.5) * np.sqrt(12) + wobble, np.full(len(weights), self.deviation)
        )

    @property
    def constant(self):
        return self.slope == 0 and self.error == 0


def swarm(rows, noise=0.0):
    rng = np.random.default_rng(rows)
    first = rng.uniform(size=rows)
    weights = np.column_stack([first, 1 - first])
    return weights, 3 + 0.1 * first + noise * rng.normal(size=rows)


def stack(**members):
    return Stack({name: lambda weights, losses, trust, member=member: member for name, member in members.items()}, 5, 0)


def test_the_member_that_predicts_gets_the_weight():
    fitted = stack(good=Line(0.05), bad=Line(2.0), blank=Line(slope=0)).fit(*swarm(60))
    members = fitted.diagnostics["members"]
    assert members["good"]["weight"] > 0.8
    assert members["good"]["residual_sd"] < members["bad"]["residual_sd"]
    assert members["good"]["spearman"] > members["bad"]["spearman"]
    assert members["blank"]["spearman"] is None


@pytest.mark.parametrize("said", [0.0, 0.01, 50.0])
def test_the_deviation_is_that_of_rows_it_has_not_seen(said):
    weights, losses = swarm(400, noise=0.02)
    fitted = stack(line=Line(0.01, said)).fit(weights, losses)
    unseen, truth = swarm(401, noise=0.02)
    mean, deviation = fitted.predict(unseen)
    assert 0.9 < np.sqrt(np.mean(((truth - mean) / deviation) ** 2)) < 1.1


class Far:
    """A member that knows the loss as another does, and promises the impossible where nothing was measured."""

    constant = False

    def predict(self, weights):
        near = Line(0.05).predict(weights)
        return near._replace(mean=np.where(weights[:, 0] > 1, -30.0, near.mean))


def test_a_promise_of_a_lesser_member_far_from_the_rows_is_not_taken():
    fitted = stack(line=Line(0.04), far=Far()).fit(*swarm(60))
    assert 0.1 < fitted.diagnostics["members"]["far"]["weight"] < 0.5
    pool = np.vstack([swarm(30)[0], [[1.2, -0.2]]])
    assert np.argmin(fitted.predict(pool).mean) == 30
    assert np.argmin(fitted.predict_cautiously(pool, 1.0)) == np.argmin(pool[:, 0])


def test_caution_changes_nothing_where_predictions_are_as_sure_as_left_out_rows():
    weights, losses = swarm(60, noise=0.02)
    fitted = stack(line=Line(0.05)).fit(weights, losses)
    np.testing.assert_allclose(fitted.predict_cautiously(weights, 5.0), fitted.predict(weights).mean)
    np.testing.assert_array_equal(
        stack(line=Line()).fit(*swarm(2)).predict_cautiously(weights, 5.0), np.full(60, swarm(2)[1].mean())
    )


@given(st.floats(0, 9), st.integers(1, 50))
def test_caution_only_ever_counts_against_a_mixture(caution, seed):
    fitted = stack(line=Line(0.3, 0.5), other=Line(1.0)).fit(*swarm(30))
    unseen = np.random.default_rng(seed).dirichlet(np.ones(2), 20)
    assert (fitted.predict_cautiously(unseen, caution) >= fitted.predict(unseen).mean).all()


def test_held_out_predictions_are_in_the_unit_of_the_loss():
    weights, losses = swarm(60, noise=0.01)
    fitted = stack(line=Line(0.05), other=Line(0.5)).fit(weights, losses)
    assert np.abs(fitted.out_of_fold.mean - losses).max() < 0.06
    assert not fitted.out_of_fold.blind


def test_constant_members_are_blind():
    fitted = stack(blank=Line(slope=0)).fit(*swarm(30))
    assert fitted.constant
    assert fitted.out_of_fold.blind


def test_two_mixtures_teach_their_mean():
    fitted = stack(line=Line()).fit(*swarm(2))
    mean, deviation = fitted.predict(swarm(9)[0])
    np.testing.assert_allclose(mean, swarm(2)[1].mean())
    np.testing.assert_allclose(deviation, swarm(2)[1].std())
    assert fitted.constant
    assert fitted.out_of_fold is None


def test_equal_losses_leave_no_doubt_and_no_rank():
    fitted = stack(line=Line()).fit(swarm(20)[0], np.full(20, 0.1))
    mean, deviation = fitted.predict(swarm(9)[0])
    np.testing.assert_array_equal(mean, 0.1)
    np.testing.assert_array_equal(deviation, 0)
    assert fitted.constant


@given(st.integers(3, 60), st.integers(2, 7), st.integers(0, 100))
def test_equal_mixtures_share_a_fold_and_every_fold_is_used(rows, folds, seed):
    weights = swarm(rows)[0]
    fold_of = assign_folds(np.vstack([weights, weights[::2]]), folds, seed)
    np.testing.assert_array_equal(fold_of[rows:], fold_of[:rows:2])
    sizes = np.bincount(fold_of[:rows])
    assert len(sizes) == (rows if rows < 10 else folds)
    assert sizes.max() - sizes.min() <= 1


@settings(deadline=None)
@given(arrays(np.float64, (3, 12), elements=st.floats(-5, 5)), arrays(np.float64, 12, elements=st.floats(-5, 5)))
def test_weights_are_shares_and_lose_to_no_single_member_by_much(means, losses):
    weights = weigh(means, losses, np.ones(len(losses)))
    assert (weights >= 0).all()
    assert weights.sum() == pytest.approx(1)
    errors = ((means - losses) ** 2).mean(axis=1)
    together = ((combine(means, np.zeros_like(means), weights)[0] - losses) ** 2).mean()
    assert together <= errors.min() + 0.05 * errors.mean() + 1e-9


def test_disagreement_is_variance():
    mean, variance = combine(np.array([[0.0], [2.0]]), np.array([[1.0], [1.0]]), np.array([0.5, 0.5]))
    assert (mean[0], variance[0]) == (1.0, 2.0)


def test_no_rank_without_differences():
    assert rank_correlation(np.array([1.0, 2, 3]), np.array([2.0, 4, 9])) == pytest.approx(1)
    assert rank_correlation(np.ones(3), np.arange(3.0)) is None
    assert rank_correlation(np.array([1.0, 2]), np.array([1.0, 2])) is None


@pytest.mark.parametrize("kind", ["stack", "lightgbm", "small_trees", "gaussian_process", "share_ridge", "mixing_law"])
def test_a_row_that_counts_little_moves_little_and_one_that_counts_nothing_moves_nothing(kind):
    weights, losses = swarm(40)
    asked = config_search.Predictor(kind=kind)
    wrong = losses + np.where(np.arange(40) < 15, 5.0, 0.0)
    trust = np.where(np.arange(40) < 15, 0.05, 1.0)

    def far(trust):
        fitted = new_predictor(asked, 1).fit(weights, wrong, trust)
        return float(np.abs(fitted.predict(weights).mean - losses).mean())

    assert far(trust) < 0.7 * far(np.ones(40))
    without = new_predictor(asked, 1).fit(weights[15:], losses[15:])
    fitted = new_predictor(asked, 1).fit(weights, wrong, np.where(trust < 1, 0.0, 1.0))
    np.testing.assert_array_equal(fitted.predict(weights).mean, without.predict(weights).mean)
    assert len(fitted.out_of_fold.mean) == 40
