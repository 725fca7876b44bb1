"""Scoring a model on a prepared task.

What belongs here: likelihoods of continuations and what is made of them. A task's content belongs to `tasks`.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from climb_assets.tables import read_table

if TYPE_CHECKING:
    from transformers import PreTrainedModel

BATCH_TOKENS = 2048  # padded tokens in one forward pass: enough to keep a core busy, little enough for its cache
HEAD_ROWS = 256  # positions whose logits are held at a time


@dataclass(frozen=True)
class Scores:
    """One model on one task.

    Parameters
    ----------
    loss
        Bits per byte of the gold continuations given their contexts: all bits over all bytes.
    accuracy, accuracy_norm
        Share of items whose gold choice is the likeliest: by the sum of its log-likelihood, and by that sum per
        character (lm-evaluation-harness' acc and acc_norm); the first of equals counts. None where there is nothing to
        choose.
    items
        Number of items.
    gold_probability
        Normalised probability of the gold choice: softmax over an item's choices of their log-likelihood (nats) per
        byte, at the gold one, averaged over the items. None where there is nothing to choose.
    """

    loss: float
    accuracy: float | None
    accuracy_norm: float | None
    items: int
    gold_probability: float | None


@dataclass(frozen=True)
class Evaluation:
    """Scores, and what the loss is made of.

    Parameters
    ----------
    bits, sizes
        float64 and int64 (items,): bits of each item's gold continuation, and its bytes; the loss is their ratio.
    """

    scores: Scores
    bits: np.ndarray
    sizes: np.ndarray


@dataclass(frozen=True)
class Window:
    """A stretch of tokens, at most `sequence` inputs; those from `first` on are predicted (positions in the task)."""

    request: int
    begin: int
    first: int
    end: int


def evaluate(model: "PreTrainedModel", prepared: Path, sequence: int) -> Evaluation:
    """Score a model on a task folder, in float32, on the device it is on.

    Parameters
    ----------
    sequence
        Inputs in one window. What is longer loses the left end of its context, and a continuation that is longer by
        itself is cut into windows; every token of it is predicted once.
    """
    items = read_table(prepared / "items.parquet").to_pydict()
    item, gold, size = np.array(items["item"]), np.array(items["gold"]), np.array(items["bytes"])
    bits = continuation_bits(model, prepared, sequence)
    loss = float(bits[gold].sum() / size[gold].sum())
    count = int(gold.sum())
    scores = Scores(loss, None, None, count, None)
    if len(item) > count:
        right = _share_right(item, gold, bits)
        right_norm = _share_right(item, gold, bits / np.array(items["characters"]))
        scores = Scores(loss, right, right_norm, count, gold_probability(item, gold, bits / size))
    return Evaluation(scores, bits[gold], size[gold].astype(np.int64))


def continuation_bits(model: "PreTrainedModel", prepared: Path, sequence: int) -> np.ndarray:
    """Return float64 (requests,): bits of the continuation of each request of a task folder."""
    items = read_table(prepared / "items.parquet").to_pydict()
    tokens = np.load(prepared / "tokens.npy", allow_pickle=False)
    spans = zip(items["start"], items["context"], items["length"], strict=True)
    windows = [window for number, span in enumerate(spans) for window in cut_windows(number, *span, sequence)]
    return _bits(model, tokens, windows, len(items["item"]))


def cut_windows(request: int, start: int, context: int, length: int, sequence: int) -> list[Window]:
    """Return the windows of one request; positions count within all tokens of the task."""
    surplus = max(0, length - 1 - sequence)
    begin = min(surplus, context - 1)
    windows = []
    while begin < length - 1:
        end = min(begin + sequence + 1, length)
        windows.append(Window(request, start + begin, start + max(context, begin + 1), start + end))
        begin = end - 1
    return windows


def _bits(model: "PreTrainedModel", tokens: np.ndarray, windows: list[Window], requests: int) -> np.ndarray:
    """Return float64 (requests,): bits of each request's continuation.

    Windows of like length share a batch, padded on the right, where causal attention cannot see it. Only the positions
    that predict something go through the head.
    """
    import torch

    device = next(model.parameters()).device
    head = model.get_output_embeddings().weight
    bits = np.zeros(requests)
    model.eval()
    with torch.inference_mode():
        for batch in group_windows(sorted(windows, key=lambda window: window.end - window.begin)):
            width = batch[-1].end - batch[-1].begin - 1
            inputs = np.zeros((len(batch), width), dtype=np.int64)
            for row, window in enumerate(batch):
                inputs[row, : window.end - window.begin - 1] = tokens[window.begin : window.end - 1]
            predicted = [row * width + np.arange(w.first, w.end) - w.begin - 1 for row, w in enumerate(batch)]
            expected = np.concatenate([tokens[w.first : w.end] for w in batch]).astype(np.int64)
            owners = np.concatenate([np.full(w.end - w.first, w.request) for w in batch])
            output = model.base_model(input_ids=torch.from_numpy(inputs).to(device), use_cache=False)
            hidden = output.last_hidden_state.flatten(0, 1)[torch.from_numpy(np.concatenate(predicted)).to(device)]
            targets = torch.from_numpy(expected).to(device)
            nats = [
                torch.nn.functional.cross_entropy(rows @ head.T, target, reduction="none")
                for rows, target in zip(hidden.split(HEAD_ROWS), targets.split(HEAD_ROWS), strict=True)
            ]
            np.add.at(bits, owners, torch.cat(nats).double().cpu().numpy() / math.log(2))
    return bits


def group_windows(windows: list[Window]) -> list[list[Window]]:
    """Return the windows, sorted by length, in groups of at most `BATCH_TOKENS` padded inputs (one window at least)."""
    groups: list[list[Window]] = []
    for window in windows:
        width = window.end - window.begin - 1
        if groups and (len(groups[-1]) + 1) * width <= BATCH_TOKENS:
            groups[-1].append(window)
        else:
            groups.append([window])
    return groups


def _share_right(item: np.ndarray, gold: np.ndarray, bits: np.ndarray) -> float:
    """Return the share of items whose first cheapest choice is gold."""
    order = np.lexsort((np.arange(len(item)), bits, item))
    first = order[np.unique(item[order], return_index=True)[1]]
    return float(gold[first].mean())


def gold_probability(item: np.ndarray, gold: np.ndarray, bits: np.ndarray) -> float:
    """Return the mean probability of the gold choices, each item's being the softmax of minus the bits, in nats.

    Parameters
    ----------
    item
        Integers from 0, (requests,): which item a request is a choice of; each item has one gold choice.
    bits
        Bits per byte of each choice, (requests,).
    """
    nats = -bits * math.log(2)
    best = np.full(item.max() + 1, -np.inf)
    np.maximum.at(best, item, nats)
    weights = np.exp(nats - best[item])
    return float((weights / np.bincount(item, weights)[item])[gold].mean())
