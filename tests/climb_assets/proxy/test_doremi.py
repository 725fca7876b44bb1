"""DoReMi on tiny tokens with real models."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import PreTrainedModel

from climb_assets.config import DoReMi, Training
from climb_assets.errors import ComputeError
from climb_assets.proxy.batches import plan_sequences
from climb_assets.proxy.doremi import reweight_domains, run_doremi, token_losses, update_weights
from climb_assets.proxy.model import build_model
from climb_assets.proxy.spans import EVALUATION_SCHEMA, TrainingIndex
from climb_assets.proxy.train import train
from climb_assets.search.simplex import check_simplex, normalise

MakeTraining = Callable[..., Training]
VOCABULARY = 300
UNIFORM = [1 / 3] * 3


def builder(training: Training) -> Callable[[int], PreTrainedModel]:
    """Return what makes the models of a run."""
    return lambda seed: build_model(training, VOCABULARY, seed)


@pytest.fixture
def noisy_index() -> TrainingIndex:
    """Two domains that count upwards, each in its own range, and between them one of nothing but noise."""
    random, length = np.random.default_rng(0), 4000
    counting = [1 + 90 * domain + np.arange(length) % 90 for domain in (0, 1)]
    tokens = np.concatenate([counting[0], random.integers(VOCABULARY, size=length), counting[1]]).astype(np.uint16)
    spans = [[start // length, 0, start, 40] for start in range(0, len(tokens), 40)]
    return TrainingIndex(np.array(spans), (tokens,), ("a",), EVALUATION_SCHEMA.empty_table())


def test_a_run_gives_weights_on_the_simplex_and_how_they_came_about(
    index: TrainingIndex, make_training: MakeTraining
) -> None:
    training = make_training()
    run = run_doremi(builder(training), index, training, DoReMi(), seed=1)
    check_simplex(run.weights, 3)
    assert check_simplex(run.trajectory, 3).shape == run.excess.shape == (training.steps, 3)
    assert run.weights == pytest.approx(run.trajectory.mean(axis=0))
    assert (run.excess >= 0).all()
    assert np.ptp(run.weights) > 0.01


def test_the_same_run_gives_the_same_bits_and_another_seed_others(
    index: TrainingIndex, make_training: MakeTraining
) -> None:
    training = make_training(tokens=640)
    first, again, other = (run_doremi(builder(training), index, training, DoReMi(), seed) for seed in (1, 1, 2))
    assert first.trajectory.tobytes() == again.trajectory.tobytes()
    assert first.trajectory.tobytes() != other.trajectory.tobytes()


@pytest.mark.parametrize("learned", [0, 1, 2])
def test_what_only_the_reference_has_learned_gains_weight(
    index: TrainingIndex, make_training: MakeTraining, learned: int
) -> None:
    training = make_training()
    reference = build_model(training, VOCABULARY, seed=1)
    train(reference, plan_sequences(index, np.eye(3)[learned].tolist(), training, seed=1), training)
    plan = plan_sequences(index, UNIFORM, training, seed=2)
    run = reweight_domains(build_model(training, VOCABULARY, seed=2), reference, plan, training, DoReMi())
    assert run.weights.argmax() == learned
    assert run.weights[learned] > 0.5


@pytest.mark.parametrize("tokens", [2560, 6400])
def test_noise_does_not_run_away(noisy_index: TrainingIndex, make_training: MakeTraining, tokens: int) -> None:
    """Its loss is the largest of all from early on, but the reference cannot learn it either."""
    training = make_training(tokens=tokens)
    run = run_doremi(builder(training), noisy_index, training, DoReMi(), seed=1)
    assert run.weights.argmin() == 1
    assert run.weights[1] < 1 / 3
    assert run.excess[:, 1].mean() < run.excess[:, [0, 2]].mean(axis=0).min()


def test_a_proxy_that_equals_its_reference_moves_no_weight(index: TrainingIndex, make_training: MakeTraining) -> None:
    training = make_training(tokens=64)
    plan = plan_sequences(index, UNIFORM, training, seed=1)
    proxy, reference = (build_model(training, VOCABULARY, seed=1) for _ in range(2))
    assert reweight_domains(proxy, reference, plan, training, DoReMi()).weights == pytest.approx(UNIFORM, abs=1e-12)


def test_weights_that_stay_uniform_train_the_proxy_as_any_other(
    index: TrainingIndex, make_training: MakeTraining
) -> None:
    training, still = make_training(), DoReMi(step=1e-9)
    plan = plan_sequences(index, UNIFORM, training, seed=1)
    plain, robust, reference = (build_model(training, VOCABULARY, seed=1) for _ in range(3))
    train(plain, plan, training)
    reweight_domains(robust, reference, plan, training, still)
    held_out = torch.from_numpy(plan_sequences(index, UNIFORM, training, seed=9).batch(0))
    assert token_losses(robust, held_out).mean() == pytest.approx(token_losses(plain, held_out).mean(), rel=0.02)
    assert token_losses(robust, held_out).mean() < 0.8 * token_losses(reference, held_out).mean()


def test_a_diverging_model_is_an_error_that_says_what_to_do(index: TrainingIndex, make_training: MakeTraining) -> None:
    training = make_training(learning_rate=1e6)
    with pytest.raises(ComputeError, match=r"lower proxy\.learning_rate"):
        run_doremi(builder(training), index, training, DoReMi(), seed=1)


@given(
    weights=st.lists(st.floats(1e-4, 1), min_size=2, max_size=20).map(normalise),
    scale=st.floats(0, 1e4),
    step=st.floats(1e-3, 10),
    smoothing=st.floats(1e-6, 0.5),
)
def test_an_update_keeps_every_domain_and_follows_the_excess(
    weights: np.ndarray, scale: float, step: float, smoothing: float
) -> None:
    excess = scale * np.linspace(1, 0, len(weights))
    updated = check_simplex(update_weights(weights, excess, DoReMi(step=step, smoothing=smoothing)), len(weights))
    assert (updated >= smoothing / len(weights) * (1 - 1e-9)).all()
    kept = (updated - smoothing / len(weights)) / weights  # how much each grew before smoothing
    assert (np.diff(kept) <= 1e-9 * kept.max()).all()
