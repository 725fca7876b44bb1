"""Olmix's proposal: the mixture that log-linear laws call best, near the prior and under the caps (arXiv 2602.12237).

What belongs here: the convex problem and its solution. The laws are fitted in `climb_assets.search.mixing_law`.
"""

from collections.abc import Callable, Mapping

import numpy as np

from climb_assets import config_search
from climb_assets.errors import ComputeError
from climb_assets.search.mixing_law import MixingLaw, fit_mixing_law
from climb_assets.simplex.limits import Limits
from climb_assets.simplex.mixtures import FloatArray

LEAST = 1e-12  # weights up to here are 0; the slope of x log x has no end there
GAP = 1e-5  # how far the answer may lie above the minimum, times the steepest slope, or bits per byte
STEPS = 5000

Slope = Callable[[FloatArray], FloatArray]  # from a mixture (K,) to the gradient (K,) there


def propose_olmix(
    weights: FloatArray,
    losses: Mapping[str, FloatArray],
    objective: Mapping[str, float],
    prior: FloatArray,
    limits: Limits,
    divergence: float,
    settings: config_search.MixingLaw,
) -> FloatArray:
    """Return the mixture (K,) that minimises the predicted objective plus `divergence` times KL(mixture, prior).

    The objective is the weighted mean of one law for each task, as in Olmix's exact proposer; its repetition cap is
    among the limits. All terms are convex, so there is one minimum and the start does not matter.

    Parameters
    ----------
    weights, losses
        The swarm's mixtures (n, K) and their loss (n,) on each task of the objective, in bits per byte.
    prior
        Token share of each domain (K,), all positive.
    divergence
        Weight of the divergence, bits per byte for each nat.

    Raises
    ------
    ComputeError
        The swarm is empty or has a loss that is not finite, or the minimum was not found.
    """
    total = sum(objective.values())
    laws = []
    for task in sorted(objective):
        if not len(losses[task]) or not np.isfinite(losses[task]).all():
            raise ComputeError(f"Olmix needs finite losses of {task}; leave the proxies out that diverged")
        scale = float(losses[task].std())
        if scale > 0:  # a loss that no mixture changes has no say
            law = fit_mixing_law(weights, (losses[task] - losses[task].mean()) / scale, settings)
            laws.append((law, scale * objective[task] / total))
    return minimise_laws(laws, prior, limits, divergence)


def minimise_laws(
    laws: list[tuple[MixingLaw, float]], prior: FloatArray, limits: Limits, divergence: float
) -> FloatArray:
    """Return the mixture (K,) within the limits with the least sum of law times share plus divergence from the prior.

    Raises
    ------
    ComputeError
        The minimum was not found.
    """

    def slope_at(mixture: FloatArray) -> FloatArray:
        slope = divergence * (np.log(mixture / prior) + 1)
        for law, share in laws:
            slope = slope + share * (law.predict(mixture[None]).mean[0] - law.floor) * law.slopes
        return slope

    open_limits = Limits(np.maximum(limits.floor, LEAST), np.maximum(limits.ceiling, LEAST))
    found = _descend(slope_at, _tilt(prior, np.zeros_like(prior), open_limits), open_limits)
    mixture: FloatArray = limits.project(np.where(found > 2 * LEAST, found, 0.0)[None])[0]
    return mixture


def _descend(slope_at: Slope, start: FloatArray, limits: Limits) -> FloatArray:
    """Return the minimum of a convex function by exponentiated gradient descent.

    A step is taken if the slope changes on the way by at most half of what the logarithms of the weights do, which
    lowers the function for sure and, unlike a difference of its values, is exact near the minimum too. It ends where
    the slope proves that no mixture within the limits is better by more than `GAP`.
    """
    mixture, step = start, 1.0
    slope = slope_at(mixture)
    for _ in range(STEPS):
        if slope @ (mixture - _least(slope, limits)) <= GAP * max(1.0, np.abs(slope).max()):
            return mixture
        moved = _tilt(mixture, -step * slope, limits)
        reached = slope_at(moved)
        way = moved - mixture
        if step * (reached - slope) @ way > 0.5 * (np.log(moved) - np.log(mixture)) @ way:
            step /= 2
        else:
            mixture, slope, step = moved, reached, 1.5 * step
    raise ComputeError("Olmix's mixture was not found; raise baselines.olmix_divergence")


def _tilt(mixture: FloatArray, exponents: FloatArray, limits: Limits) -> FloatArray:
    """Return the mixture (K,) times exp(exponents), scaled to sum to 1 with what leaves the limits cut."""
    from scipy.optimize import bisect

    logs = np.log(mixture) + exponents

    def scaled(shift: float) -> FloatArray:
        return np.clip(np.exp(np.minimum(logs + shift, 0.0)), limits.floor, limits.ceiling)

    total = np.clip(1.0, limits.floor.sum(), limits.ceiling.sum())  # limits that leave one mixture sum to nearly 1
    shift = bisect(lambda shift: scaled(shift).sum() - total, np.log(LEAST) - logs.max(), -logs.min(), xtol=1e-13)
    return scaled(shift)


def _least(slope: FloatArray, limits: Limits) -> FloatArray:
    """Return the mixture (K,) within the limits that a linear function with this slope has its minimum at."""
    order = np.argsort(slope, kind="stable")
    room = (limits.ceiling - limits.floor)[order]
    filled = np.clip(1 - limits.floor.sum() - (np.cumsum(room) - room), 0, room)
    mixture = limits.floor.copy()
    mixture[order] += filled
    return mixture
