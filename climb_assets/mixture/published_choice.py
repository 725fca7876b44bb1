"""The published choice: what the predictor alone would choose, and what that rests on.

What belongs here: the published rule. Whether its pick is the answer is `climb_assets.mixture.confirmed_choice`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from climb_assets.errors import ComputeError
from climb_assets.search.history import History
from climb_assets.search.iteration import Fit
from climb_assets.search.proposal import Predict
from climb_assets.simplex.limits import NONE_LEFT, Limits
from climb_assets.simplex.mixtures import FloatArray, is_among, mixture_key

INTERVAL = 0.95  # coverage of the interval of the predicted loss


@dataclass(frozen=True)
class PublishedChoice:
    """The pick of the published rule, and what it rests on; losses are in bits per byte.

    Parameters
    ----------
    key, weights
        The mixture.
    predicted
        Its predicted loss.
    interval
        Range of the predicted loss by the spread of out-of-fold residuals, None where there is none. It does not
        correct for the optimism of having taken the least of many predictions.
    measured
        Its measured loss, None where no proxy was trained on it.
    pool, ties
        Mixtures it was chosen from, and how many of them have the least predicted loss.
    best_measured_key, best_measured
        The best mixture that a proxy was trained on, and its measured loss.
    better_measured
        How many trained mixtures have a measured loss below the predicted one.
    fit
        How far the predictor can be trusted.
    """

    key: str
    weights: tuple[float, ...]
    predicted: float
    interval: tuple[float, float] | None
    measured: float | None
    pool: int
    ties: int
    best_measured_key: str
    best_measured: float
    better_measured: int
    fit: Fit


def choose_published(
    predict: Predict,
    penalty: Callable[[FloatArray], FloatArray],
    history: History,
    weights: Mapping[str, float],
    pool: FloatArray,
    limits: Limits,
    fit: Fit,
) -> PublishedChoice:
    """Return the mixture of the search space with the least predicted objective (paper section 2.2).

    A step function's least is often shared (docs/sources.md); of equals the one with the lowest key is taken, not the
    one that happens to come first.

    Parameters
    ----------
    predict, penalty
        The last iteration's prediction of the objective for mixtures (n, K), and what is added to it for their distance
        from the prior (n,).
    history
        Every measured mixture.
    weights
        The objective: weights of its tasks.
    pool
        The search space (n, K); what breaks the limits is left out.
    fit
        The objective's out-of-fold diagnostics.

    Raises
    ------
    ComputeError
        All proxies diverged, or no mixture keeps the limits.
    """
    if not np.isfinite(history.objective(weights)).any():
        raise ComputeError("every proxy diverged, so no mixture can be chosen; lower proxy.learning_rate")
    pool = pool[limits.kept_by(pool)]
    if not len(pool):
        raise ComputeError(NONE_LEFT)
    measured = np.where(limits.kept_by(history.weights) & history.believed, history.objective(weights), np.nan)
    if not np.isfinite(measured).any():
        raise ComputeError("no measured mixture keeps the limits; widen search.limits or train within them")
    scores = predict(pool).mean + penalty(pool)
    tied = pool[scores == scores.min()]
    chosen = min(tied, key=mixture_key)
    least, best = float(predict(chosen[None]).mean[0]), int(np.nanargmin(measured))
    own = measured[is_among(history.weights, chosen[None])]
    return PublishedChoice(
        key=mixture_key(chosen),
        weights=tuple(chosen.tolist()),
        predicted=least,
        interval=_interval(least, fit),
        measured=float(own[0]) if len(own) and np.isfinite(own[0]) else None,
        pool=len(pool),
        ties=len(tied),
        best_measured_key=history.keys[best],
        best_measured=float(measured[best]),
        better_measured=int((measured < least).sum()),
        fit=fit,
    )


def _interval(predicted: float, fit: Fit) -> tuple[float, float] | None:
    from scipy.stats import t

    if fit.residual_sd is None:
        return None
    half = float(t.ppf((1 + INTERVAL) / 2, fit.rows - 1)) * fit.residual_sd
    return predicted - half, predicted + half
