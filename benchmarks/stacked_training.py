"""Many models of one shape trained and scored at once, their weights side by side: what a GPU is needed for.

What belongs here: the arithmetic of a stack. A model of 100k parameters leaves a GPU waiting for the next launch; two
hundred of them side by side do not. Model, first weights, text, schedule and scores are those of
`climb_assets.training`, so a stack says what proxies one by one would say; `proxy_certainty.py check` holds the two
together. Learning rate and text may differ between the models of a stack, widths and steps may not.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from climb_assets.config_training import Training
from climb_assets.tables import read_table
from climb_assets.training.evaluation import cut_windows, group_windows
from climb_assets.training.model import build_model
from climb_assets.training.train import learning_rate_at

Weights = dict[str, torch.Tensor]
NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # coefficients of Muon's iteration (K. Jordan 2024)
EVALUATION_TOKENS = 1 << 18  # padded tokens of all models in one forward pass


@dataclass(frozen=True)
class Setting:
    """How the models of a stack are trained.

    Parameters
    ----------
    training
        Widths and schedule; its learning rate is multiplied by `rates`.
    optimiser
        ``adamw``, or ``muon`` for the matrices of the blocks.
    average
        Share of the steps at the end over which weights are averaged; 0: those of the last step.
    """

    training: Training
    optimiser: str = "adamw"
    average: float = 0.0


def stack_weights(training: Training, vocabulary: int, seeds: Sequence[int], device: str) -> Weights:
    """Return the first weights of models (S), each tensor with the models along its first axis."""
    made = {seed: build_model(training, vocabulary, seed).state_dict() for seed in set(seeds)}
    names = [name for name in made[seeds[0]] if name != "lm_head.weight"]  # tied to the embedding
    return {name: torch.stack([made[seed][name] for seed in seeds]).to(device).requires_grad_() for name in names}


def hidden_states(weights: Weights, training: Training, ids: torch.Tensor) -> torch.Tensor:
    """Return the hidden states (S, B, T, H) that the head reads, of token ids (S, B, T)."""
    shape, (models, rows, length) = training.shape, ids.shape
    width, heads = shape.hidden, shape.heads
    size = width // heads
    embedding = weights["model.embed_tokens.weight"]
    offsets = torch.arange(models, device=ids.device)[:, None, None] * embedding.shape[1]
    x = functional.embedding(ids + offsets, embedding.flatten(0, 1)).view(models, rows * length, width)
    frequencies = 1e4 ** (-torch.arange(0, size, 2, device=ids.device) / size)
    angles = torch.outer(torch.arange(length, device=ids.device).float(), frequencies).repeat(1, 2)
    cos, sin = angles.cos(), angles.sin()

    def normed(x: torch.Tensor, name: str) -> torch.Tensor:
        scaled: torch.Tensor = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)
        return scaled * weights[name][:, None]

    def times(x: torch.Tensor, name: str) -> torch.Tensor:
        return torch.bmm(x, weights[name].transpose(1, 2))

    def apart(x: torch.Tensor) -> torch.Tensor:
        return x.view(models * rows, length, heads, size).transpose(1, 2)

    def rotated(x: torch.Tensor) -> torch.Tensor:
        left, right = x.chunk(2, -1)
        return x * cos + torch.cat((-right, left), -1) * sin

    for number in range(shape.layers):
        block = f"model.layers.{number}"
        h = normed(x, f"{block}.input_layernorm.weight")
        query, key, value = (apart(times(h, f"{block}.self_attn.{part}_proj.weight")) for part in "qkv")
        mixed = functional.scaled_dot_product_attention(rotated(query), rotated(key), value, is_causal=True)
        mixed = mixed.transpose(1, 2).reshape(models, rows * length, width)
        x = x + times(mixed, f"{block}.self_attn.o_proj.weight")
        h = normed(x, f"{block}.post_attention_layernorm.weight")
        gated = functional.silu(times(h, f"{block}.mlp.gate_proj.weight")) * times(h, f"{block}.mlp.up_proj.weight")
        x = x + times(gated, f"{block}.mlp.down_proj.weight")
    return normed(x, "model.norm.weight").view(models, rows, length, width)


def train_stack(
    setting: Setting, weights: Weights, text: torch.Tensor, rates: Sequence[float]
) -> tuple[Weights, np.ndarray]:
    """Train the models of a stack; return their weights and the training losses float32 (steps, S), nats a token.

    Parameters
    ----------
    text
        Token ids (S, steps, batch, sequence + 1), on any device.
    rates
        What each model's learning rate is multiplied by (S).
    """
    training = setting.training
    device = next(iter(weights.values())).device
    factor = torch.tensor(rates, device=device, dtype=torch.float32)
    moments = {name: [torch.zeros_like(value), torch.zeros_like(value)] for name, value in weights.items()}
    averaged: Weights = {}
    kept = math.ceil(setting.average * training.steps)
    curve = []
    for step in range(training.steps):
        ids = text[:, step].to(device, torch.int64)
        hidden = hidden_states(weights, training, ids[..., :-1]).flatten(1, 2)
        logits = torch.bmm(hidden, weights["model.embed_tokens.weight"].transpose(1, 2))
        lost = functional.cross_entropy(logits.flatten(0, 1), ids[..., 1:].flatten(), reduction="none")
        losses = lost.view(len(ids), -1).mean(1)
        gradients = dict(zip(weights, torch.autograd.grad(losses.sum(), list(weights.values())), strict=True))
        curve.append(losses.detach())
        with torch.no_grad():
            squares = torch.stack([gradient.flatten(1).pow(2).sum(1) for gradient in gradients.values()])
            scale = (training.clip / (squares.sum(0).sqrt() + 1e-6)).clamp(max=1.0)
            rate = factor * learning_rate_at(step, training.steps, training)
            for name, value in weights.items():
                spread = (slice(None),) + (None,) * (value.ndim - 1)
                _update(setting, name, value, gradients[name] * scale[spread], moments[name], rate[spread], step + 1)
            if kept and step >= training.steps - kept:
                for name, value in weights.items():
                    averaged[name] = averaged.get(name, 0) + value / kept
    return (averaged or weights), torch.stack(curve).cpu().numpy()


def _update(
    setting: Setting,
    name: str,
    value: torch.Tensor,
    gradient: torch.Tensor,
    moments: list[torch.Tensor],
    rate: torch.Tensor,
    step: int,
) -> None:
    """Move a tensor of the stack by one step of AdamW, or of Muon in the scale of AdamW (arXiv 2502.16982)."""
    training, matrix = setting.training, value.ndim == 3
    if matrix:
        value.mul_(1 - rate * training.weight_decay)
    if setting.optimiser == "muon" and matrix and "layers" in name:
        moments[0].mul_(0.95).add_(gradient)
        direction = orthogonalise(gradient + 0.95 * moments[0])
        value.sub_(rate * 0.2 * math.sqrt(max(value.shape[1:])) * direction)
        return
    first, second = training.betas
    moments[0].lerp_(gradient, 1 - first)
    moments[1].mul_(second).addcmul_(gradient, gradient, value=1 - second)
    root = (moments[1] / (1 - second**step)).sqrt_().add_(1e-8)
    value.sub_(rate * (moments[0] / (1 - first**step)) / root)


def orthogonalise(matrices: torch.Tensor) -> torch.Tensor:
    """Return about the nearest orthogonal matrices (S, m, n), by five steps of Newton and Schulz."""
    a, b, c = NEWTON_SCHULZ
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.transpose(1, 2) if tall else matrices
    x = x / (x.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    for _ in range(5):
        square = x @ x.transpose(1, 2)
        x = a * x + (b * square + c * square @ square) @ x
    return x.transpose(1, 2) if tall else x


def score_stack(
    weights: Weights, training: Training, tasks: Mapping[str, Path]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return for each prepared task the bits of its items' gold continuations, float64 (S, items), and their bytes."""
    embedding = weights["model.embed_tokens.weight"]
    models, device = len(embedding), embedding.device
    scored = {}
    for name, folder in tasks.items():
        items = read_table(folder / "items.parquet").to_pydict()
        tokens = np.load(folder / "tokens.npy", allow_pickle=False)
        gold = np.flatnonzero(items["gold"])
        spans = [(items["start"][row], items["context"][row], items["length"][row]) for row in gold]
        windows = [
            window for number, span in enumerate(spans) for window in cut_windows(number, *span, training.sequence)
        ]
        bits = torch.zeros(models, len(gold), dtype=torch.float64, device=device)
        step = max(1, EVALUATION_TOKENS // models // 2048)
        groups = group_windows(sorted(windows, key=lambda window: window.end - window.begin))
        for first in range(0, len(groups), step):
            batch = [window for group in groups[first : first + step] for window in group]
            width = max(window.end - window.begin for window in batch) - 1
            ids = np.zeros((len(batch), width), dtype=np.int64)
            for row, window in enumerate(batch):
                ids[row, : window.end - window.begin - 1] = tokens[window.begin : window.end - 1]
            where = np.concatenate([r * width + np.arange(w.first, w.end) - w.begin - 1 for r, w in enumerate(batch)])
            targets = torch.from_numpy(np.concatenate([tokens[w.first : w.end] for w in batch]).astype(np.int64))
            owners = torch.from_numpy(np.concatenate([np.full(w.end - w.first, w.request) for w in batch])).to(device)
            with torch.inference_mode():
                shared = torch.from_numpy(ids).to(device).expand(models, *ids.shape)
                hidden = hidden_states(weights, training, shared).flatten(1, 2)[:, torch.from_numpy(where).to(device)]
                logits = torch.bmm(hidden, embedding.transpose(1, 2))
                nats = functional.cross_entropy(
                    logits.flatten(0, 1), targets.to(device).repeat(models), reduction="none"
                )
                bits.index_add_(1, owners, nats.view(models, -1).double() / math.log(2))
        scored[name] = (bits.cpu().numpy(), np.array(items["bytes"])[gold])
    return scored
