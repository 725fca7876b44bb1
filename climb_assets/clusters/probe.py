"""A linear probe: scores of documents from their vectors.

What belongs here: fitting it and scoring vectors. How well it does is `held_out`.

It is ridge regression and no classifier: scores are ordered and their means over clusters are what counts, which a
regression estimates and the likeliest label of a classifier does not (FineWeb-Edu fits its scorer in the same way).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from climb_assets.clusters.annotations import SCALE, Annotations
from climb_assets.clusters.held_out import HeldOut, assign_folds, compare_held_out
from climb_assets.config_quality import Quality
from climb_assets.embeddings.embed import are_usable
from climb_assets.store.files import write_array

PENALTIES = np.logspace(-3, 4, 15)  # of which leave-one-out takes one a dimension; vectors have length 1
WEIGHTS, INTERCEPTS = "weights.npy", "intercepts.npy"
DIGITS = 4  # decimals of a score: what may differ with the batch and the machine lies far beyond


@dataclass(frozen=True)
class Probe:
    """Weights (dimensions, length of a vector) and intercepts (dimensions,)."""

    dimensions: tuple[str, ...]
    weights: NDArray[np.float32]
    intercepts: NDArray[np.float32]

    def score(self, vectors: NDArray[np.float16]) -> NDArray[np.float32]:
        """Return scores (vectors, dimensions) within the scale of annotations; NaN where there is no unit vector."""
        exact = vectors.astype(np.float64)
        scores = np.clip(exact @ self.weights.T.astype(np.float64) + self.intercepts, *SCALE).round(DIGITS)
        return np.where(are_usable(vectors)[:, None], scores, np.nan).astype(np.float32)

    def write(self, out: Path) -> None:
        """Write it into a folder."""
        write_array(out / WEIGHTS, self.weights)
        write_array(out / INTERCEPTS, self.intercepts)


def fit_probe(annotations: Annotations, vectors: NDArray[np.float16], settings: Quality) -> tuple[Probe, list[HeldOut]]:
    """Fit a probe on all annotations, and tell how one does that was fitted without those that it scores.

    Parameters
    ----------
    vectors
        Of the annotated texts (texts, dimension), in their order.
    """
    fold_of = assign_folds(len(vectors), settings)
    predicted = np.empty_like(annotations.scores)
    for fold in range(settings.folds):
        held_out = fold_of == fold
        probe = _fit(annotations.dimensions, vectors[~held_out], annotations.scores[~held_out])
        predicted[held_out] = probe.score(vectors[held_out])
    probe = _fit(annotations.dimensions, vectors, annotations.scores)
    return probe, compare_held_out(annotations.dimensions, predicted, annotations.scores, settings)


def _fit(dimensions: tuple[str, ...], vectors: NDArray[np.float16], scores: NDArray[np.float64]) -> Probe:
    from sklearn.linear_model import RidgeCV
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, "blas"):  # sums in one order, whatever the number of cores
        model = RidgeCV(PENALTIES, alpha_per_target=True).fit(vectors.astype(np.float64), scores)
    weights = np.asarray(model.coef_, np.float32).reshape(len(dimensions), -1)
    return Probe(dimensions, weights, np.asarray(model.intercept_, np.float32).reshape(-1))
