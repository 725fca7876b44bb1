"""From a mixture to the sequences a model is trained on, decided before the run.

What belongs here: how many sequences each domain gives, which documents they are cut from, and their order. The
training loop only asks for the batch of a step, so what a proxy has seen is known exactly (count
realised tokens).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from climb_assets.config import Training
from climb_assets.errors import ComputeError
from climb_assets.proxy.spans import TrainingIndex
from climb_assets.randomness import generator


@dataclass(frozen=True)
class SequencePlan:
    """Every sequence of one training run, in the order in which it is used.

    Parameters
    ----------
    sequences
        (steps * batch, sequence + 1) token ids; a row's first token is context only.
    batch_size
        Rows of one step.
    weights
        float64 (domains,): the mixture that was asked for.
    realised
        int64 (domains,): tokens that are trained on.
    epochs
        float64 (domains,): realised tokens / tokens the domain holds.
    """

    sequences: np.ndarray
    batch_size: int
    weights: np.ndarray
    realised: np.ndarray
    epochs: np.ndarray

    @property
    def steps(self) -> int:
        """Number of optimiser steps."""
        return len(self.sequences) // self.batch_size

    def batch(self, step: int) -> np.ndarray:
        """Return the int64 (batch, sequence + 1) token ids of one step."""
        return self.sequences[step * self.batch_size : (step + 1) * self.batch_size].astype(np.int64)


def plan_sequences(index: TrainingIndex, weights: Sequence[float], training: Training, seed: int) -> SequencePlan:
    """Decide which sequences a mixture is trained on.

    Each domain's documents, in a seeded order, are one stream of tokens that goes on in a newly shuffled epoch when
    it is exhausted (a small domain is repeated, as the target will repeat it: docs/sources.md). The
    stream is cut into sequences that overlap by one token, so that every token is predicted once.

    Parameters
    ----------
    weights
        (domains,) a point on the simplex.

    Raises
    ------
    ComputeError
        The weights are not one non-negative number for each domain.
    """
    supply = index.supply
    shares = np.asarray(weights, dtype=np.float64)
    if shares.shape != supply.shape or not (shares >= 0).all() or shares.sum() <= 0:
        raise ComputeError(f"a mixture needs {len(supply)} weights, one a domain, none negative; not {list(weights)}")
    steps = -(-training.tokens // (training.batch * training.sequence))
    counts = apportion(shares / shares.sum(), steps * training.batch)
    drawn = [_draw(index, domain, int(count), training.sequence, seed) for domain, count in enumerate(counts) if count]
    order = generator(seed, "sequences").permutation(steps * training.batch)
    realised = counts * training.sequence
    return SequencePlan(np.concatenate(drawn)[order], training.batch, shares, realised, realised / supply)


def apportion(shares: np.ndarray, total: int) -> np.ndarray:
    """Split `total` by the largest remainder: int64 counts, each less than one away from its share.

    Equal remainders go to the lower index.
    """
    exact = shares * total
    counts: np.ndarray = np.floor(exact).astype(np.int64)
    largest = np.argsort(counts - exact, kind="stable")[: total - counts.sum()]
    counts[largest] += 1
    return counts


def _draw(index: TrainingIndex, domain: int, count: int, sequence: int, seed: int) -> np.ndarray:
    """Return (count, sequence + 1) token ids cut from one domain's stream."""
    documents = index.documents(domain)
    random = generator(seed, "order", domain)
    stream = np.empty(count * sequence + 1, dtype=np.result_type(*index.tokens))
    filled = 0
    while filled < len(stream):
        for _, shard, start, length in documents[random.permutation(len(documents))].tolist():
            taken = min(length, len(stream) - filled)
            stream[filled : filled + taken] = index.tokens[shard][start : start + taken]
            filled += taken
            if filled == len(stream):
                break
    windows: np.ndarray = np.lib.stride_tricks.sliding_window_view(stream, sequence + 1)[::sequence]
    return windows
