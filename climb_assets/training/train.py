"""The training loop: AdamW, clipped gradients, a warm-up / stable / decay schedule (paper appendix C.2).

What belongs here: how a model learns from a plan of sequences. Deterministic on a CPU with a fixed number of threads,
also when it was interrupted. A run that diverges ends early with a flag; it is a result, not an error.
"""

import contextlib
import math
import os
import shutil
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from climb_assets.config import Runtime
from climb_assets.config_training import Training
from climb_assets.environment import resolve_precision
from climb_assets.errors import ComputeError
from climb_assets.training.checkpoint import Checkpoint, save_snapshot
from climb_assets.training.sequence_plan import SequencePlan

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

EXPLODED = 2.0  # times ln(vocabulary), the loss of a uniform guess: above it a run has diverged
SHORT_SEQUENCE = 256  # tokens up to which plain attention in bfloat16 beats torch's fused one on a CPU, measured
HEAD_ROWS = {  # positions whose logits are held at a time
    "cpu": 256,  # the fastest of 16 to 256 with a worker on each of two cores and 4,096 tokens in the vocabulary
    "cuda": 8192,  # fewer would leave a large GPU waiting for the next launch
}


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
    resumed
        Steps that an earlier, interrupted run had done.
    snapshots
        Token counts at which the weights were kept.
    rows
        Sequences in one pass: fewer than a batch where memory was short, the gradients then add up.
    """

    curve: list[float]
    diverged: bool
    tokens: int
    resumed: int
    snapshots: list[int]
    rows: int


def train(
    model: "PreTrainedModel",
    plan: SequencePlan,
    training: Training,
    checkpoint: Checkpoint | None = None,
) -> TrainingResult:
    """Train the model in place on the device it is on.

    Parameters
    ----------
    checkpoint
        Where an interrupted run is taken up, and where the weights of `training.snapshots` go.

    Raises
    ------
    ComputeError
        Not even one sequence fits into memory.
    """
    import torch

    model.zero_grad(set_to_none=True)  # a model that serves many proxies may hold those of one that diverged
    model.eval()  # no dropout: its masks would come from a global random state
    optimiser = make_optimiser(model, training)
    curve, rows = checkpoint.resume(model, optimiser) if checkpoint is not None else ([], None)
    resumed, rows = len(curve), rows or training.batch
    size = plan.batch_size * plan.sequence
    snapshots = sorted({math.ceil(share * plan.steps) for share in training.snapshots} - {plan.steps})
    ceiling = EXPLODED * math.log(model.config.vocab_size)
    parameters = list(model.parameters())
    device = parameters[0].device
    for step in range(resumed, plan.steps):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate_at(step, plan.steps, training)
        batch = torch.from_numpy(plan.batch(step)).to(device)
        loss, rows = accumulate(model, batch, rows)
        curve.append(loss)
        norm = torch.nn.utils.clip_grad_norm_(parameters, training.clip)
        if not loss < ceiling or not torch.isfinite(norm):
            kept = [number * size for number in snapshots if number <= step]
            return TrainingResult(curve, True, len(curve) * size, resumed, kept, rows)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        if checkpoint is not None:
            if step + 1 in snapshots:
                save_snapshot(model, checkpoint.snapshots, (step + 1) * size)
            checkpoint.save_if_due(model, optimiser, curve, rows)
    return TrainingResult(curve, False, plan.steps * size, resumed, [number * size for number in snapshots], rows)


def make_optimiser(model: "PreTrainedModel", training: Training) -> "torch.optim.AdamW":
    """Return AdamW, which decays matrices and leaves norms and biases alone."""
    import torch

    matrices = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": training.weight_decay}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=training.learning_rate, betas=training.betas, fused=True)


def accumulate(model: "PreTrainedModel", batch: "torch.Tensor", rows: int) -> tuple[float, int]:
    """Add up the gradients of a batch, at most `rows` sequences at a time; return the mean loss and the rows.

    Where memory runs out the rows are halved, and stay so.
    """
    import torch

    while True:
        try:
            return sum(_backward(model, part, len(batch)) for part in batch.split(rows)), rows
        except (MemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
        model.zero_grad(set_to_none=True)
        if batch.device.type == "cuda":
            torch.cuda.empty_cache()
        if rows == 1:
            raise ComputeError("one sequence does not fit into memory; choose a smaller model or sequence")
        rows = (rows + 1) // 2


def _backward(model: "PreTrainedModel", part: "torch.Tensor", batch: int) -> float:
    """Add a part's share of the gradients of a batch's mean loss; return its share of that loss."""
    with mixed_precision(part.device):
        hidden = model.base_model(input_ids=part[:, :-1], use_cache=False).last_hidden_state
        loss = head_loss(hidden.flatten(0, 1), model.get_output_embeddings().weight, part[:, 1:].flatten())
        loss = loss * (len(part) / batch)
    loss.backward()
    return float(loss.item())


def _is_out_of_memory(error: Exception) -> bool:
    """Return whether memory ran out, on a GPU or on the machine; torch's CPU allocator only says so in words."""
    import torch

    return isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def wants_compilation(runtime: Runtime, device: "torch.device") -> bool:
    """Return whether the training step is to be compiled here; where a C++ compiler is wanted and absent, say so once.

    On a CPU a compiled step is faster, but compiling costs each worker half a minute, more than the proxies of a demo
    take (docs/results.md); whether it pays must not depend on how much work is left, or equal work would differ.
    """
    if runtime.compile == "never" or (runtime.compile == "auto" and device.type == "cpu"):
        return False
    found = shutil.which(os.environ.get("CXX", "g++")) is not None
    if not found:
        warnings.warn("no C++ compiler was found, so training steps are not compiled; install g++", stacklevel=2)
    return found


def learning_rate_at(step: int, steps: int, training: Training) -> float:
    """Return the learning rate of a step: linear warm-up, a stable stretch, linear decay to its final share."""
    peak = training.learning_rate * training.rate_factor
    warmup = math.ceil(training.warmup * steps)
    decay = math.ceil(training.decay * steps)
    if step < warmup:
        return peak * (step + 1) / (warmup + 1)
    progress = max(0, step + 1 - (steps - decay)) / max(1, decay)
    return peak * (1 - progress * (1 - training.final_learning_rate))


def mixed_precision(device: "torch.device") -> contextlib.AbstractContextManager[Any]:
    """Return bfloat16 autocast where the device computes in it, else nothing at all (float32)."""
    import torch

    able = computes_in_bfloat16(device)
    return torch.autocast(device.type, dtype=torch.bfloat16) if able else contextlib.nullcontext()


def computes_in_bfloat16(device: "torch.device") -> bool:
    """Return whether models are trained in bfloat16 on a device; see `climb_assets.environment.resolve_precision`."""
    return resolve_precision("auto", device.type, gradients=True) == "bfloat16"


def prefers_plain_attention(sequence: int, device: "torch.device") -> bool:
    """Return whether attention is faster written out: torch's fused backward pass in bfloat16 is slow on CPUs."""
    return device.type == "cpu" and sequence <= SHORT_SEQUENCE and computes_in_bfloat16(device)


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
            device = hidden.device.type
            mixed = torch.is_autocast_enabled(device)
            inputs = hidden.to(torch.get_autocast_dtype(device)) if mixed else hidden
            head = weight.to(inputs.dtype)
            hidden_gradient = torch.empty_like(inputs)
            # Transposed, because that product is the faster one; in float32, because many slices are added up.
            head_gradient = hidden.new_zeros(weight.T.shape, dtype=torch.float32)
            loss = hidden.new_zeros((), dtype=torch.float32)
            for first in range(0, len(targets), HEAD_ROWS[device]):
                rows = slice(first, first + HEAD_ROWS[device])
                target = targets[rows, None]
                logits = torch.mm(inputs[rows], head.T).float()
                of_target = logits.gather(1, target)
                largest = logits.amax(1, keepdim=True)
                gradient = torch.softmax(logits, 1)  # whose largest entry is exp(largest - logsumexp)
                loss += (largest - gradient.amax(1, keepdim=True).log() - of_target).sum()
                gradient.scatter_add_(1, target, gradient.new_full(target.shape, -1.0))
                gradient = gradient.to(inputs.dtype)
                torch.mm(gradient, head, out=hidden_gradient[rows])
                if mixed:
                    head_gradient += torch.mm(inputs[rows].T, gradient)
                else:
                    head_gradient.addmm_(inputs[rows].T, gradient)
            ctx.save_for_backward(hidden_gradient.to(hidden.dtype), head_gradient.T.to(weight.dtype).contiguous())
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
