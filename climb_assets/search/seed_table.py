"""A table of losses, mixtures by fresh seeds, all on the same items, and the noise in it.

What belongs here: the model of the table, and the standard errors that follow. What they let anybody say is
`climb_assets.search.confidence`.

The model of the table: loss = mixture + seed + items + error, where what a seed does to all mixtures and what the items
do to all mixtures moves no difference. The error is normal; models of one seed share what chance decides, and the more
alike their mixtures are, the more alike are their errors. So the noise of a difference is pooled over the pairs that
are of its kind and not over all. What items do to one mixture and not to another is estimated for each pair. Seeds and
items are fresh, so the noise that put a mixture on the list is not in the table.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from climb_assets.errors import ComputeError
from climb_assets.search.item_sampling import ItemNoise, TaskItems, measure_item_noise, no_item_noise
from climb_assets.search.noise import SeedNoise, TableNoise, two_way_noise
from climb_assets.simplex.mixtures import FloatArray


@dataclass(frozen=True)
class SeedTable:
    """Losses of mixtures by seed, and the noise in them.

    Parameters
    ----------
    names
        Of the mixtures (A).
    losses
        Of each mixture and seed (A, S), bits per byte.
    total
        Noise between seeds of one model about its mixture.
    anchors
        Noise between seeds of one model after what its seed does to all mixtures is taken out, measured elsewhere; None
        where it was not.
    items
        What other items would do to the mean losses.
    """

    names: tuple[str, ...]
    losses: FloatArray
    total: SeedNoise
    anchors: SeedNoise | None
    items: ItemNoise

    @property
    def means(self) -> dict[str, float]:
        """Mean loss of each mixture."""
        return dict(zip(self.names, self.losses.mean(axis=1).tolist(), strict=True))

    def error_of_mean(self, name: str) -> SeedNoise:
        """Return the standard error of a mixture's mean loss, and its degrees of freedom."""
        row, seeds = self.names.index(name), self.losses.shape[1]
        own = max(0.0, float(self.items.covariance[row, row]))
        return _add([(self.total.deviation**2 / seeds, self.total.degrees), (own, self.items.degrees)])

    def paired_noise(self, pairs: Sequence[tuple[str, str]] | None = None) -> SeedNoise:
        """Return the noise of one model that a difference has twice, pooled over pairs of mixtures and the anchors.

        It is half the mean over the pairs of the variance of a difference between seeds. With L the Laplacian matrix of
        the pairs as a graph of mixtures, that is the quadratic form of L in the losses, whose degrees of freedom are
        (S - 1) tr(L)^2 / tr(L^2) where errors are independent (Box 1954): S - 1 for one pair, (A - 1)(S - 1) for all.

        Parameters
        ----------
        pairs
            Default: all.

        Raises
        ------
        ComputeError
            Nothing tells the noise: there is one seed, and there are no anchors.
        """
        pairs = list(itertools.combinations(self.names, 2)) if pairs is None else pairs
        laplacian = np.zeros((len(self.names), len(self.names)))
        for pair in {frozenset(pair) for pair in pairs}:
            ends = [self.names.index(name) for name in pair]
            laplacian[np.ix_(ends, ends)] += [[1, -1], [-1, 1]]
        about_mean = self.losses - self.losses.mean(axis=1, keepdims=True)
        free, trace = self.losses.shape[1] - 1, float(np.trace(laplacian))
        known = [self.anchors] if self.anchors else []
        if free and trace:
            variance = float(np.sum(about_mean * (laplacian @ about_mean))) / (free * trace)
            known.append(SeedNoise(float(np.sqrt(variance)), free * trace**2 / float(np.sum(laplacian**2))))
        return _pool(known)

    def error_of_difference(self, first: str, second: str, noise: SeedNoise) -> SeedNoise:
        """Return the standard error of the difference of two means, given the noise of pairs of their kind."""
        of_items = float(self.items.of_differences[self.names.index(first), self.names.index(second)])
        between_seeds = 2 * noise.deviation**2 / self.losses.shape[1]
        return _add([(between_seeds, noise.degrees), (of_items, self.items.degrees)])

    def covariance_of_means(self, noise: SeedNoise) -> FloatArray:
        """Return the covariance (A, A) of the means' errors, what moves all mixtures alike left out."""
        values, vectors = np.linalg.eigh(self.items.covariance)
        of_items = (vectors * np.maximum(values, 0)) @ vectors.T  # an estimated covariance may have a value below 0
        covariance: FloatArray = of_items + np.eye(len(values)) * noise.deviation**2 / self.losses.shape[1]
        return covariance


def tabulate_seeds(
    losses: Mapping[str, Mapping[int, float]], anchors: TableNoise | None, items: ItemNoise | None = None
) -> SeedTable:
    """Return the table of mixtures that were trained with the same seeds, with the noise of all that is known.

    The noise of the table and that of the anchors of the search are pooled by their degrees of freedom, total with
    total and paired with paired. Where the anchors' paired noise is not known their total stands in for it: it makes
    the interval of a difference wider rather than narrower.

    Parameters
    ----------
    losses
        For each mixture and each seed the loss.
    anchors
        Noise between seeds from elsewhere, None where that was not measured.
    items
        What items add, for the mixtures in this order; default: nothing.

    Raises
    ------
    ComputeError
        A mixture lacks a seed or has a loss that is not finite, or nothing tells the noise.
    """
    seeds = sorted({seed for by_seed in losses.values() for seed in by_seed})
    for name, by_seed in losses.items():
        if sorted(by_seed) != seeds or not np.isfinite(list(by_seed.values())).all():
            raise ComputeError(f"mixture {name} lacks a finite loss of some seed; train it again or leave it out")
    table = np.array([[by_seed[seed] for seed in seeds] for by_seed in losses.values()])
    own = two_way_noise({(name, seed): loss for name, by_seed in losses.items() for seed, loss in by_seed.items()})
    known = [noise for noise in (own, anchors) if noise is not None]
    total = _pool([noise.total for noise in known])
    elsewhere = (anchors.paired or anchors.total) if anchors else None
    return SeedTable(tuple(losses), table, total, elsewhere, items or no_item_noise(len(table)))


def tabulate_items(items: Mapping[str, Mapping[int, TaskItems]], weights: Mapping[str, float]) -> ItemNoise:
    """Return what items add to the objective of mixtures, given those of each mixture and seed."""
    return measure_item_noise([[by_seed[seed] for seed in sorted(by_seed)] for by_seed in items.values()], weights)


def _add(parts: Sequence[tuple[float, float]]) -> SeedNoise:
    """Return the root of a sum of estimated variances, given with their degrees of freedom; Satterthwaite's for it."""
    variance = sum(part for part, _ in parts)
    spread = sum(part**2 / degrees for part, degrees in parts)
    return SeedNoise(float(np.sqrt(variance)), variance**2 / spread if spread else min(free for _, free in parts))


def _pool(noises: Sequence[SeedNoise]) -> SeedNoise:
    """Return one noise from several of the same size, by their squares and degrees of freedom."""
    degrees = sum(noise.degrees for noise in noises)
    if not degrees:
        raise ComputeError("the noise between seeds is not known; raise search.choice.seeds or search.repeats to 2")
    return SeedNoise(float(np.sqrt(sum(noise.deviation**2 * noise.degrees for noise in noises) / degrees)), degrees)
