import gc
import subprocess
import sys
import textwrap
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel

from climb_assets.config import Runtime
from climb_assets.config_training import Training
from climb_assets.training.checkpoint import STATE, Checkpoint, snapshot_name
from climb_assets.training.model import build_model
from climb_assets.training.sequence_plan import plan_sequences
from climb_assets.training.token_index import TrainingIndex
from climb_assets.training.train import (
    HEAD_ROWS,
    accumulate,
    computes_in_bfloat16,
    head_loss,
    learning_rate_at,
    train,
    wants_compilation,
)

MakeTraining = Callable[..., Training]
WEIGHTS = (0.6, 0.3, 0.1)
ROWS = HEAD_ROWS["cpu"]


def test_loss_falls_on_what_can_be_learnt(index: TrainingIndex, make_training: MakeTraining) -> None:
    training = make_training(tokens=6400)
    model = build_model(training, 300, seed=1)
    plan = plan_sequences(index, WEIGHTS, training, seed=1)
    result = train(model, plan, training)
    assert result.curve[0] == pytest.approx(5.7, abs=0.1)  # ln 300
    assert result.curve[-1] < 3.5
    assert len(result.curve) == 100
    assert (result.diverged, result.tokens) == (False, 6400)


def test_training_again_gives_the_same_bits(index: TrainingIndex, make_training: MakeTraining) -> None:
    training = make_training()
    models, curves = [], []
    for _ in range(2):
        models.append(build_model(training, 300, seed=1))
        curves.append(train(models[-1], plan_sequences(index, WEIGHTS, training, seed=1), training).curve)
    assert curves[0] == curves[1]
    assert all(torch.equal(a, b) for a, b in zip(models[0].parameters(), models[1].parameters(), strict=True))


def test_a_model_that_is_done_frees_its_memory_at_once(index: TrainingIndex, make_training: MakeTraining) -> None:
    """Workers look for cycles seldom, so weights in one would be there beside the next model's."""
    training = make_training()
    gc.disable()
    try:
        model = build_model(training, 300, seed=1)
        train(model, plan_sequences(index, WEIGHTS, training, seed=1), training)
        weights = weakref.ref(next(model.parameters()))
        del model
        assert weights() is None
    finally:
        gc.enable()


class Stop(Exception):
    """What a test stops a run with."""


@dataclass
class Stopping(Checkpoint):
    """A checkpoint after which the run is stopped at a step."""

    step: int

    def save_if_due(self, model: PreTrainedModel, optimiser: torch.optim.AdamW, curve: list[float], rows: int) -> None:
        super().save_if_due(model, optimiser, curve, rows)
        if len(curve) == self.step + 1:
            raise Stop


@pytest.mark.parametrize("stopped_at", [0, 7, 25, 38])
def test_an_interrupted_run_ends_with_the_same_bits(
    index: TrainingIndex, make_training: MakeTraining, tmp_path: Path, stopped_at: int
) -> None:
    training = make_training(snapshots=(0.25, 0.5))
    plan = plan_sequences(index, WEIGHTS, training, seed=1)
    (tmp_path / "straight").mkdir()
    straight = build_model(training, 300, seed=1)
    whole = train(straight, plan, training, Checkpoint(tmp_path / "state", tmp_path / "straight", 1000))

    with pytest.raises(Stop):
        train(build_model(training, 300, seed=1), plan, training, Stopping(tmp_path, tmp_path, 0, stopped_at))
    resumed = build_model(training, 300, seed=2)  # its own weights do not matter
    rest = train(resumed, plan, training, Checkpoint(tmp_path, tmp_path, 0))
    assert rest.resumed == stopped_at + 1
    assert rest.curve == whole.curve
    assert all(torch.equal(a, b) for a, b in zip(straight.parameters(), resumed.parameters(), strict=True))
    assert rest.snapshots == whole.snapshots == [640, 1280]
    for tokens in rest.snapshots:
        name = snapshot_name(tokens)
        assert (tmp_path / name).read_bytes() == (tmp_path / "straight" / name).read_bytes()


@pytest.mark.parametrize("damage", [b"", b"\x08", b"no tensors at all"])
def test_a_damaged_checkpoint_is_none(
    index: TrainingIndex, make_training: MakeTraining, tmp_path: Path, damage: bytes
) -> None:
    training = make_training()
    (tmp_path / STATE).write_bytes(damage)
    plan = plan_sequences(index, WEIGHTS, training, seed=1)
    assert train(build_model(training, 300, seed=1), plan, training, Checkpoint(tmp_path, tmp_path, 1000)).resumed == 0


def test_nothing_is_written_before_it_is_due(index: TrainingIndex, make_training: MakeTraining, tmp_path: Path) -> None:
    training = make_training()
    plan = plan_sequences(index, WEIGHTS, training, seed=1)
    train(build_model(training, 300, seed=1), plan, training, Checkpoint(tmp_path, tmp_path, 1000))
    assert not (tmp_path / STATE).exists()


@pytest.mark.slow
def test_short_memory_halves_the_pass_and_not_the_batch(make_training: MakeTraining) -> None:
    """In a process whose address space really is too small for the whole batch."""
    script = """
        import resource, numpy as np, torch
        from climb_assets.config import Runtime
        from climb_assets.config_training import Training
        from climb_assets.training.sequence_plan import SequencePlan, Stream
        from climb_assets.training.model import build_model
        from climb_assets.training.train import train
        torch.set_num_threads(1)
        training = Training(size="100k", sequence=2048, batch=16, tokens=32768, learning_rate=1e-3)
        model = build_model(training, 300, 1)
        tokens = (np.arange(40000) % 300,)
        stream = Stream(np.array([[0, 0, 0, 40000]]), np.array([0]))
        slots = np.array([[0, number] for number in range(16)])
        plan = SequencePlan(tokens, {0: stream}, slots, 2048, 16, np.ones(1), np.array([32768]), np.ones(1))
        pages = int(open("/proc/self/statm").read().split()[0])
        limit = pages * resource.getpagesize() + 300 * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
        result = train(model, plan, training)
        print(len(result.curve), result.rows)
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    steps, rows = map(int, done.stdout.split())
    assert steps == 1
    assert 1 <= rows < 16


def test_a_batch_in_parts_is_the_same_batch(index: TrainingIndex, make_training: MakeTraining) -> None:
    batch = torch.from_numpy(plan_sequences(index, WEIGHTS, make_training(), seed=1).batch(0))
    gradients, losses = [], []
    for rows in (4, 3, 1):
        model = build_model(make_training(), 300, seed=1)
        losses.append(accumulate(model, batch, rows)[0])
        gradients.append([parameter.grad for parameter in model.parameters()])
    exact = 2e-2 if computes_in_bfloat16(batch.device) else 1e-5
    assert losses[1:] == pytest.approx(losses[:1] * 2, rel=exact)
    for parts in gradients[1:]:
        for whole, part in zip(gradients[0], parts, strict=True):
            assert (part - whole).norm() <= exact * whole.norm() + 1e-7


def test_the_rate_factor_lowers_every_rate(make_training: MakeTraining) -> None:
    full, reduced = make_training(learning_rate=1.0), make_training(learning_rate=1.0, rate_factor=0.1)
    for step in (0, 3, 50, 99):
        assert learning_rate_at(step, 100, reduced) == pytest.approx(0.1 * learning_rate_at(step, 100, full))


def test_a_huge_learning_rate_is_flagged_not_raised(index: TrainingIndex, make_training: MakeTraining) -> None:
    training = make_training(learning_rate=1e6)
    result = train(build_model(training, 300, seed=1), plan_sequences(index, WEIGHTS, training, seed=1), training)
    assert result.diverged
    assert len(result.curve) < 40
    assert result.tokens == len(result.curve) * 64


def test_the_head_has_the_gradients_of_plain_cross_entropy() -> None:
    random = torch.Generator().manual_seed(0)
    hidden = torch.randn(ROWS + 30, 8, generator=random, requires_grad=True)
    weight = torch.randn(50, 8, generator=random, requires_grad=True)
    targets = torch.randint(50, (ROWS + 30,), generator=random)
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


def test_a_model_that_diverged_spoils_no_later_run(index: TrainingIndex, make_training: MakeTraining) -> None:
    plan, training = plan_sequences(index, WEIGHTS, make_training(), seed=1), make_training()
    fresh = train(build_model(training, 300, seed=1), plan, training)
    used = build_model(training, 300, seed=1)
    assert train(used, plan, make_training(learning_rate=1e6)).diverged
    used.load_state_dict(build_model(training, 300, seed=1).state_dict())
    assert train(used, plan, training).curve == fresh.curve


def test_an_unlikely_token_costs_much_and_not_infinitely() -> None:
    hidden, weight = torch.tensor([[120.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    assert head_loss(hidden, weight, torch.tensor([1])).item() == pytest.approx(120)


def test_the_head_adds_up_in_float32_under_mixed_precision() -> None:
    random = torch.Generator().manual_seed(0)
    tokens = 200 * ROWS
    hidden = torch.randn(tokens, 8, generator=random)
    weight = torch.randn(50, 8, generator=random, requires_grad=True)
    targets = torch.randint(50, (tokens,), generator=random)
    (exact,) = torch.autograd.grad(torch.nn.functional.cross_entropy(hidden @ weight.T, targets), [weight])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = head_loss(hidden, weight, targets)
    (ours,) = torch.autograd.grad(loss, [weight])
    assert (ours - exact).norm() < 0.01 * exact.norm()


def test_without_a_compiler_nothing_is_compiled_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-compiler-of-this-name")
    with pytest.warns(UserWarning, match=r"install g\+\+"):
        assert not wants_compilation(Runtime(compile="always"), torch.device("cpu"))
