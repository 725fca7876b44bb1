"""Mixtures as points on the simplex: their identity, their resolution and their checks.

What belongs here: arithmetic on weights that holds for any mixture. Which mixtures are tried is
`climb_assets.search.proposal`; how weights become documents is `climb_assets.mixture.realisation`.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from climb_assets.artifacts import canonical_json, sha256_text
from climb_assets.errors import ComputeError

FloatArray = npt.NDArray[np.float64]

DECIMALS = 6  # the resolution of a mixture's identity; every step that `floor_and_round` makes is coarser
TOLERANCE = 1e-6  # how far a sum of weights may be from 1


def mixture_key(weights: Sequence[float] | FloatArray) -> str:
    """Return the mixture's name: 16 hex of the hash of its weights (K,) at six decimals."""
    return sha256_text(canonical_json([round(float(weight), DECIMALS) + 0.0 for weight in weights]))[:16]


def normalise(weights: npt.ArrayLike) -> FloatArray:
    """Return non-negative weights (..., K) scaled so that the last axis sums to 1.

    Raises
    ------
    ComputeError
        A weight is negative or not finite, or all are zero.
    """
    array: FloatArray = np.asarray(weights, dtype=np.float64)
    totals = array.sum(axis=-1, keepdims=True)
    if not np.isfinite(array).all() or (array < 0).any() or (totals <= 0).any():
        raise ComputeError("weights must be finite and not negative, with at least one above 0; correct the mixture")
    shares: FloatArray = array / totals
    return shares


def floor_and_round(weights: npt.ArrayLike, min_weight: float) -> FloatArray:
    """Return mixtures (..., K) with small weights dropped and the rest on a grid, summing to 1.

    NVIDIA's 5_mixture.py (docs/sources.md): weights below `min_weight` become 0, the rest is renormalised and
    rounded to multiples of `min_weight`. There the rounded weights sum to 1 only nearly; here the largest
    remainders make it exact. The grid is 1 / floor(1 / min_weight), at least six decimals.

    Raises
    ------
    ComputeError
        No weight of a mixture reaches `min_weight`.
    """
    array = normalise(weights)
    array = np.where(array < min_weight * (1 - TOLERANCE), 0.0, array)
    if (array.sum(axis=-1) == 0).any():
        raise ComputeError(f"no weight of a mixture reaches {min_weight:g}; lower search.min_weight")
    units = _units(min_weight)
    scaled = normalise(array) * units
    counts = np.floor(scaled + TOLERANCE)  # a weight that is on the grid stays, whatever its last bit
    missing = units - counts.sum(axis=-1, keepdims=True)
    ranks = np.argsort(np.argsort(counts - scaled, axis=-1, kind="stable"), axis=-1, kind="stable")
    rounded: FloatArray = (counts + (ranks < missing)) / units
    return rounded


def _units(min_weight: float) -> int:
    finest = 10**DECIMALS
    return finest if min_weight * finest <= 1 else int(1 / min_weight + TOLERANCE)


def check_simplex(weights: npt.ArrayLike, domains: int) -> FloatArray:
    """Return the mixtures (K,) or (n, K) as an array after a check.

    Raises
    ------
    ComputeError
        The number of weights is not `domains`, or one mixture is not on the simplex.
    """
    array: FloatArray = np.asarray(weights, dtype=np.float64)
    if array.shape[-1:] != (domains,):
        raise ComputeError(f"a mixture of shape {array.shape} is not one for {domains} domains; propose it again")
    if not np.isfinite(array).all() or (array < 0).any() or (np.abs(array.sum(axis=-1) - 1) > TOLERANCE).any():
        raise ComputeError("a mixture's weights are not shares that sum to 1; normalise it first")
    return array


def is_among(mixtures: FloatArray, others: FloatArray) -> npt.NDArray[np.bool_]:
    """Return for each of the mixtures (n, K) whether it equals one of the others (m, K) at six decimals."""
    known = {row.tobytes() for row in _grid(others)}
    return np.fromiter((row.tobytes() in known for row in _grid(mixtures)), dtype=np.bool_, count=len(mixtures))


def _grid(mixtures: FloatArray) -> npt.NDArray[np.int64]:
    grid: npt.NDArray[np.int64] = np.rint(np.asarray(mixtures, dtype=np.float64) * 10**DECIMALS).astype(np.int64)
    return grid
