"""Acquisition: which mixtures of a pool are worth a proxy, given what is predicted of them.

What belongs here: rules from predictions to a choice. What the pool is, and what is asked for which objective, is
`climb_assets.search.proposal`.
"""

import numpy as np
import numpy.typing as npt

from climb_assets import config_search
from climb_assets.search.prediction import Prediction
from climb_assets.simplex.mixtures import FloatArray, affinity, content_numbers

# A squared-exponential kernel of length 0.5 on the roots of weights, whose squared distance is 2 (1 - affinity).
AFFINITY_SCALE = 0.25


def acquire(
    pool: FloatArray,
    prediction: Prediction,
    best: float,
    count: int,
    settings: config_search.Acquisition,
    rng: np.random.Generator,
    apart_from: FloatArray | None = None,
) -> npt.NDArray[np.int64]:
    """Return the rows (count,) of the pool that are measured next, the most wanted first.

    ``published``: `count` random ones of the ``max(count ** 2, top)`` with the least mean (paper equation 3; NVIDIA's
    8_predict.py), with no regard to separation. The other rules take one after the other:

    - ``greedy``: the least mean;
    - ``lower_bound``: the least mean less `deviations` standard deviations;
    - ``expected_improvement``: the largest expected gain over `best`.

    The last two are told of each choice by kriging believer: what was chosen is taken to come out as predicted, which
    leaves the means of a Gaussian process where they are and takes the uncertainty from its neighbourhood.

    No two chosen mixtures are nearer than `separation` in total variation. Where the pool cannot give enough, the
    separation shrinks to the largest that it can. Equal scores are put in an order that comes from the
    weights, so the answer does not depend on that of the pool.

    Parameters
    ----------
    pool
        Different mixtures (n, K), n >= count.
    prediction
        Of the pool: mean and standard deviation (n,) of the objective, which is minimised.
    best
        The objective to improve on: the least measured one or, where measurements are noisy, the least predicted one
        of a measured mixture.
    rng
        Asked by ``published`` alone.
    apart_from
        Mixtures (m, K) chosen already, from which the new ones are separated too.
    """
    order = np.argsort(content_numbers(pool), kind="stable")
    pool, mean, deviation = pool[order], prediction.mean[order], prediction.deviation[order]
    if settings.kind == "published":
        head = np.argsort(mean, kind="stable")[: max(count * count, settings.top)]
        return np.asarray(order[rng.choice(head, size=count, replace=False)])
    roots = np.sqrt(pool)
    nearest = np.full(len(pool), np.inf)  # distance to the nearest chosen mixture, where it is below the separation
    for mixture in () if apart_from is None else apart_from:
        _note_distances(nearest, pool, mixture, affinity(roots, np.sqrt(mixture)), settings.separation)
    score, chosen = _score(mean, deviation, best, settings), np.empty(count, dtype=np.int64)
    for place in range(count):
        wanted = np.where(nearest >= min(settings.separation, nearest.max()), score, np.inf)
        index = chosen[place] = np.argmin(wanted)
        likeness = affinity(roots, roots[index])
        _note_distances(nearest, pool, pool[index], likeness, settings.separation)
        nearest[index] = -np.inf
        if settings.kind != "greedy":
            correlation = np.exp((np.minimum(likeness, 1.0) - 1) / AFFINITY_SCALE)
            deviation = deviation * np.sqrt(1 - correlation**2)
            best = min(best, float(mean[index]))
            score = _score(mean, deviation, best, settings)
    return order[chosen]


def _note_distances(
    nearest: FloatArray, pool: FloatArray, mixture: FloatArray, likeness: FloatArray, separation: float
) -> None:
    """Lower `nearest` (n,) to the total-variation distance from a mixture (K,), where that is below the separation.

    Their likeness (n,), which is their `affinity`, finds these rows cheaply: 1 less it, the squared Hellinger distance,
    is at most the total variation.
    """
    near = np.flatnonzero(1 - likeness < separation)
    nearest[near] = np.minimum(nearest[near], np.abs(pool[near] - mixture).sum(axis=1) / 2)


def _score(mean: FloatArray, deviation: FloatArray, best: float, settings: config_search.Acquisition) -> FloatArray:
    """Return what the rule minimises (n,)."""
    match settings.kind:
        case "lower_bound":
            return mean - settings.deviations * deviation
        case "expected_improvement":
            improvement = expected_improvement(mean, deviation, best)
            return np.where(improvement > 0, -improvement, mean - best)  # hopeless ones by how far they miss
        case _:
            return mean


def expected_improvement(mean: FloatArray, deviation: FloatArray, best: float) -> FloatArray:
    """Return the mean (n,) of max(best - y, 0) for y normal with this mean and standard deviation (n,), each."""
    from scipy.special import ndtr

    gain = best - mean
    certain = deviation <= 0
    z = gain / np.where(certain, 1.0, deviation)
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    return np.where(certain, np.maximum(gain, 0.0), np.maximum(gain * ndtr(z) + deviation * density, 0.0))
