from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from climb_assets.config import Training
from climb_assets.errors import ComputeError
from climb_assets.proxy.batches import apportion, plan_sequences
from climb_assets.proxy.spans import TrainingIndex

MakeTraining = Callable[..., Training]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12).filter(lambda w: sum(w) > 0.01), st.integers(0, 5000))
def test_counts_are_within_one_of_their_share(weights: list[float], total: int) -> None:
    shares = np.array(weights) / sum(weights)
    counts = apportion(shares, total)
    assert counts.sum() == total
    assert (np.abs(counts - shares * total) < 1 + 1e-6).all()


def test_realised_tokens_follow_the_weights(index: TrainingIndex, make_training: MakeTraining) -> None:
    training = make_training(tokens=6400)
    plan = plan_sequences(index, (0.55, 0.25, 0.2), training, seed=1)
    assert plan.realised.tolist() == [55 * 64, 25 * 64, 20 * 64]
    assert plan.epochs.tolist() == pytest.approx([3520 / 1200, 1600 / 240, 1280 / 40])
    domain_of_token = (plan.sequences.astype(int) - 1) // 90  # see conftest: each domain has its own range
    used = [(domain_of_token == domain).any(axis=1).sum() for domain in range(3)]
    assert used == [220, 100, 80]


def test_tokens_round_up_to_whole_steps(index: TrainingIndex, make_training: MakeTraining) -> None:
    plan = plan_sequences(index, (1, 0, 0), make_training(tokens=65), seed=1)
    assert plan.steps == 2
    assert plan.batch(1).shape == (4, 17)
    assert plan.batch(1).dtype == np.int64


def test_an_epoch_predicts_every_token_once(index: TrainingIndex, make_training: MakeTraining) -> None:
    plan = plan_sequences(index, (0, 1, 0), make_training(tokens=240, sequence=24, batch=5), seed=3)
    documents = [index.tokens[shard][start : start + length] for _, shard, start, length in index.documents(1)]
    assert plan.epochs.tolist() == [0, 1, 0]
    seen = np.concatenate(
        [plan.sequences[:, 1:].ravel(), [0]]
    )  # the very first token, of one document, is context only
    supply = np.concatenate(documents)
    missing = np.bincount(supply, minlength=300) - np.bincount(seen[:-1], minlength=300)
    assert missing.sum() == 0
    assert np.abs(missing).sum() <= 2  # the first token of this epoch is traded for the first of the next


def test_a_plan_depends_on_its_seed_alone(index: TrainingIndex, make_training: MakeTraining) -> None:
    one, same, other = (plan_sequences(index, (0.5, 0.3, 0.2), make_training(), seed).sequences for seed in (1, 1, 2))
    assert (one == same).all()
    assert not (one == other).all()


@pytest.mark.parametrize("weights", [(0.5, 0.5), (1.5, -0.5, 0), (0, 0, 0), (float("nan"), 0.5, 0.5)])
def test_what_is_no_mixture_is_refused(
    index: TrainingIndex, make_training: MakeTraining, weights: tuple[float, ...]
) -> None:
    with pytest.raises(ComputeError, match="needs 3 weights"):
        plan_sequences(index, weights, make_training(), seed=1)
