"""Mixtures as points on the simplex: their identity, their resolution, their limits and their checks.

What belongs here: arithmetic on weights that holds for any mixture. What the limits of a search are is
`climb_assets.simplex.limits`; which mixtures are tried is `climb_assets.search.proposal`; how weights become documents
is `climb_assets.mixture.realisation`.
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from climb_assets.errors import ComputeError
from climb_assets.simplex.apportionment import apportion
from climb_assets.store.artifacts import canonical_json, sha256_text

FloatArray = npt.NDArray[np.float64]

DECIMALS = 6  # the resolution of a mixture's identity; every step that `floor_and_round` makes is coarser
TOLERANCE = 1e-6  # how far a sum of weights may be from 1
NEGLIGIBLE = 1e-12  # a weight below this is none
NOTHING = 1e-100  # stands for a share of 0 where a domain has to be filled nevertheless


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


def document_shares(weights: npt.ArrayLike, documents: npt.ArrayLike, tokens: npt.ArrayLike) -> FloatArray:
    """Return the shares of documents (K,) to draw by, so that each domain has its weight (K,) of the tokens.

    Who draws documents gets more tokens of a domain whose documents are longer, so its share of them is smaller.

    Parameters
    ----------
    documents, tokens
        What each domain holds (K,), above 0.
    """
    lengths = np.asarray(tokens, dtype=np.float64) / np.asarray(documents, dtype=np.float64)
    return normalise(np.asarray(weights, dtype=np.float64) / lengths)


def project(mixtures: npt.ArrayLike, floor: npt.ArrayLike, ceiling: npt.ArrayLike) -> FloatArray:
    """Return mixtures (..., K) scaled until they lie between the limits: w = clip(s * mixture, floor, ceiling), sum 1.

    That is water-filling: what a ceiling cuts off goes to the other domains in proportion to their weights. It is also
    the nearest mixture in Kullback-Leibler divergence. A domain of weight 0 gets some only where the others cannot
    hold the whole, and then in proportion to its ceiling. A mixture that keeps the limits comes back normalised.

    Parameters
    ----------
    floor, ceiling
        Limits (..., K), 0 <= floor <= ceiling, whose sums are at most and at least 1.
    """
    shares = normalise(mixtures)
    floors = np.broadcast_to(np.asarray(floor, dtype=np.float64), shares.shape)
    ceilings = np.broadcast_to(np.asarray(ceiling, dtype=np.float64), shares.shape)
    broken = ((shares < floors) | (shares > ceilings)).any(axis=-1)
    if np.any(broken):
        shares[broken] = _scale_between(shares[broken], floors[broken], ceilings[broken])
    return shares


def _scale_between(shares: FloatArray, floor: FloatArray, ceiling: FloatArray) -> FloatArray:
    """Solve `project` for rows (n, K): the sum is linear between scales at which a weight meets one of its limits."""
    shares = np.maximum(shares, NOTHING * np.maximum(ceiling, NEGLIGIBLE))
    scales = np.sort(np.concatenate([np.zeros_like(shares[:, :1]), floor / shares, ceiling / shares], axis=1), axis=1)

    def weights_at(knot: npt.NDArray[np.int64]) -> FloatArray:
        scaled: FloatArray = np.clip(np.take_along_axis(scales, knot, axis=1) * shares, floor, ceiling)
        return scaled

    low = np.zeros((len(shares), 1), dtype=np.int64)
    high = np.full_like(low, scales.shape[1] - 1)
    while (high - low > 1).any():
        middle = (low + high) // 2
        short = weights_at(middle).sum(axis=1, keepdims=True) < 1
        low, high = np.where(short, middle, low), np.where(short, high, middle)
    below, above = weights_at(low), weights_at(high)
    missing, step = 1 - below.sum(axis=1, keepdims=True), (above - below).sum(axis=1, keepdims=True)
    part = np.clip(missing / np.where(step > 0, step, 1.0), 0.0, 1.0)
    weights: FloatArray = below + part * (above - below)
    return np.where(weights < NEGLIGIBLE, floor, weights)


def floor_and_round(
    weights: npt.ArrayLike, min_weight: float, floor: npt.ArrayLike = 0.0, ceiling: npt.ArrayLike = 1.0
) -> FloatArray:
    """Return mixtures (..., K) with small weights dropped and the rest on a grid, within limits and summing to 1.

    NVIDIA's 5_mixture.py (docs/sources.md): weights below `min_weight` become 0, the rest is renormalised and
    rounded to multiples of `min_weight`. There the rounded weights sum to 1 only nearly and may end above a cap; here
    the largest remainders make the sum exact, between limits that are rounded inwards first, so that none is ever
    broken. The grid is 1 / floor(1 / min_weight), at least six decimals.

    Parameters
    ----------
    floor, ceiling
        Least and largest weight of each domain (K,), or one number for all.

    Raises
    ------
    ComputeError
        No weight of a mixture reaches `min_weight`, or no mixture of the grid keeps the limits.
    """
    array = normalise(weights)
    array = np.where(array < min_weight * (1 - TOLERANCE), 0.0, array)
    if (array.sum(axis=-1) == 0).any():
        raise ComputeError(f"no weight of a mixture reaches {min_weight:g}; lower search.min_weight")
    units = _units(min_weight)
    least, most = _units_between(floor, ceiling, units, array.shape[-1])
    scaled = project(array, least / units, most / units) * units
    # The remainders are below 1, so only weights below their whole-numbered ceilings gain.
    return apportion(scaled, units) / units


def grid_step(min_weight: float) -> float:
    """Return the step of the grid that `floor_and_round` puts mixtures on."""
    return 1 / _units(min_weight)


def _units(min_weight: float) -> int:
    finest = 10**DECIMALS
    return finest if min_weight * finest <= 1 else int(1 / min_weight + TOLERANCE)


def _units_between(
    floor: npt.ArrayLike, ceiling: npt.ArrayLike, units: int, domains: int
) -> tuple[FloatArray, FloatArray]:
    """Return the least and the largest whole number of grid steps (K,) between the limits."""
    floor, ceiling = np.broadcast_to(floor, domains), np.broadcast_to(ceiling, domains)
    least, most = np.ceil(floor * units - TOLERANCE), np.floor(ceiling * units + TOLERANCE)
    least, most = least + (least / units < floor), most - (most / units > ceiling)
    if (least > most).any() or least.sum() > units or most.sum() < units:
        raise ComputeError(
            f"no mixture in steps of {1 / units:g} keeps the limits of its domains; lower search.min_weight or widen "
            "search.limits, search.max_usage or mixture.max_epochs"
        )
    return least, most


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


def affinity(roots: FloatArray, root: FloatArray) -> FloatArray:
    """Return the Bhattacharyya coefficients (n,) of mixtures with one, from roots of weights (n, K) and (K,).

    1 less it is the squared Hellinger distance. Not by BLAS, whose last bits depend on the number of threads.
    """
    coefficients: FloatArray = np.einsum("nk,k->n", roots, root)
    return coefficients


def is_among(mixtures: FloatArray, others: FloatArray) -> npt.NDArray[np.bool_]:
    """Return for each of the mixtures (n, K) whether it equals one of the others (m, K) at six decimals."""
    known = {row.tobytes() for row in _grid(others)}
    return np.fromiter((row.tobytes() in known for row in _grid(mixtures)), dtype=np.bool_, count=len(mixtures))


def content_numbers(mixtures: FloatArray) -> npt.NDArray[np.uint64]:
    """Return a number (n,) for each of the mixtures (n, K) from its weights at six decimals alone.

    Their order breaks ties: like that of the keys it is arbitrary and the same wherever a mixture stands in a list,
    and it costs a tenth of them.
    """
    digests = b"".join(hashlib.blake2b(row.tobytes(), digest_size=8).digest() for row in _grid(mixtures))
    return np.frombuffer(digests, dtype="<u8").astype(np.uint64)


def _grid(mixtures: FloatArray) -> npt.NDArray[np.int64]:
    grid: npt.NDArray[np.int64] = np.rint(np.asarray(mixtures, dtype=np.float64) * 10**DECIMALS).astype(np.int64)
    return grid
