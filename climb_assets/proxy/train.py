"""The training loop: AdamW, clipped gradients, a warm-up / stable / decay schedule (paper appendix C.2).

What belongs here: how a model learns from a plan of sequences. Deterministic on a CPU with a fixed number of threads.
A run that diverges ends early with a flag; it is a result, not an error.
"""

import contextlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from climb_assets.config import Training
from climb_assets.proxy.batches import SequencePlan

if TYPE_CHECKING:
    import torch
    from transformers import LlamaForCausalLM

EXPLODED = 2.0  # times ln(vocabulary), the loss of a uniform guess: above it a run has diverged
HEAD_ROWS = 256  # positions whose logits are held at a time: 256 x 4,096 float32 numbers stay in a core's cache


@dataclass(frozen=True)
class TrainingResult:
    """What a run left behind besides the weights.

    Parameters
    ----------
    curve
        Training loss (nats per token) before each step's update.
    diverged
        Whether the loss became non-finite or exploded; the run then stopped there.
    tokens
        Tokens that were trained on.
    """

    curve: list[float]
    diverged: bool
    tokens: int


def train(
    model: "LlamaForCausalLM",
    plan: SequencePlan,
    training: Training,
    on_step: Callable[[int, float], None] | None = None,
) -> TrainingResult:
    """Train the model in place on the device it is on; `on_step` is told each step and its loss."""
    import torch

    model.train()
    parameters = list(model.parameters())
    matrices = [p for p in parameters if p.ndim > 1]
    others = [p for p in parameters if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": training.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=training.learning_rate, betas=training.betas, fused=True)
    device = parameters[0].device
    ceiling = EXPLODED * math.log(model.config.vocab_size)
    curve: list[float] = []
    for step in range(plan.steps):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate_at(step, plan.steps, training)
        batch = torch.from_numpy(plan.batch(step)).to(device)
        with mixed_precision(device):
            hidden = model.model(input_ids=batch[:, :-1], use_cache=False).last_hidden_state
            loss = head_loss(hidden.flatten(0, 1), model.lm_head.weight, batch[:, 1:].flatten())
        curve.append(loss.item())
        if not curve[-1] < ceiling:
            return TrainingResult(curve, True, len(curve) * batch[:, 1:].numel())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, training.clip)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        if on_step is not None:
            on_step(step, curve[-1])
    return TrainingResult(curve, False, int(plan.realised.sum()))


def learning_rate_at(step: int, steps: int, training: Training) -> float:
    """Return the learning rate of a step: linear warm-up, a stable stretch, linear decay to its final share."""
    warmup = math.ceil(training.warmup * steps)
    decay = math.ceil(training.decay * steps)
    if step < warmup:
        return training.learning_rate * (step + 1) / (warmup + 1)
    progress = max(0, step + 1 - (steps - decay)) / max(1, decay)
    return training.learning_rate * (1 - progress * (1 - training.final_learning_rate))


def mixed_precision(device: "torch.device") -> contextlib.AbstractContextManager[Any]:
    """Return bfloat16 autocast where the device computes in it, else nothing at all (float32)."""
    import torch

    able = torch.cuda.is_bf16_supported() if device.type == "cuda" else torch.cpu._is_avx512_bf16_supported()
    return torch.autocast(device.type, dtype=torch.bfloat16) if able else contextlib.nullcontext()


def head_loss(hidden: "torch.Tensor", weight: "torch.Tensor", targets: "torch.Tensor") -> "torch.Tensor":
    """Return the mean cross-entropy of the language-model head without ever holding all logits.

    The logits of `HEAD_ROWS` positions at a time are turned into their gradient where they lie. The whole matrix
    would be `tokens x vocabulary` numbers, written and read several times: the largest cost of a small model.

    Parameters
    ----------
    hidden, weight, targets
        (tokens, hidden), (vocabulary, hidden), (tokens,).
    """
    import torch

    class HeadLoss(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
            hidden_gradient, weight_gradient = torch.empty_like(hidden), torch.zeros_like(weight)
            loss = weight.new_zeros(())
            for first in range(0, len(targets), HEAD_ROWS):
                rows = slice(first, first + HEAD_ROWS)
                target = targets[rows, None]
                gradient = (hidden[rows] @ weight.T).float().softmax(1)
                loss -= gradient.gather(1, target).log().sum()
                gradient.scatter_add_(1, target, gradient.new_full(target.shape, -1.0))
                hidden_gradient[rows] = gradient @ weight
                weight_gradient += gradient.T @ hidden[rows]
            ctx.save_for_backward(hidden_gradient, weight_gradient)
            ctx.count = len(targets)
            mean: torch.Tensor = loss / ctx.count
            return mean

        @staticmethod
        def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, None]:
            scale = gradients[0] / ctx.count
            hidden_gradient, weight_gradient = ctx.saved_tensors
            return hidden_gradient * scale, weight_gradient * scale, None

    loss: torch.Tensor = HeadLoss.apply(hidden, weight, targets)
    return loss
