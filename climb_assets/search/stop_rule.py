"""The stop rule: whether another iteration is worth its proxies. `search.stop` says whether it is told or obeyed.

What belongs here: expected and seen gains as plain numbers, and one sentence about them.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from climb_assets.errors import ComputeError
from climb_assets.search.prediction import Prediction
from climb_assets.simplex.mixtures import FloatArray

GRID = 2000  # points of the integral over the best new loss
REACH = 8.0  # standard deviations below the lowest prediction, where nothing is left to integrate
CERTAIN = 1e-12  # least standard deviation that is told from none
STOPPED = "stopped"  # in the facts of candidates: the sentence of each objective, where there are none because of it


@dataclass(frozen=True)
class Advice:
    """What another iteration promises; gains in bits per byte, larger is better.

    Parameters
    ----------
    proxies
        What it costs.
    expected_gain
        By how much its best mixture is expected to beat the best so far.
    gain_per_proxy
        The same for one proxy.
    last_gain
        By how much the last iteration beat those before, None after the first.
    noise
        Standard deviation between seeds of one mixture, None where it was not measured.
    stop
        Whether neither gain reaches the noise; None where the noise is not known.
    sentence
        All that in words.
    """

    proxies: int
    expected_gain: float
    gain_per_proxy: float
    last_gain: float | None
    noise: float | None
    stop: bool | None
    sentence: str


def advise(prediction: Prediction, best: float, last_gain: float | None, noise: float | None) -> Advice:
    """Return what an iteration that trains these candidates promises against the noise of one model.

    A gain below the noise cannot be told from luck by the seeds of one confirmation, so it is taken for none. A
    predictor can be too sure that nothing is left: while the last iteration gained more than the noise, go on.

    Parameters
    ----------
    prediction
        Of the objective, for the candidates that would come next (n,): how good the mixtures are, without the noise
        of one measurement, which would pass for gain.
    best
        The least loss so far: the predicted one of a tried mixture where noise matters, for the least measured one was
        lucky too.
    last_gain
        See `last_gain`.

    Raises
    ------
    ComputeError
        There are no candidates.
    """
    proxies = len(prediction.mean)
    if not proxies:
        raise ComputeError("an iteration without candidates promises nothing; propose some first")
    gain = expected_gain(prediction, best)
    stop = None if noise is None else max(gain, last_gain or 0.0) < noise
    return Advice(
        proxies, gain, gain / proxies, last_gain, noise, stop, _sentence(proxies, gain, last_gain, noise, stop)
    )


def nothing_left(last_gain: float | None, noise: float | None) -> Advice:
    """Return the advice where every mixture of the search space was tried."""
    return Advice(0, 0.0, 0.0, last_gain, noise, True, "every mixture of the search space was tried: stop")


def _sentence(proxies: int, gain: float, last_gain: float | None, noise: float | None, stop: bool | None) -> str:
    promise = f"another {proxies} proxies: expected gain {gain:.4f} bits per byte"
    if noise is None:
        return f"{promise}; the noise between seeds was not measured, so there is no advice"
    promise += f", {'below' if gain < noise else 'not below'} the noise {noise:.4f}"
    if stop or gain >= noise:
        return f"{promise}: {'stop' if stop else 'go on'}"
    return f"{promise}, but the last iteration gained {last_gain:.4f}: go on"


def expected_gain(prediction: Prediction, best: float) -> float:
    """Return the expected improvement of the best of all candidates over `best`, in bits per byte.

    The mean of max(best - min(y), 0), their losses y normal and independent: the integral below `best` of the
    probability that some y is lower. Errors of near mixtures go together, so it is rather too much.

    Parameters
    ----------
    prediction
        Of the candidates (n,).
    best
        The loss to beat.
    """
    from scipy.special import ndtr

    mean, deviation = prediction
    width = np.maximum(deviation, CERTAIN)
    lowest = float((mean - REACH * width).min())
    if lowest >= best:
        return 0.0
    levels = np.linspace(lowest, best, GRID)
    above = ndtr((mean[:, None] - levels) / width[:, None]).prod(axis=0)  # every loss is above the level
    return float(np.trapezoid(1 - above, levels))


def last_gain(measured: FloatArray, iteration: npt.NDArray[np.int32]) -> float | None:
    """Return by how much the last iteration's best beat the best of those before; 0 if not at all.

    Parameters
    ----------
    measured
        Measured objective of each mixture with what is added before it is ranked (n,), NaN where it is no mark.
    iteration
        Number of the iteration of each (n,).

    Returns
    -------
    float or None
        None where there is nothing to compare.
    """
    last = iteration == iteration.max(initial=0)
    before, after = _finite(measured[~last]), _finite(measured[last])
    if not len(before):
        return None
    return max(0.0, float(before.min()) - float(after.min(initial=np.inf))) if len(after) else 0.0


def _finite(values: FloatArray) -> FloatArray:
    return values[np.isfinite(values)]
