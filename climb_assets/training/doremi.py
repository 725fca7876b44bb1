"""DoReMi: domain weights by group DRO over two models of proxy size (arXiv 2305.10429, algorithm 1).

What belongs here: group DRO on the tokens, models and schedule that proxies are trained with. Where its two models are
kept is `climb_assets.training.reweighting`; which other baselines there are is `climb_assets.search.baselines`.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from climb_assets import config_baselines
from climb_assets.config_training import Training
from climb_assets.errors import ComputeError
from climb_assets.search.baselines import token_proportional, uniform
from climb_assets.simplex.mixtures import FloatArray
from climb_assets.tables import read_table, write_table
from climb_assets.training.checkpoint import Checkpoint
from climb_assets.training.sequence_plan import SequencePlan
from climb_assets.training.token_index import TrainingIndex
from climb_assets.training.train import head_loss, learning_rate_at, make_optimiser, mixed_precision

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

PASS_TOKENS = 4096  # tokens whose activations are held at a time


@dataclass(frozen=True)
class Reweighting:
    """What group DRO came to.

    Parameters
    ----------
    weights
        float64 (domains,): the answer, the mean of the weights over the steps.
    trajectory
        float64 (steps, domains): the weights after each step's update.
    excess
        float64 (steps, domains): the excess losses that each update was made from, in nats per token.
    """

    weights: FloatArray
    trajectory: FloatArray
    excess: FloatArray


def choose_mixtures(index: TrainingIndex) -> tuple[FloatArray, FloatArray]:
    """Return the mixtures (domains,) that the reference and the proxy see: the corpus as it is, and all domains alike.

    The paper takes a reference in proportion to tokens for the Pile, and its authors advise it (README of
    sangmichaelxie/doremi); the uniform reference that the paper takes for GLaM wants several rounds.
    """
    return token_proportional(index.supply), uniform(len(index.supply))


def reweight_domains(
    proxy: "PreTrainedModel",
    reference: "PreTrainedModel",
    plan: SequencePlan,
    training: Training,
    settings: config_baselines.DoReMi,
    checkpoint: Checkpoint | None = None,
) -> Reweighting:
    """Train the proxy in place for the domains on which it lags behind the reference (algorithm 1).

    Sequences come from all domains alike; what the weights decide is how much the loss of each counts. Two things
    matter only where a batch holds few domains, as in small runs: a domain without a sequence in the batch keeps the
    excess loss of its last one (0 before its first), as in the authors' code; and a sequence's loss is multiplied by
    its domain's weight times domains / batch, so that the objective is the paper's on average over batches, where the
    authors' code divides by the weights that are in the batch.

    The excess is clipped token by token, so a domain that nobody can learn keeps some wherever the two models differ on
    it: it loses weight while there is more to learn elsewhere, and may gain late in a run that repeats it.

    Parameters
    ----------
    plan
        The sequences of the proxy, of a uniform mixture.
    checkpoint
        Where an interrupted run is taken up.

    Raises
    ------
    ComputeError
        The proxy diverged.
    """
    import torch

    proxy.eval()
    reference.eval()
    optimiser = make_optimiser(proxy, training)
    domains = len(plan.weights)
    steps: list[list[list[float]]] = checkpoint.resume(proxy, optimiser)[0] if checkpoint is not None else []
    weights, excess = np.array(steps[-1]) if steps else (uniform(domains), np.zeros(domains))
    for step in range(len(steps), plan.steps):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate_at(step, plan.steps, training)
        batch = torch.from_numpy(plan.batch(step)).to(proxy.device)
        owners = plan.slots[step * plan.batch_size : (step + 1) * plan.batch_size, 0]
        gaps = (token_losses(proxy, batch) - token_losses(reference, batch)).clip(min=0).mean(axis=1)
        present = np.unique(owners)
        excess[present] = [gaps[owners == domain].mean() for domain in present]
        weights = update_weights(weights, excess, settings)
        steps.append([weights.tolist(), excess.tolist()])
        _accumulate(proxy, batch, weights[owners] * domains / len(owners))
        norm = torch.nn.utils.clip_grad_norm_(proxy.parameters(), training.clip)
        if not math.isfinite(norm):
            raise ComputeError("DoReMi's proxy diverged; lower proxy.learning_rate")
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        if checkpoint is not None:
            checkpoint.save_if_due(proxy, optimiser, steps, len(batch))
    trajectory, excesses = np.array(steps).swapaxes(0, 1)
    return Reweighting(trajectory.mean(axis=0), trajectory, excesses)


def write_reweighting(path: Path, run: Reweighting) -> None:
    """Write one row for each step: step, weights, excess."""
    write_table(
        path,
        pa.table(
            {
                "step": pa.array(range(1, len(run.trajectory) + 1), pa.int32()),
                "weights": pa.array(run.trajectory.tolist(), pa.list_(pa.float64())),
                "excess": pa.array(run.excess.tolist(), pa.list_(pa.float64())),
            }
        ),
    )


def read_reweighting(path: Path) -> Reweighting:
    """Read what `write_reweighting` wrote."""
    table = read_table(path)
    trajectory, excess = (np.array(table[name].to_pylist()) for name in ("weights", "excess"))
    return Reweighting(trajectory.mean(axis=0), trajectory, excess)


def update_weights(weights: FloatArray, excess: FloatArray, settings: config_baselines.DoReMi) -> FloatArray:
    """Return the weights (K,) after one exponentiated-gradient step and smoothing (algorithm 1).

    Parameters
    ----------
    weights
        On the simplex (K,), all positive.
    excess
        Excess loss of each domain (K,), nats per token.
    """
    logits = np.log(weights) + settings.step * excess
    grown = np.exp(logits - logits.max())
    smoothed: FloatArray = (1 - settings.smoothing) * grown / grown.sum() + settings.smoothing / len(grown)
    return smoothed


def token_losses(model: "PreTrainedModel", batch: "torch.Tensor") -> FloatArray:
    """Return the loss of every predicted token, nats, float64 (rows, sequence), of token ids (rows, sequence + 1).

    In float32 throughout: the rounding of bfloat16 does not cancel out of a difference that is clipped at 0.
    """
    import torch

    head = model.get_output_embeddings().weight
    losses = []
    with torch.inference_mode():
        for part in batch.split(_rows_of_a_pass(batch)):
            hidden = model.base_model(input_ids=part[:, :-1], use_cache=False).last_hidden_state
            losses += [
                torch.nn.functional.cross_entropy(row @ head.T, target, reduction="none")
                for row, target in zip(hidden, part[:, 1:], strict=True)
            ]
    found: FloatArray = torch.stack(losses).double().cpu().numpy()
    return found


def _accumulate(model: "PreTrainedModel", batch: "torch.Tensor", factors: FloatArray) -> None:
    """Add the gradients of the mean over the rows of factor times loss; factors (rows,)."""
    import torch

    rows, head = _rows_of_a_pass(batch), model.get_output_embeddings().weight
    shares = torch.from_numpy(factors / len(batch)).to(batch.device, torch.float32)
    for part, share in zip(batch.split(rows), shares.split(rows), strict=True):
        with mixed_precision(batch.device):
            hidden = model.base_model(input_ids=part[:, :-1], use_cache=False).last_hidden_state
            losses = [head_loss(row, head, target) for row, target in zip(hidden, part[:, 1:], strict=True)]
            loss = (torch.stack(losses) * share).sum()
        loss.backward()


def _rows_of_a_pass(batch: "torch.Tensor") -> int:
    """Return how many sequences go through a model at a time."""
    return max(1, PASS_TOKENS // batch.shape[1])
