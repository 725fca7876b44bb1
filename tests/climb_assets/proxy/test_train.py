from collections.abc import Callable
from itertools import pairwise

import pytest
import torch

from climb_assets.config import Training
from climb_assets.proxy.batches import plan_sequences
from climb_assets.proxy.model import build_model
from climb_assets.proxy.spans import TrainingIndex
from climb_assets.proxy.train import HEAD_ROWS, head_loss, learning_rate_at, train

MakeTraining = Callable[..., Training]
WEIGHTS = (0.6, 0.3, 0.1)


def test_loss_falls_on_what_can_be_learnt(index: TrainingIndex, make_training: MakeTraining) -> None:
    training = make_training(tokens=6400)
    steps: list[int] = []
    model = build_model(training, 300, seed=1)
    plan = plan_sequences(index, WEIGHTS, training, seed=1)
    result = train(model, plan, training, lambda step, loss: steps.append(step))
    assert result.curve[0] == pytest.approx(5.7, abs=0.1)  # ln 300
    assert result.curve[-1] < 3.5
    assert steps == list(range(100))
    assert (result.diverged, result.tokens) == (False, 6400)


def test_training_again_gives_the_same_bits(index: TrainingIndex, make_training: MakeTraining) -> None:
    training = make_training()
    models, curves = [], []
    for _ in range(2):
        models.append(build_model(training, 300, seed=1))
        curves.append(train(models[-1], plan_sequences(index, WEIGHTS, training, seed=1), training).curve)
    assert curves[0] == curves[1]
    assert all(torch.equal(a, b) for a, b in zip(models[0].parameters(), models[1].parameters(), strict=True))


def test_a_huge_learning_rate_is_flagged_not_raised(index: TrainingIndex, make_training: MakeTraining) -> None:
    training = make_training(learning_rate=1e6)
    result = train(build_model(training, 300, seed=1), plan_sequences(index, WEIGHTS, training, seed=1), training)
    assert result.diverged
    assert len(result.curve) < 40
    assert result.tokens == len(result.curve) * 64


def test_the_head_has_the_gradients_of_plain_cross_entropy() -> None:
    random = torch.Generator().manual_seed(0)
    hidden = torch.randn(HEAD_ROWS + 30, 8, generator=random, requires_grad=True)
    weight = torch.randn(50, 8, generator=random, requires_grad=True)
    targets = torch.randint(50, (HEAD_ROWS + 30,), generator=random)
    expected = torch.nn.functional.cross_entropy(hidden @ weight.T, targets)
    wanted = torch.autograd.grad(3 * expected, [hidden, weight])
    actual = head_loss(hidden, weight, targets)
    assert actual.item() == pytest.approx(expected.item(), rel=1e-6)
    for ours, theirs in zip(torch.autograd.grad(3 * actual, [hidden, weight]), wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)


def test_the_schedule_warms_up_stays_and_decays(make_training: MakeTraining) -> None:
    training = make_training(learning_rate=1.0, warmup=0.1, decay=0.2, final_learning_rate=0.25)
    rates = [learning_rate_at(step, 100, training) for step in range(100)]
    assert all(a < b for a, b in pairwise(rates[:11]))
    assert rates[10:80] == [1.0] * 70
    assert all(a > b for a, b in pairwise(rates[79:]))
    assert rates[-1] == pytest.approx(0.25)


def test_one_step_without_warm_up_or_decay_has_the_full_rate(make_training: MakeTraining) -> None:
    assert learning_rate_at(0, 1, make_training(learning_rate=0.5, warmup=0, decay=0)) == 0.5
