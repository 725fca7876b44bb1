"""From a mixture to the sequences a model is trained on, decided before the run.

What belongs here: how many sequences each domain gives, which documents they are cut from, and their order. The
training loop only asks for the batch of a step, so what a proxy has seen is known exactly (count
realised tokens).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from climb_assets.config_training import Training
from climb_assets.errors import ComputeError
from climb_assets.randomness import generator
from climb_assets.simplex.apportionment import apportion
from climb_assets.training.token_index import TrainingIndex

GOLDEN_RATIO = (5**0.5 - 1) / 2


@dataclass(frozen=True)
class Stream:
    """One domain's tokens in the order in which a run reads them: documents, epoch after epoch.

    Parameters
    ----------
    spans
        int64 (stretches, 4): domain, shard ordinal, first token, number of tokens.
    starts
        int64 (stretches,): where each stretch begins in the stream.
    """

    spans: np.ndarray
    starts: np.ndarray

    def read(self, tokens: Sequence[np.ndarray], first: int, count: int) -> np.ndarray:
        """Return int64 (count,): token ids from position `first` on, straight from the memory maps."""
        ids = np.empty(count, dtype=np.int64)
        stretch, filled = int(np.searchsorted(self.starts, first, side="right")) - 1, 0
        while filled < count:
            _, shard, start, length = self.spans[stretch].tolist()
            skipped = first + filled - int(self.starts[stretch])
            taken = min(length - skipped, count - filled)
            ids[filled : filled + taken] = tokens[shard][start + skipped : start + skipped + taken]
            stretch, filled = stretch + 1, filled + taken
        return ids


@dataclass(frozen=True)
class SequencePlan:
    """Every sequence of one training run, in the order in which it is used; tokens are read when they are asked for.

    Parameters
    ----------
    tokens
        The token array of each shard, memory-mapped.
    streams
        The stream of each domain, by domain.
    slots
        int64 (steps * batch, 2): the domain of each sequence, and its number within that domain's stream.
    sequence, batch_size
        Tokens that a sequence predicts, and sequences of one step.
    weights
        float64 (domains,): the mixture that was asked for.
    realised
        int64 (domains,): tokens that are trained on.
    epochs
        float64 (domains,): realised tokens / tokens they are drawn from.
    """

    tokens: Sequence[np.ndarray]
    streams: Mapping[int, Stream]
    slots: np.ndarray
    sequence: int
    batch_size: int
    weights: np.ndarray
    realised: np.ndarray
    epochs: np.ndarray

    @property
    def steps(self) -> int:
        """Number of optimiser steps."""
        return len(self.slots) // self.batch_size

    def batch(self, step: int) -> np.ndarray:
        """Return the int64 (batch, sequence + 1) token ids of one step; a row's first token is context only."""
        slots = self.slots[step * self.batch_size : (step + 1) * self.batch_size].tolist()
        rows = [
            self.streams[domain].read(self.tokens, number * self.sequence, self.sequence + 1)
            for domain, number in slots
        ]
        return np.stack(rows)


def plan_sequences(
    index: TrainingIndex,
    weights: Sequence[float],
    training: Training,
    seed: int,
    supply: Sequence[np.ndarray] | None = None,
) -> SequencePlan:
    """Decide which sequences a mixture is trained on.

    Each domain's documents, in a seeded order, are one stream of tokens that goes on in a newly shuffled epoch when
    it is exhausted. The stream is cut into sequences that overlap by one token, so that every token is predicted once.
    Under one seed mixtures read the same streams, a heavier domain only further, and shared sequences at like steps.

    Parameters
    ----------
    weights
        (domains,) a point on the simplex.
    supply
        The documents of each domain to draw from; default: all of them. See `simulate_supply`.

    Raises
    ------
    ComputeError
        The weights are not one non-negative number for each domain.
    """
    documents = [index.documents(domain) for domain in range(len(index.supply))] if supply is None else supply
    shares = np.asarray(weights, dtype=np.float64)
    if shares.shape != (len(documents),) or not (shares >= 0).all() or shares.sum() <= 0:
        raise ComputeError(
            f"a mixture needs {len(documents)} weights, one a domain, none negative; not {shares.tolist()}"
        )
    sequences = training.steps * training.batch
    counts = apportion(shares / shares.sum() * sequences, sequences)
    streams = {
        domain: _stream(documents[domain], int(count) * training.sequence + 1, generator(seed, "order", domain))
        for domain, count in enumerate(counts)
        if count
    }
    slots = np.concatenate([np.stack([np.full(count, d), np.arange(count)], axis=1) for d, count in enumerate(counts)])
    places = [_places(int(count), generator(seed, "places", domain)) for domain, count in enumerate(counts)]
    order = np.argsort(np.concatenate(places), kind="stable")
    realised = counts * training.sequence
    held = np.array([spans[:, 3].sum() for spans in documents])
    return SequencePlan(
        tokens=index.tokens,
        streams=streams,
        slots=slots[order],
        sequence=training.sequence,
        batch_size=training.batch,
        weights=shares,
        realised=realised,
        epochs=realised / held,
    )


def simulate_supply(index: TrainingIndex, training: Training, target_tokens: int, seed: int) -> list[np.ndarray]:
    """Return a part of each domain's documents from which a proxy draws as many epochs as the target will.

    A target that trains on `target_tokens` repeats a domain of N tokens w * target_tokens / N times. A proxy of fewer
    tokens sees no repetition at all and likes small domains too much (arXiv 2606.07597, docs/sources.md), so it
    draws from N * tokens / target_tokens of them: documents in a seeded order, the last one cut.

    Returns
    -------
    Spans of each domain, int64 (documents, 4), at least one token each.
    """
    share = min(1.0, training.trained_tokens / target_tokens)
    parts = []
    for domain in range(len(index.supply)):
        documents = index.documents(domain)
        wanted = max(1, round(share * int(documents[:, 3].sum())))
        shuffled = documents[generator(seed, "supply", domain).permutation(len(documents))]
        before = np.cumsum(shuffled[:, 3]) - shuffled[:, 3]
        part = shuffled[before < wanted].copy()
        part[-1, 3] = wanted - before[len(part) - 1]
        parts.append(part)
    return parts


def _places(count: int, random: np.random.Generator) -> np.ndarray:
    """Return float64 (count,): where in the run, in [0, 1), each of a domain's sequences is read.

    A sequence's place depends on its number and not on the weights, so mixtures that share a sequence read it at about
    the same step. Multiples of the golden ratio spread any first `count` of them evenly (Kronecker's sequence), so
    every stretch of the run has the mixture's shares.
    """
    places: np.ndarray = (random.random() + np.arange(count) * GOLDEN_RATIO) % 1.0
    return places


def _stream(documents: np.ndarray, tokens: int, random: np.random.Generator) -> Stream:
    """Return documents in epochs, each shuffled anew, until they hold so many tokens."""
    epochs = -(-tokens // int(documents[:, 3].sum()))
    order = np.concatenate([random.permutation(len(documents)) for _ in range(epochs)])
    lengths = documents[:, 3][order]
    ends = np.cumsum(lengths)
    used = int(np.searchsorted(ends, tokens)) + 1
    return Stream(documents[order[:used]], (ends - lengths)[:used])
