"""The advice weighs what is expected and what was seen against the noise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from climb_assets.errors import ComputeError
from climb_assets.search.acquisition import expected_improvement
from climb_assets.search.prediction import Prediction
from climb_assets.search.stop_rule import advise, expected_gain, last_gain

FLAT = Prediction(np.array([1.000, 1.001]), np.array([0.004, 0.004]))


def test_the_gain_of_one_candidate_is_its_expected_improvement():
    mean, deviation = np.array([1.02]), np.array([0.05])
    known = expected_improvement(mean, deviation, 1.0)[0]
    assert expected_gain(Prediction(mean, deviation), 1.0) == pytest.approx(known, rel=1e-3)


def test_the_gain_of_several_is_that_of_their_best():
    prediction = Prediction(np.array([1.0, 1.02, 0.97]), np.array([0.05, 0.1, 0.02]))
    drawn = np.random.default_rng(0).normal(prediction.mean, prediction.deviation, (200_000, 3))
    simulated = np.maximum(0.98 - drawn.min(axis=1), 0).mean()
    assert expected_gain(prediction, 0.98) == pytest.approx(simulated, rel=0.02)


@given(
    st.lists(st.tuples(st.floats(0.5, 1.5), st.floats(0, 0.3)), min_size=1, max_size=5),
    st.tuples(st.floats(0.5, 1.5), st.floats(0, 0.3)),
)
def test_another_candidate_never_lowers_the_expected_gain(candidates, another):
    fewer, more = (Prediction(*np.array(rows).T) for rows in (candidates, [*candidates, another]))
    assert 0 <= expected_gain(fewer, 1.0) <= expected_gain(more, 1.0) + 1e-3


def test_certain_candidates_gain_what_they_are_ahead():
    assert expected_gain(Prediction(np.array([0.9, 1.2]), np.zeros(2)), 1.0) == pytest.approx(0.1, abs=1e-3)
    assert expected_gain(Prediction(np.array([1.1]), np.zeros(1)), 1.0) == 0


def test_gains_below_the_noise_say_stop_and_name_the_cost():
    advice = advise(FLAT, 1.0, last_gain=0.002, noise=0.01)
    assert advice.stop
    assert advice.gain_per_proxy == advice.expected_gain / 2
    assert advice.sentence == (
        f"another 2 proxies: expected gain {advice.expected_gain:.4f} bits per byte, below the noise 0.0100: stop"
    )


def test_a_large_expected_gain_says_go_on():
    advice = advise(FLAT, 1.05, last_gain=None, noise=0.01)
    assert advice.stop is False
    assert advice.sentence.endswith("not below the noise 0.0100: go on")


def test_a_predictor_that_sees_nothing_left_is_not_believed_while_iterations_gain():
    advice = advise(FLAT, 1.0, last_gain=0.03, noise=0.01)
    assert advice.stop is False
    assert "the last iteration gained 0.0300: go on" in advice.sentence


def test_without_noise_there_is_no_advice():
    advice = advise(FLAT, 1.0, last_gain=0.03, noise=None)
    assert advice.stop is None
    assert "no advice" in advice.sentence


def test_no_candidates_are_refused():
    with pytest.raises(ComputeError, match="without candidates"):
        advise(Prediction(np.empty(0), np.empty(0)), 1.0, None, None)


@pytest.mark.parametrize(
    ("measured", "iterations", "gain"),
    [
        ([1.0, 0.9, 0.7, np.nan], [1, 1, 2, 2], 0.2),
        ([1.0, 0.6, 0.7, 0.8], [1, 1, 2, 2], 0.0),
        ([1.0, 0.6, np.nan], [1, 1, 2], 0.0),
        ([1.0, 0.6], [1, 1], None),
        ([], [], None),
    ],
)
def test_the_last_gain_is_between_the_bests(measured, iterations, gain):
    found = last_gain(np.array(measured, dtype=np.float64), np.array(iterations, dtype=np.int32))
    assert found == (None if gain is None else pytest.approx(gain))
