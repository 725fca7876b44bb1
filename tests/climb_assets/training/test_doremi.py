"""DoReMi on tiny tokens with real models."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from climb_assets.config_baselines import DoReMi
from climb_assets.config_training import Training
from climb_assets.errors import ComputeError
from climb_assets.search.baselines import token_proportional
from climb_assets.simplex.mixtures import check_simplex, normalise
from climb_assets.training.checkpoint import Checkpoint
from climb_assets.training.doremi import (
    Reweighting,
    read_reweighting,
    reweight_domains,
    token_losses,
    update_weights,
    write_reweighting,
)
from climb_assets.training.model import build_model
from climb_assets.training.sequence_plan import plan_sequences
from climb_assets.training.token_index import EVALUATION_SCHEMA, TrainingIndex
from climb_assets.training.train import train

MakeTraining = Callable[..., Training]
VOCABULARY = 300
UNIFORM = [1 / 3] * 3


def run_doremi(
    index: TrainingIndex, training: Training, seed: int, checkpoint: Checkpoint | None = None
) -> Reweighting:
    """Train a reference on the tokens as they are and a proxy against it."""
    reference = build_model(training, VOCABULARY, seed)
    train(reference, plan_sequences(index, token_proportional(index.supply).tolist(), training, seed), training)
    plan = plan_sequences(index, UNIFORM, training, seed + 1)
    proxy = build_model(training, VOCABULARY, seed + 1)
    return reweight_domains(proxy, reference, plan, training, DoReMi(), checkpoint)


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
    run = run_doremi(index, training, seed=1)
    check_simplex(run.weights, 3)
    assert check_simplex(run.trajectory, 3).shape == run.excess.shape == (training.steps, 3)
    assert run.weights == pytest.approx(run.trajectory.mean(axis=0))
    assert (run.excess >= 0).all()
    assert np.ptp(run.weights) > 0.01


def test_the_same_run_gives_the_same_bits_and_another_seed_others(
    index: TrainingIndex, make_training: MakeTraining
) -> None:
    training = make_training(tokens=640)
    first, again, other = (run_doremi(index, training, seed) for seed in (1, 1, 3))
    assert first.trajectory.tobytes() == again.trajectory.tobytes()
    assert first.trajectory.tobytes() != other.trajectory.tobytes()


def test_an_interrupted_run_ends_with_the_same_bits(
    index: TrainingIndex, make_training: MakeTraining, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = make_training(tokens=640)
    whole = run_doremi(index, training, seed=1)
    updates = iter(range(training.steps // 2))

    def interrupt(*arguments: Any) -> np.ndarray:
        if next(updates, None) is None:
            raise KeyboardInterrupt
        return update_weights(*arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("climb_assets.training.doremi.update_weights", interrupt)
        run_doremi(index, training, 1, Checkpoint(tmp_path, tmp_path, seconds=0))
    resumed = run_doremi(index, training, 1, Checkpoint(tmp_path, tmp_path, seconds=0))
    assert resumed.trajectory.tobytes() == whole.trajectory.tobytes()
    assert resumed.excess.tobytes() == whole.excess.tobytes()
    write_reweighting(tmp_path / "run.parquet", whole)
    kept = read_reweighting(tmp_path / "run.parquet")
    assert all(getattr(kept, name).tobytes() == getattr(whole, name).tobytes() for name in vars(whole))


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
    run = run_doremi(noisy_index, training, seed=1)
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
        run_doremi(index, training, seed=1)


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
